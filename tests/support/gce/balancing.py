"""Balancing: unmanaged instance groups, and the backend services that send requests to their members."""

from gce.lists import head, items, page
from gce.methods import method
from gce.refusal import Refusal
from gce.world import Call, Resource, World, fingerprint


@method("compute.healthChecks.insert", "compute.regionHealthChecks.insert")
def insert_health_check(world: World, call: Call) -> Resource:
    return _insert(world, call, "healthCheck", {})


@method("compute.backendServices.insert", "compute.regionBackendServices.insert")
def insert_backend_service(world: World, call: Call) -> Resource:
    for backend in call.body.get("backends", []):
        world.find(world.path(backend["group"]))
    for check in call.body.get("healthChecks", []):
        world.find(world.path(check))
    usual = {"protocol": "HTTP", "port": 80, "portName": "http", "timeoutSec": 30, "loadBalancingScheme": "EXTERNAL"}
    return _insert(world, call, "backendService", usual)


@method("compute.instanceGroups.insert")
def insert_group(world: World, call: Call) -> Resource:
    return _insert(world, call, "instanceGroup", {"size": 0, "zone": world.link(call.parent)})


@method("compute.instanceGroups.addInstances")
def add(world: World, call: Call) -> Resource:
    path, group = world.find(call.parent)
    members = world.members.setdefault(path, [])
    added = [world.find(world.path(one["instance"]))[0] for one in call.body["instances"]]
    for one in added:
        if one in members:
            text = f"Instance '{one}' is already a member of '{path}'."
            raise Refusal(400, "memberAlreadyExists", text)
        if one.split("/")[3] != path.split("/")[3]:
            raise Refusal(400, "invalid", f"Invalid value for field 'instances': '{one}' is in another zone.")

    def effect() -> None:
        members.extend(one for one in added if one not in members and world.has(one))
        group["size"] = len(members)

    return world.begin(call, "compute.instanceGroups.addInstances", path, world.delays.other_s, effect)


@method("compute.instanceGroups.removeInstances")
def remove(world: World, call: Call) -> Resource:
    path, group = world.find(call.parent)
    members = world.members.setdefault(path, [])
    removed = [world.path(one["instance"]) for one in call.body["instances"]]
    for one in removed:
        if one not in members:
            raise Refusal(400, "memberNotFound", f"Instance '{one}' is not a member of '{path}'.")

    def effect() -> None:
        members[:] = [one for one in members if one not in removed]
        group["size"] = len(members)

    return world.begin(call, "compute.instanceGroups.removeInstances", path, world.delays.other_s, effect)


@method("compute.instanceGroups.listInstances")
def list_members(world: World, call: Call) -> Resource:
    path, _ = world.find(call.parent)
    chosen, token = page(world, call, [world.find(member) for member in world.members.get(path, [])])
    rows = [{"instance": one["selfLink"], "status": one["status"]} for _, one in chosen]
    return {**head(call), **token, **items(rows)}


@method("compute.backendServices.getHealth", "compute.regionBackendServices.getHealth")
def health(world: World, call: Call) -> Resource:
    _, service = world.find(call.parent)
    group = world.find(world.path(call.body["group"]))[0]
    if group not in [world.path(backend["group"]) for backend in service.get("backends", [])]:
        raise Refusal(400, "invalid", f"Invalid value for field 'resource.group': '{group}' is no backend of it.")
    rows = [_state(world, member) for member in world.members.get(group, [])]
    return {"kind": "compute#backendServiceGroupHealth", **({"healthStatus": rows} if rows else {})}


def _state(world: World, member: str) -> Resource:
    instance = world.find(member)[1]
    well = instance["status"] == "RUNNING" and member not in world.unhealthy
    address = instance["networkInterfaces"][0]["networkIP"]
    state = "HEALTHY" if well else "UNHEALTHY"
    return {"instance": instance["selfLink"], "healthState": state, "port": 80, "ipAddress": address}


def _insert(world: World, call: Call, kind: str, usual: Resource) -> Resource:
    path = f"{call.path}/{call.body['name']}"
    made = world.add(kind, path, **{**usual, **call.body})
    if kind != "healthCheck":
        made["fingerprint"] = fingerprint(call.body)
    return world.begin(call, "insert", path, world.delays.other_s, lambda: None)
