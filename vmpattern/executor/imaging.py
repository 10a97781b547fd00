"""Reading what a cloud has of images: the deployment's own, and what bases and existing images as written stand for."""

from collections.abc import Iterator, Mapping

import attrs
from tenacity import Retrying

from vmpattern.driver import Baker, Driver, Selector
from vmpattern.errors import ContractBroken, NotFound
from vmpattern.executor.runtime import deadline_s, within
from vmpattern.model import Contents, Deployment, Existing, Image, ImageId, PackerManifest, Recipe


@attrs.frozen(kw_only=True)
class ImageReading:
    """Images of the deployment, what is written resolved, why the rest isn't, and how many calls that took."""

    images: tuple[Image, ...]
    resolved: Mapping[str, ImageId]
    unresolved: Mapping[str, str]
    calls: int


def read_images(
    deployment: Deployment,
    contents: Mapping[str, Contents],
    cloud: str,
    driver: Driver,
    retrying: Retrying,
    *,
    always: bool,
) -> ImageReading:
    """Read the images, where a service is baked or `always`, and resolve what is written, where the driver can.

    Raises:
        ContractBroken: what was listed isn't what was asked for.
        DriverError: the cloud can't be read.
    """
    patience_s = deadline_s(driver.capabilities)
    images: tuple[Image, ...] = ()
    resolved: dict[str, ImageId] = {}
    unresolved: dict[str, str] = {}
    calls = 0
    if always or any(isinstance(service.image, Recipe) for service in deployment.services.values()):
        listed = retrying.copy()(
            within, patience_s, lambda: driver.images(Selector(deployment.name)), f"{driver.name}: images"
        )
        images, calls = checked_images(driver.name, deployment.name, listed), 1
    if driver.capabilities.baker and isinstance(driver, Baker):
        for written in sorted(set(_written(deployment, contents, cloud))):
            calls += 1
            try:
                resolved[written] = retrying.copy()(
                    within, patience_s, lambda name=written: driver.resolve(name), f"{driver.name}: resolve"
                )
            except NotFound as error:
                unresolved[written] = error.message
    return ImageReading(images=images, resolved=resolved, unresolved=unresolved, calls=calls)


def _written(deployment: Deployment, contents: Mapping[str, Contents], cloud: str) -> Iterator[str]:
    """Yield what services name in this cloud, as far as fleets there, or no fleets at all, run them."""
    for name, service in deployment.services.items():
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
