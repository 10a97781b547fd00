"""What a simulated cloud can tell before a launch: everything that it would refuse."""

from collections.abc import Iterator, Sequence

import attrs

from vmpattern.driver import LaunchRequest
from vmpattern.errors import Invalid, Problem
from vmpattern.model import ImageId
from vmpattern.simulation import launching
from vmpattern.simulation.images import Images
from vmpattern.simulation.spec import IMAGE_PREFIX
from vmpattern.simulation.world import World


def problems(world: World, images: Images, requests: Sequence[LaunchRequest]) -> Iterator[Problem]:
    """Yield what isn't sold, and options that the driver doesn't know; an image not known yet is fine."""
    for request in requests:
        known = request if request.image else attrs.evolve(request, image=ImageId(IMAGE_PREFIX))
        try:
            launching.check(world.spec, images, attrs.evolve(known, count=1))
        except Invalid as error:
            yield Problem(error.field, error.message)
        for key in request.options:
            yield Problem(f"options.{key}", "isn't an option here; a simulated cloud has none for a placement")
