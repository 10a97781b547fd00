"""Images: made of a disk that nothing runs from, found by family, deleted."""

from gce.methods import method
from gce.refusal import Refusal, not_found
from gce.world import Call, Resource, World, fingerprint


@method("compute.images.insert")
def insert(world: World, call: Call) -> Resource:
    body = call.body
    path = f"{call.path}/{body['name']}"
    source, disk = world.find(world.path(body["sourceDisk"]))
    users = [world.path(user) for user in disk.get("users", [])]
    running = [user for user in users if world.has(user) and world.find(user)[1]["status"] != "TERMINATED"]
    if running and call.query.get("forceCreate") != "true":
        text = f"The disk resource '{source}' is already being used by '{running[0]}'"
        raise Refusal(400, "resourceInUseByAnotherResource", text)
    image = world.add("image", path, **body, status="PENDING", diskSizeGb=disk["sizeGb"], sourceDiskId=disk["id"])
    image["labelFingerprint"] = fingerprint(body.get("labels", {}))

    def effect() -> None:
        image["status"] = "READY"

    return world.begin(call, "insert", path, world.delays.image_s, effect, undo=lambda: image.update(status="FAILED"))


@method("compute.images.getFromFamily")
def from_family(world: World, call: Call) -> Resource:
    return newest(world, call.path)


def newest(world: World, path: str) -> Resource:
    """Return the newest image of a family, by the path of that."""
    folder, _, family = path.partition("/family/")
    found = [one for _, one in world.within(folder) if one.get("family") == family and one["status"] == "READY"]
    if not found:
        raise not_found(path)
    return max(found, key=lambda one: (one["creationTimestamp"], one["id"]))


@method("compute.images.setLabels")
def set_labels(world: World, call: Call) -> Resource:
    path, image = world.find(call.parent)
    if call.body["labelFingerprint"] != image["labelFingerprint"]:
        raise Refusal(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed")
    labels = call.body.get("labels", {})
    image.update(labels=labels, labelFingerprint=fingerprint([labels, image["labelFingerprint"]]))
    return world.begin(call, "setLabels", path, world.delays.other_s, lambda: None)


@method("compute.images.delete")
def delete(world: World, call: Call) -> Resource:
    path, image = world.find(call.path)
    image["status"] = "DELETING"
    return world.begin(call, "delete", path, world.delays.other_s, lambda: world.drop(path))
