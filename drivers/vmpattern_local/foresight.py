"""What is bound to fail here, told before anything is launched: parts, memory, images, the balancer's port."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from vmpattern.driver import LaunchRequest
from vmpattern.errors import DriverError, Problem
from vmpattern.model import MachineType, Options
from vmpattern_local import launching, parts
from vmpattern_local.balancers import Balancers
from vmpattern_local.disks import Disks


def problems(
    requests: Sequence[LaunchRequest],
    balancer: Options | None,
    *,
    disks: Disks,
    balancers: Balancers,
    types: Sequence[MachineType],
    programs: str,
) -> Iterator[Problem]:
    """Yield what is known to fail, each with the path of the request's field; nothing is changed."""
    yield from _raised("", partial(parts.qemu, programs))
    for request in requests[:1]:  # they are alike but for their zones
        for name in sorted(request.options):
            yield Problem(f"options.{name}", "isn't an option here: this driver has none for placements")
        if request.image:
            yield from _raised("image", partial(disks.check, request.image))
        kind = next((one for one in types if one.name == request.machine_type), None)
        if kind is not None:
            needed = partial(launching.need_memory, kind, request.zone, request.count)
            yield from _raised("machine_type", needed)
    if balancer is not None:
        yield from _raised("balancer", partial(balancers.check, balancer))


def _raised(path: str, look: Callable[[], object]) -> Iterator[Problem]:
    try:
        look()
    except DriverError as error:
        yield Problem(path, error.message)
