"""Which of a deployment's images are still needed, and which may go. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.model import CloudObservation, Contents, Deployment, Image, ImageId, ImageState, Observation, Recipe
from vmpattern.planner.images import NoImage, choose


@attrs.frozen
class ImageUse:
    """One image, and what it is still needed for, in words; nothing: it may go."""

    image: Image
    needed: str


def image_uses(deployment: Deployment, observation: Observation, *, keep: int) -> tuple[ImageUse, ...]:
    """Judge every image of the clouds that could be read, by cloud, service and age, the newest first.

    Needed is what an instance runs from, what a fleet wants, and the one before that, to roll back to; what is being
    made or verified, what another image is to be made from, and the `keep` newest of each service in each cloud. What
    isn't verified counts as none of these newest. Where it can't be told what a service wants, all of its images are
    needed.
    """
    found: list[ImageUse] = []
    for cloud in observation.clouds.values():
        if cloud.error is None:
            reasons = _reasons(deployment, observation, cloud, keep)
            for image in sorted(cloud.images, key=lambda image: (image.service, -image.created_at, image.id)):
                found.append(ImageUse(image, reasons.get(image.id, "")))
    return tuple(found)


def _reasons(
    deployment: Deployment, observation: Observation, cloud: CloudObservation, keep: int
) -> Mapping[ImageId, str]:
    """Return why images are needed, the strongest reason of each."""
    reasons: dict[ImageId, str] = {}
    for image, reason in _all_reasons(deployment, observation, cloud, keep):
        reasons.setdefault(image, reason)
    return reasons


def _all_reasons(
    deployment: Deployment, observation: Observation, cloud: CloudObservation, keep: int
) -> Iterator[tuple[ImageId, str]]:
    running = Counter(instance.image for instance in cloud.instances if instance.phase.is_live)
    yield from ((image, f"{count} instance{'s' if count > 1 else ''}") for image, count in running.items())
    for service in deployment.services.values():
        if not isinstance(service.image, Recipe):
            continue
        try:
            chosen = choose(service, cloud, observation.contents.get(service.name, Contents()))
            wanted = chosen.id if isinstance(chosen.id, str) else None
            if wanted is not None:
                yield wanted, f"wanted by {service.name}"
                before = _before(wanted, service.name, cloud.images, running)
                yield from ((image, "to roll back to") for image in before)
            yield from (
                (image.id, f"to be verified for {service.name}")
                for image in _unverified(cloud.images)
                if image.digest == chosen.written and chosen.to_bake
            )
        except NoImage as none:
            unknown = f"nobody can tell what {service.name} wants: {none.problem.message}"
            yield from ((image.id, unknown) for image in cloud.images if image.service == service.name)
    yield from ((image.id, "being made") for image in cloud.images if image.state is ImageState.PENDING)
    baking = {row.revision for row in cloud.instances if row.fleet == naming.BUILDERS and row.phase.is_live}
    yield from ((image.id, "being verified") for image in _unverified(cloud.images) if image.digest in baking)
    yield from ((image, "a base") for image in cloud.resolved.values())
    yield from ((image.id, f"one of the {keep} newest") for image in _newest(cloud.images, keep))


def _before(wanted: ImageId, service: str, images: Sequence[Image], running: Collection[ImageId]) -> Iterator[ImageId]:
    """Yield the image that the service had before the wanted one; none while some still run from another."""
    made = [image.id for image in _by_age(images) if image.service == service and image.is_usable]
    if wanted in made and not (set(made) - {wanted}) & set(running):
        yield from made[made.index(wanted) + 1 :][:1]


def _newest(images: Sequence[Image], keep: int) -> Iterator[Image]:
    by_service: dict[str, list[Image]] = defaultdict(list)
    for image in _by_age(images):
        if image.is_usable:
            by_service[image.service].append(image)
    for made in by_service.values():
        yield from made[:keep]


def _unverified(images: Sequence[Image]) -> Iterator[Image]:
    """Yield what could be launched, and isn't, until a bake has verified it."""
    return (image for image in images if image.state is ImageState.AVAILABLE and not image.verified)


def _by_age(images: Sequence[Image]) -> list[Image]:
    return sorted(images, key=lambda image: (image.created_at, image.id), reverse=True)
