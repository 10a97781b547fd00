"""Reading what a cloud has of images: the deployment's own, and what bases and existing images as written stand for."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import attrs

from vmpattern.access.tasks import Task, read
from vmpattern.driver import Baker, Driver, Selector
from vmpattern.errors import ContractBroken, NotFound
from vmpattern.model import Contents, Deployment, Existing, Image, ImageId, PackerManifest, Recipe


@attrs.frozen(kw_only=True)
class ImageReading:
    """Images of the deployment, what is written resolved, and why the rest isn't."""

    images: tuple[Image, ...]
    resolved: Mapping[str, ImageId]
    unresolved: Mapping[str, str]


def read_images(
    deployment: Deployment,
    contents: Mapping[str, Contents],
    cloud: str,
    driver: Driver,
    *,
    always: bool,
    most_attempts: int,
) -> Task[ImageReading]:
    """Read the images, where a service that runs is baked or `always`, and resolve what is written, where that can be.

    What only fleets of size 0 name is left alone: what is wrong with it doesn't keep their instances from being ended.

    Raises:
        ContractBroken: what was listed isn't what was asked for.
        DriverError: the cloud can't be read.
    """
    images: tuple[Image, ...] = ()
    resolved: dict[str, ImageId] = {}
    unresolved: dict[str, str] = {}
    used = [name for name in deployment.services if always or _is_run(deployment, name)]
    if always or any(isinstance(deployment.services[name].image, Recipe) for name in used):
        listed = yield from read(
            cloud, "images", lambda: driver.images(Selector(deployment.name)), most_attempts=most_attempts
        )
        images = checked_images(driver.name, deployment.name, listed)
    if driver.capabilities.baker and isinstance(driver, Baker):
        for written in sorted(set(_written(deployment, contents, cloud, used))):
            try:
                resolved[written] = yield from read(
                    cloud, "resolve", partial(driver.resolve, written), most_attempts=most_attempts
                )
            except NotFound as error:
                unresolved[written] = error.message
    return ImageReading(images=images, resolved=resolved, unresolved=unresolved)


def _is_run(deployment: Deployment, service: str) -> bool:
    """Whether a fleet runs the service, or none names it."""
    fleets = [fleet for fleet in deployment.fleets.values() if fleet.service == service]
    return not fleets or any(fleet.size for fleet in fleets)


def _written(
    deployment: Deployment, contents: Mapping[str, Contents], cloud: str, services: Sequence[str]
) -> Iterator[str]:
    """Yield what services name in this cloud, as far as fleets there, or no fleets at all, run them."""
    for name in services:
        service = deployment.services[name]
        fleets = [fleet for fleet in deployment.fleets.values() if fleet.service == name]
        if fleets and not any(place.cloud == cloud for fleet in fleets for place in fleet.placements):
            continue
        match service.image:
            case Recipe() as recipe:
                yield from filter(None, [recipe.base.get(cloud, recipe.base.get(""))])
            case Existing() as existing:
                yield from filter(None, [existing.ids.get(cloud)])
            case PackerManifest():
                yield from filter(None, [contents[name].existing.get(cloud)])


def checked_images(driver: str, deployment: str, rows: object) -> tuple[Image, ...]:
    """Hold a list of images against its selector.

    Raises:
        ContractBroken: something else than images, or a stranger's.
    """
    if not isinstance(rows, tuple):
        raise ContractBroken(f"{driver}: images returned {type(rows).__name__}, not a tuple of images")
    for row in rows:
        if not isinstance(row, Image):
            raise ContractBroken(f"{driver}: images returned {type(row).__name__} among its images")
        if row.deployment != deployment:
            raise ContractBroken(f"{driver}: images returned {row.id}, which isn't of {deployment}")
    return rows
