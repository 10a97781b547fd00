"""Listing a deployment's images, and deleting those that nothing needs any more."""

from collections.abc import Sequence

import attrs

from vmpattern.access import Session, read_clouds
from vmpattern.access.session import ignore
from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.errors import DriverError
from vmpattern.model import Deployment, Failure, ImageId, Observation
from vmpattern.planner import ImageUse, image_uses, refuse_overlaps

KEEP = 3
"""So many images of each service stay, unless somebody says otherwise."""


@attrs.frozen(kw_only=True)
class Pruned:
    """What came of clearing away: the images that are gone, and what stood in the way of others."""

    deleted: tuple[ImageId, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all are gone that were to go."""
        return not self.failures


def images_in(deployment: Deployment, session: Session, *, keep: int) -> tuple[tuple[ImageUse, ...], Observation]:
    """Return every image of the deployment with what it is needed for; see `operations.images`."""
    observation = _read(deployment, session)
    return image_uses(deployment, observation, keep=keep), observation


def prune_in(deployment: Deployment, session: Session, *, keep: int) -> Pruned:
    """Delete the images that nothing needs, as they are now; see `operations.prune`."""
    uses, _ = images_in(deployment, session, keep=keep)
    useless = [use.image for use in uses if not use.needed]
    desks = {name: Desk(name, deployment.name, session, ignore, job="") for name in session.drivers}
    results = session.run([_delete(desks[image.cloud], image.id) for image in useless])
    gone = tuple(image.id for image, failure in zip(useless, results, strict=True) if failure is None)
    return Pruned(deleted=gone, failures=_told(results))


def _read(deployment: Deployment, session: Session) -> Observation:
    """Read what images and instances there are; fleets are left out, since nobody has to be asked for its health."""
    observation = read_clouds(attrs.evolve(deployment, fleets={}), session, images=True)
    refuse_overlaps(observation)
    return observation


def _delete(desk: Desk, image: ImageId) -> Task[Failure | None]:
    """Delete one by itself, so that an image that got in use since keeps no other."""
    try:
        yield from desk.delete_image(image)
    except DriverError as error:
        return Failure(code=error.code, scope=f"image {image}", message=str(error))
    return None


def _told(results: Sequence[Failure | None]) -> tuple[Failure, ...]:
    return tuple(failure for failure in results if failure is not None)
