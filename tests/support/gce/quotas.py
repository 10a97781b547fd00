"""Quotas of regions: what others use of them, what the project's own instances use besides, and what they refuse."""

from collections.abc import Mapping

from gce.faults import OperationError
from gce.methods import method
from gce.world import Call, Resource, World

GONE = ("TERMINATED", "STOPPED", "STOPPING")
SHARED = ("e2", "n1", "f1", "g1", "custom")
"""The families whose vCPUs count as CPUS."""

INSTANCES, SPOT = "INSTANCES", "PREEMPTIBLE_CPUS"


def allow(world: World, metric: str, limit: float, usage: float = 0.0) -> None:
    """Set a quota of the world's region, of which others use so much."""
    region = world.find(f"projects/{world.project}/regions/{world.region}")[1]
    others = [quota for quota in region["quotas"] if quota["metric"] != metric]
    region["quotas"] = [*others, {"metric": metric, "limit": limit, "usage": usage}]


@method("compute.regions.get")
def region(world: World, call: Call) -> Resource:
    """Show a region, with what is used of its quotas now."""
    path, found = world.find(call.path)
    used = _used(world, path)
    quotas = [{**quota, "usage": quota["usage"] + used.get(quota["metric"], 0.0)} for quota in found["quotas"]]
    return {**found, "quotas": quotas}


def spent(world: World, zone: str, body: Resource, count: int) -> OperationError | None:
    """Return what a quota says of so many more instances in a zone; None where there is room."""
    name = zone.rpartition("/")[2].rpartition("-")[0]
    path = f"projects/{world.project}/regions/{name}"
    limits = _limits(world, path)
    used = _used(world, path)
    for metric, units in _costs(world, zone, body, limits).items():
        others = sum(one["usage"] for one in world.find(path)[1]["quotas"] if one["metric"] == metric)
        if metric in limits and others + used.get(metric, 0.0) + count * units > limits[metric]:
            text = f"Quota '{metric}' exceeded.  Limit: {limits[metric]:.1f} in region {name}."
            return OperationError("QUOTA_EXCEEDED", text)
    return None


def _limits(world: World, path: str) -> dict[str, float]:
    return {quota["metric"]: quota["limit"] for quota in world.find(path)[1]["quotas"]}


def _used(world: World, path: str) -> dict[str, float]:
    """Return what the project's instances use in a region; one that is stopped needs no vCPUs."""
    limits, used = _limits(world, path), dict[str, float]()
    for at, instance in world.instances():
        zone = at.partition("/instances/")[0]
        if not zone.rpartition("/")[2].startswith(f"{path.rpartition('/')[2]}-"):
            continue
        for metric, units in _costs(world, zone, instance, limits).items():
            if metric == INSTANCES or instance["status"] not in GONE:
                used[metric] = used.get(metric, 0.0) + units
    return used


def _costs(world: World, zone: str, body: Resource, limits: Mapping[str, float]) -> dict[str, float]:
    """Return what one instance takes of each quota."""
    kind = body["machineType"].rpartition("/")[2]
    path = f"{zone}/machineTypes/{kind}"
    vcpus = world.find(path)[1]["guestCpus"] if world.has(path) else int(kind.split("-")[-2])
    series = kind.partition("-")[0]
    metric = "CPUS" if series in SHARED else f"{series.upper()}_CPUS"
    if body.get("scheduling", {}).get("provisioningModel") == "SPOT" and limits.get(SPOT, 0.0) > 0:
        metric = SPOT
    return {INSTANCES: 1, metric: vcpus}
