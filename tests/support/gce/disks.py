"""Disks that are made by themselves, of an image."""

from gce.methods import method
from gce.world import Call, Resource, World, fingerprint


@method("compute.disks.insert")
def insert(world: World, call: Call) -> Resource:
    path = f"{call.path}/{call.body['name']}"
    image = call.query.get("sourceImage") or call.body.get("sourceImage", "")
    labels = call.body.get("labels", {})
    usual = {"sizeGb": "10", "labelFingerprint": fingerprint(labels), "zone": world.link(call.parent)}
    disk = world.add("disk", path, **{**usual, **call.body, "sourceImage": image, "status": "READY"})
    disk["type"] = call.body.get("type", world.link(f"{call.parent}/diskTypes/pd-standard"))
    return world.begin(call, "insert", path, world.delays.other_s, lambda: None)
