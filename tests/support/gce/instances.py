"""Instances: how they come to be, one or many at a time, run, stop and end; their disks and labels."""

from typing import Any

from gce.catalog import MACHINE_TYPES
from gce.faults import STOCKOUT, OperationError
from gce.guests import boot, power_off
from gce.images import newest
from gce.methods import method
from gce.quotas import GONE, spent
from gce.refusal import Refusal
from gce.world import Call, OperationFailed, Resource, World, fingerprint

TAKEN = "RESOURCE_ALREADY_EXISTS"


@method("compute.instances.insert")
def insert(world: World, call: Call) -> Resource:
    path = f"{call.path}/{call.body['name']}"
    prefix = "resource"
    _check(world, call.parent, call.body, prefix)
    refused = _no_room(world, call.parent, call.body, 1)
    instance = create(world, path, call.body)
    _count_live(world)

    def effect() -> None:
        if refused:
            raise OperationFailed(refused)
        boot(world, path)

    return world.begin(call, "insert", path, world.delays.insert_s, effect, undo=lambda: remove(world, path, instance))


@method("compute.instances.bulkInsert")
def bulk_insert(world: World, call: Call) -> Resource:
    """Make many: each has an insertion of its own in the operation's group, which tells what befell that one."""
    zone, body = call.path.rpartition("/instances/")[0], call.body
    paths = [f"{zone}/instances/{name}" for name in body["perInstanceProperties"]]
    if int(body["count"]) != len(paths):
        raise Refusal(400, "invalid", "Invalid value for field 'resource.count': it isn't the number of names.")
    kind = body["instanceProperties"]["machineType"]
    properties = {**body["instanceProperties"], "machineType": f"{zone}/machineTypes/{kind}"}
    _check(world, zone, properties, "resource.instanceProperties")
    taken = [OperationError(TAKEN, f"The resource '{path}' already exists") for path in paths if world.has(path)]
    refused = call.errors
    room = 0 if taken or refused else len(paths)
    while room and (short := _no_room(world, zone, properties, room)):
        room, refused = room - 1, short
    too_few = room < int(body.get("minCount", body["count"]))
    made = [] if taken or too_few else paths[:room]
    instances = [create(world, path, properties) for path in made]
    _count_live(world)

    def effect() -> None:
        for path in made:
            boot(world, path)
        counts = {"createdVmCount": len(made), "targetVmCount": len(paths), "status": "DONE"}
        location = {f"zones/{zone.rpartition('/')[2]}": counts | {"failedToCreateVmCount": len(paths) - len(made)}}
        operation["instancesBulkInsertOperationMetadata"] = {"perLocationStatus": location}
        if taken:
            raise OperationFailed(taken, 409)
        if too_few:
            text = f"Requested minimum count of {body.get('minCount', body['count'])} VMs could not be created."
            raise OperationFailed([OperationError("VM_MIN_COUNT_NOT_REACHED", text)])

    operation = world.begin(_well(call), "bulkInsert", paths[0], world.delays.insert_s, effect)
    operation.pop("targetId", None)
    operation.update(targetLink=world.link(f"{zone}/instances"), operationGroupId=world.new_id())
    for path, instance in zip(made, instances, strict=True):
        _insertion(world, call, path, (), operation).update(targetId=instance["id"])
    for path in [] if taken else paths[len(made) :]:
        _insertion(world, call, path, refused, operation)
    return operation


def _well(call: Call) -> Call:
    return Call(call.method, call.path, call.query, call.body)


def _insertion(world: World, call: Call, path: str, errors: tuple[OperationError, ...], group: Resource) -> Resource:
    def effect() -> None:
        if errors:
            raise OperationFailed(errors)

    one = world.begin(_well(call), "insert", path, world.delays.insert_s, effect)
    one["operationGroupId"] = group["operationGroupId"]
    return one


@method("compute.instances.delete")
def delete(world: World, call: Call) -> Resource:
    path, instance = world.find(call.path)
    instance["status"] = "STOPPING"
    world.ending.add(instance["id"])
    return world.begin(call, "delete", path, world.delays.delete_s, lambda: remove(world, path, instance))


@method("compute.instances.stop")
def stop(world: World, call: Call) -> Resource:
    path, _ = world.find(call.parent)
    power_off(world, path)
    return world.begin(call, "stop", path, world.delays.other_s, lambda: None)


