"""What is known before a launch: everything that Nova would refuse, apart from quotas."""

from collections.abc import Callable, Iterator, Sequence

from vmpattern.driver import LaunchRequest
from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, NotFound, Problem, SpecError
from vmpattern.model import Options
from vmpattern_openstack.answers import Flavor, GlanceImage
from vmpattern_openstack.api import Calls
from vmpattern_openstack.balancing import balancer_options, pool_of
from vmpattern_openstack.catalog import Catalog
from vmpattern_openstack.options import PlacementOptions
from vmpattern_openstack.servers import root_disk


def problems(
    calls: Calls, catalog: Catalog, requests: Sequence[LaunchRequest], balancer: Options | None
) -> Iterator[Problem]:
    """Yield all that is known to fail if these are launched; they differ in their zones only."""
    catalog.renew()  # what was found long ago may be gone
    for request in requests[:1]:
        try:
            options = placement_options(request)
        except SpecError as error:
            yield from error.problems
            continue
        yield from _problems_of_options(calls, catalog, options)
        try:
            flavor = catalog.flavor(calls, request.machine_type)
        except Invalid as error:
            yield Problem(error.field, error.message)
            continue
        yield from _told(lambda: root_disk(request, options, flavor))  # noqa: B023
        yield from _problems_of_image(calls, request, options, flavor)
    zones = catalog.zones(calls)
    for request in requests:
        if request.zone not in zones:
            yield Problem("zone", f"no zone {request.zone!r} takes servers; there are: {', '.join(zones) or 'none'}")
    if balancer is not None:
        yield from _problems_of_balancer(calls, balancer)


def placement_options(request: LaunchRequest) -> PlacementOptions:
    """Return the options of a launch's placement.

    Raises:
        SpecError: a key is unknown, or a value can't be.
    """
    return parse_options(PlacementOptions, request.options, path="options")


def _told(look: Callable[[], object]) -> Iterator[Problem]:
    try:
        look()
    except Invalid as error:
        yield Problem(error.field, error.message)


def _problems_of_options(calls: Calls, catalog: Catalog, options: PlacementOptions) -> Iterator[Problem]:
    for place, name in enumerate(options.named_networks):
        yield from _told(lambda: catalog.network(calls, name, f"options.networks[{place}]"))  # noqa: B023
    yield from _told(lambda: catalog.floating_network(calls, options))
    for place, name in enumerate(options.security_groups):
        field = f"options.security_groups[{place}]"
        yield from _told(lambda: catalog.security_group(calls, name, field))  # noqa: B023
    things = {
        "key_pair": (options.key_pair, "/os-keypairs/", "key pair"),
        "server_group": (options.server_group, "/os-server-groups/", "server group"),
    }
    for field, (one, path, what) in things.items():
        if one is not None and calls.find("compute", path + one) is None:
            yield Problem(f"options.{field}", f"there is no {what} {one!r}")


def _problems_of_image(
    calls: Calls, request: LaunchRequest, options: PlacementOptions, flavor: Flavor
) -> Iterator[Problem]:
    if not request.image:
        return
    found = calls.find("image", f"/images/{request.image}")
    if found is None:
        yield Problem("image", f"there is no image {request.image!r}")
        return
    image = calls.parsed(GlanceImage, found)
    if image.status != "active":
        yield Problem("image", f"the image {request.image} is {image.status}, not active")
    if flavor.ram < image.min_ram:
        text = f"the flavor {flavor.name} has {flavor.ram} MiB of memory, and the image needs {image.min_ram}"
        yield Problem("machine_type", text)
    disk = flavor.disk if options.volume is None else request.disk_gib or flavor.disk
    if 0 < disk < image.min_disk:
        field = "machine_type" if options.volume is None else "disk_gib"
        yield Problem(field, f"the root disk has {disk} GiB, and the image needs {image.min_disk}")


def _problems_of_balancer(calls: Calls, balancer: Options) -> Iterator[Problem]:
    try:
        pool_of(calls, balancer_options(balancer))
    except SpecError as error:
        yield from error.problems
    except (Invalid, NotFound) as error:
        yield Problem(error.field or "balancer", error.message)
