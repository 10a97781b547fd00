"""Operations: waiting for one, at the service's side."""

from gce.methods import method
from gce.world import Call, Resource, World

WAIT_S = 120.0


@method("compute.globalOperations.wait", "compute.regionOperations.wait", "compute.zoneOperations.wait")
def wait(world: World, call: Call) -> Resource:
    """Wait until an operation is done, two minutes at most."""
    _, operation = world.find(call.parent)
    world.clock.wait_for(lambda: operation["status"] == "DONE", WAIT_S)
    return operation
