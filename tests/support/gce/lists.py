"""Reading: one resource, the pages of a list, a list over every zone with its warnings."""

import base64
from collections.abc import Iterable
from typing import Any

from gce.filters import parse
from gce.methods import method
from gce.refusal import Refusal
from gce.world import Call, Resource, World

Pair = tuple[str, Resource]
NOTHING = "NO_RESULTS_ON_PAGE"


@method(
    "compute.backendServices.get",
    "compute.disks.get",
    "compute.globalOperations.get",
    "compute.healthChecks.get",
    "compute.images.get",
    "compute.instanceGroups.get",
    "compute.instances.get",
    "compute.diskTypes.get",
    "compute.networks.get",
    "compute.projects.get",
    "compute.regionBackendServices.get",
    "compute.regionHealthChecks.get",
    "compute.regionOperations.get",
    "compute.subnetworks.get",
    "compute.zoneOperations.get",
    "compute.zones.get",
)
def get(world: World, call: Call) -> Resource:
    return world.find(call.path)[1]


@method(
    "compute.images.list",
    "compute.instances.list",
    "compute.diskTypes.list",
    "compute.machineTypes.list",
    "compute.networks.list",
    "compute.regions.list",
    "compute.zoneOperations.list",
    "compute.zones.list",
)
def listed(world: World, call: Call) -> Resource:
    if "/zones/" in call.path:
        world.find(call.parent)
    chosen, token = page(world, call, world.within(call.path))
    return {**head(call), **token, **items([one for _, one in chosen])}


@method(
    "compute.diskTypes.aggregatedList",
    "compute.disks.aggregatedList",
    "compute.globalOperations.aggregatedList",
    "compute.instances.aggregatedList",
    "compute.machineTypes.aggregatedList",
)
def aggregated(world: World, call: Call) -> Resource:
    collection = call.path.rpartition("/")[2]
    zones = [zone for zone in world.every_zone if zone not in world.unreachable]
    every = [pair for zone in zones for pair in world.within(f"projects/{world.project}/zones/{zone}/{collection}")]
    chosen, token = page(world, call, every)
    scopes: dict[str, dict[str, Any]] = {}
    for zone in zones:
        found = [one for path, one in chosen if f"/zones/{zone}/" in path]
        scopes[f"zones/{zone}"] = {collection: found} if found else _warning(NOTHING, zone)
    for zone in sorted(world.unreachable):
        scopes[f"zones/{zone}"] = _warning("UNREACHABLE", zone)
    unreachable = {"unreachables": [f"zones/{zone}" for zone in sorted(world.unreachable)]}
    return {**head(call), **token, "items": scopes, **(unreachable if world.unreachable else {})}


def page(world: World, call: Call, pairs: Iterable[Pair]) -> tuple[list[Pair], dict[str, str]]:
    """Return what passes the filter and is on the page that was asked for, and the token of the next one."""
    passes = parse(call.query["filter"]) if "filter" in call.query else lambda _: True
    chosen = [(path, one) for path, one in pairs if passes(one) and path not in world.unlisted]
    size, first = int(call.query.get("maxResults", 500)), _first(call.query.get("pageToken"))
    token = {"nextPageToken": _token(first + size)} if first + size < len(chosen) else {}
    return chosen[first : first + size], token


def items(found: list[Resource]) -> dict[str, list[Resource]]:
    """Return the field for what was found: it isn't there where nothing was."""
    return {"items": found} if found else {}


def head(call: Call) -> dict[str, str]:
    return {"id": call.path}


def _warning(code: str, zone: str) -> dict[str, Any]:
    scope = f"zones/{zone}"
    words = f"There are no results for scope '{scope}' on this page." if code == NOTHING else f"{scope} isn't reached."
    return {"warning": {"code": code, "message": words, "data": [{"key": "scope", "value": scope}]}}


def _token(first: int) -> str:
    return base64.urlsafe_b64encode(f"from:{first}".encode()).decode()


def _first(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("from:"))
    except ValueError:
        raise Refusal(400, "invalid", "Invalid value for field 'pageToken'.") from None