@method("compute.instances.setLabels")
def set_labels(world: World, call: Call) -> Resource:
    path, instance = world.find(call.parent)
    if call.body["labelFingerprint"] != instance["labelFingerprint"]:
        raise Refusal(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed")
    labels = call.body.get("labels", {})

    def effect() -> None:
        instance.update(labels=labels, labelFingerprint=fingerprint([labels, instance["labelFingerprint"]]))

    # The service takes the labels at once, the operation only ends later.
    effect()
    return world.begin(call, "setLabels", path, world.delays.other_s, lambda: None)


@method("compute.instances.getSerialPortOutput")
def serial_port(world: World, call: Call) -> Resource:
    path, _ = world.find(call.parent)
    start = int(call.query.get("start", 0))
    text = world.consoles.get(path, "")[start : start + world.console_piece]
    port = {"selfLink": world.link(call.path), "start": str(start), "next": str(start + len(text))}
    return {**port, "contents": text}


def create(world: World, path: str, body: Resource) -> Resource:
    """Put an instance with its disks into the world, as it is before it runs."""
    zone = "/".join(path.split("/")[:4])
    image = _image(world, body)
    labels = body.get("labels", {})
    instance = world.add("instance", path, **{**body, "zone": world.link(zone), "status": "PROVISIONING"})
    instance["machineType"] = world.link(world.path(body["machineType"]))
    instance.update(labels=labels, labelFingerprint=fingerprint(labels))
    for field in ("tags", "metadata"):
        instance[field] = {**body.get(field, {}), "fingerprint": fingerprint(body.get(field))}
    usual = {"provisioningModel": "STANDARD", "preemptible": False, "automaticRestart": True}
    instance["scheduling"] = usual | body.get("scheduling", {})
    ordinal = int(instance["id"]) % 60_000
    address = f"10.132.{ordinal // 250}.{ordinal % 250 + 2}"
    instance["networkInterfaces"] = [
        {**one, "name": f"nic{place}", "networkIP": address} for place, one in enumerate(body["networkInterfaces"])
    ]
    for interface in instance["networkInterfaces"]:
        interface["accessConfigs"] = [
            {**one, "natIP": f"203.0.113.{ordinal % 250 + 2}"} for one in interface.get("accessConfigs", [])
        ]
    instance["disks"] = [_disk(world, zone, instance, one, image) for one in body["disks"]]
    return instance


def _count_live(world: World) -> None:
    live = sum(one["status"] not in GONE for _, one in world.instances())
    world.most_live = max(world.most_live, live)


def remove(world: World, path: str, only: Resource) -> None:
    """Take an instance out of the world, with what is its own; another may have its name by now."""
    if not world.has(path) or world.find(path)[1] is not only:
        return
    world.drop(path)
    for disk in only["disks"]:
        if disk.get("autoDelete"):
            world.drop(world.path(disk["source"]))
    for members in world.members.values():
        if path in members:
            members.remove(path)
    world.consoles.pop(path, None)
    world.unhealthy.discard(path)


def _disk(world: World, zone: str, instance: Resource, wanted: Resource, image: Resource) -> Resource:
    first = wanted["initializeParams"]
    name = first.get("diskName", instance["name"])
    labels = first.get("labels", {})
    path = f"{zone}/disks/{name}"
    try:
        disk = world.add("disk", path, labels=labels, labelFingerprint=fingerprint(labels), zone=world.link(zone))
    except Refusal:
        world.drop(world.path(instance["selfLink"]))
        raise
    disk.update(status="READY", sizeGb=first.get("diskSizeGb", image["diskSizeGb"]), sourceImage=image["selfLink"])
    disk["users"] = [instance["selfLink"]]
    kept = {key: value for key, value in wanted.items() if key != "initializeParams"}
    return {**kept, "source": disk["selfLink"], "type": "PERSISTENT", "mode": "READ_WRITE", "index": 0}


def _check(world: World, zone: str, body: Resource, at: str) -> None:
    """Refuse what can never work, in the words of the service."""
    if not world.has(zone):
        name = zone.rpartition("/")[2]
        raise Refusal(400, "invalid", f"Invalid value for field 'zone': '{name}'. Unknown zone.")
    kind = body["machineType"]
    if not world.has(world.path(kind)) and not _custom(kind):
        text = f"Invalid value for field '{at}.machineType': '{kind}'. The referenced resource doesn't exist."
        raise Refusal(400, "invalid", text)
    for place, interface in enumerate(body["networkInterfaces"]):
        for field in ("subnetwork", "network"):
            if field in interface and not world.has(world.path(interface[field])):
                where = f"{at}.networkInterfaces[{place}].{field}"
                text = f"Invalid value for field '{where}': '{interface[field]}'. The referenced {field} resource"
                raise Refusal(400, "invalid", f"{text} cannot be found.")
    for item in body.get("metadata", {}).get("items", []):
        if len(item["value"].encode()) > 262144:
            field = f"{at}.metadata.items[0].value"
            raise Refusal(400, "invalid", f"Invalid value for field '{field}': it exceeds 262144 bytes.")
    _image(world, body)


def _image(world: World, body: Resource) -> Resource:
    reference = body["disks"][0]["initializeParams"]["sourceImage"]
    path = world.path(reference, "global/images")
    return newest(world, path) if "/family/" in path else world.find(path)[1]


def _custom(kind: str) -> bool:
    return "-custom-" in kind.rpartition("/")[2]


def _no_room(world: World, zone: str, body: Resource, count: int) -> tuple[OperationError, ...]:
    """Return what is in the way of so many more."""
    if (over := spent(world, zone, body, count)) is not None:
        return (over,)
    kind = body["machineType"].rpartition("/")[2]
    live = [(path, one) for path, one in world.instances() if one["status"] not in GONE]
    here = [one["machineType"] for path, one in live if path.startswith(f"{zone}/")]
    name = zone.rpartition("/")[2]
    alike = sum(one.rpartition("/")[2] == kind for one in here)
    for place, there in ((name, len(here)), (f"{name}/{kind}", alike)):
        if place in world.room and there + count > world.room[place]:
            return (STOCKOUT,)
    return ()


def vcpus(instance: Resource) -> int:
    """Return how many vCPUs an instance has."""
    kind: Any = instance["machineType"].rpartition("/")[2]
    return MACHINE_TYPES[kind][0] if kind in MACHINE_TYPES else int(kind.split("-")[-2])
