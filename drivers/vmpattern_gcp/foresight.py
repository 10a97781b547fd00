"""What is bound to fail, known before anything is launched: what a placement names is read."""

from collections.abc import Callable, Iterator, Sequence

from vmpattern.driver import LaunchRequest
from vmpattern.errors import Invalid, NotFound, Problem, SpecError
from vmpattern.model import Options
from vmpattern_gcp.answers import DiskImage, Kind, Named
from vmpattern_gcp.api import Calls
from vmpattern_gcp.balancing import front
from vmpattern_gcp.insertion import network_path, placement_options, subnetwork_path
from vmpattern_gcp.machines import CUSTOM
from vmpattern_gcp.names import image_path, region_of
from vmpattern_gcp.options import GcpOptions, PlacementOptions

Found = Iterator[Problem]


def problems(
    calls: Calls, requests: Sequence[LaunchRequest], balancer: Options | None, options: GcpOptions
) -> tuple[Problem, ...]:
    """Return what is bound to fail of the launches of one placement, one request for each zone."""
    first = requests[0]
    found = [*_of_zones(requests, options), *_of_image(calls, first), *_of_machine_type(calls, first)]
    try:
        placement = placement_options(first.options)
    except Invalid as error:
        found += error.__cause__.problems if isinstance(error.__cause__, SpecError) else ()
    else:
        found += _of_networks(calls, first, placement)
    if balancer is not None:
        found += _of_balancer(calls, balancer, requests)
    return tuple(found)


def _of_zones(requests: Sequence[LaunchRequest], options: GcpOptions) -> Found:
    for request in requests:
        if region_of(request.zone) != options.region:
            yield Problem("zone", f"{request.zone} isn't in the region {options.region}")


def _of_image(calls: Calls, request: LaunchRequest) -> Found:
    if not request.image:
        return
    path = image_path(request.image, calls.project)
    try:
        image = calls.find(DiskImage, path)
    except NotFound:
        yield Problem("image", f"there is no image {path}")
        return
    if image.status in ("FAILED", "DELETING") or image.deprecated.state in ("OBSOLETE", "DELETED"):
        yield Problem("image", f"{path} can't be launched: it is {image.status.lower()}, {image.deprecated.state}")
    if 0 < request.disk_gib < int(image.disk_size_gb):
        text = f"{request.disk_gib} GiB are less than the {image.disk_size_gb} GiB of {path}"
        yield Problem("disk_gib", text)


def _of_machine_type(calls: Calls, request: LaunchRequest) -> Found:
    # What is sold otherwise is listed; a custom machine type is found out by asking for it.
    if CUSTOM.fullmatch(request.machine_type):
        try:
            calls.get(Kind, f"zones/{request.zone}/machineTypes/{request.machine_type}")
        except (NotFound, Invalid) as error:
            yield Problem("machine_type", f"{request.machine_type} can't be had in {request.zone}: {error.message}")


def _of_networks(calls: Calls, request: LaunchRequest, placement: PlacementOptions) -> Found:
    region = request.zone.rpartition("-")[0]
    if placement.subnetwork:
        path = subnetwork_path(placement.subnetwork, region)
        yield from _missing(lambda: _look(calls, path), "options.subnetwork", f"there is no subnetwork {path}")
        if "/regions/" in f"/{path}" and f"/regions/{region}/" not in f"/{path}":
            yield Problem("options.subnetwork", f"{path} isn't in the region {region}")
    if placement.network or not placement.subnetwork:
        path = network_path(placement.network)
        text = f"there is no network {path}"
        hint = "" if placement.network else ": name a network or subnetwork in the placement's options"
        yield from _missing(lambda: _look(calls, path), "options.network", text + hint)


def _of_balancer(calls: Calls, balancer: Options, requests: Sequence[LaunchRequest]) -> Found:
    try:
        there = front(calls, balancer)
    except (Invalid, NotFound) as error:
        if isinstance(error.__cause__, SpecError):
            yield from error.__cause__.problems
        else:
            yield Problem(error.field, error.message)
        return
    for request in requests:
        if request.zone not in there.groups:
            text = f"{there.path} has no instance group in {request.zone}: add one as a backend"
            yield Problem("balancer.backend_service", text)


def _look(calls: Calls, path: str) -> Named:
    return calls.find(Named, path) if path.startswith("projects/") else calls.get(Named, path)


def _missing(look: Callable[[], object], at: str, text: str) -> Found:
    try:
        look()
    except (NotFound, Invalid):
        yield Problem(at, text)
