"""What a simulated cloud can tell before a launch: everything that it would refuse."""

from collections.abc import Iterator, Sequence

import attrs

from vmpattern.driver import LaunchRequest
from vmpattern.errors import Invalid, Problem
from vmpattern.model import ImageId
from vmpattern.model.quantity import many
from vmpattern.simulation import launching
from vmpattern.simulation.images import Images
from vmpattern.simulation.spec import IMAGE_PREFIX
from vmpattern.simulation.world import World

WAY_OUT = "choose a smaller size, or raise the limit"
IN_PLACE = "replace within the limit (max_surge = 0 with max_unavailable = 1)"


def problems(world: World, images: Images, requests: Sequence[LaunchRequest]) -> Iterator[Problem]:
    """Yield what isn't sold, options that nobody knows, and what is above the quota; an image not known yet is fine."""
    for request in requests:
        known = request if request.image else attrs.evolve(request, image=ImageId(IMAGE_PREFIX))
        try:
            launching.check(world.spec, images, attrs.evolve(known, count=1))
        except Invalid as error:
            yield Problem(error.field, error.message)
        for key in request.options:
            yield Problem(f"options.{key}", "isn't an option here; a simulated cloud has none for a placement")
        for quota, used, _ in launching.quotas(world, request.market):
            if request.count and used + request.count > quota:
                there = f"the account's limit is {many(quota, 'instance')}, {used} {'is' if used == 1 else 'are'} there"
                more = f"this change needs {request.count} more at once than it frees"
                yield Problem("", f"{there}, and {more}: {f'{IN_PLACE}, ' if used else ''}{WAY_OUT}")
