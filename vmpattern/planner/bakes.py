"""Which images are to be baked before a deployment is as desired, and why. Pure."""

from collections.abc import Iterator, Sequence

from vmpattern import naming
from vmpattern.errors import Problem, SpecError
from vmpattern.model import (
    Bake,
    BuildSite,
    CloudObservation,
    Contents,
    Deployment,
    Image,
    ImageState,
    Observation,
    Placement,
    Reason,
    Recipe,
    Service,
)
from vmpattern.planner.images import Chosen, NoImage, choose, image_reasons
from vmpattern.planner.resolve import admitted

NOTHING = Contents()


def bakes(
    deployment: Deployment,
    observation: Observation,
    *,
    services: Sequence[str],
    refresh: bool = False,
    present: bool = False,
    idle: bool = False,
) -> tuple[Bake, ...]:
    """Return the bakes of these services that have no image yet, one for each digest and cloud.

    With `present`, those are there whose image is, too. Of a cloud that couldn't be read there are none.

    Args:
        idle: also in clouds where only fleets of size 0 would run a service: nothing there needs the image yet.

    Raises:
        SpecError: an image can neither be found nor baked; every problem at once.
    """
    found: dict[tuple[str, str], Bake] = {}
    every = chosen_images(deployment, observation, services=services, refresh=refresh, idle=idle)
    for service, cloud, chosen in every:
        if (chosen.to_bake or present) and cloud.error is None:
            bake = _bake(deployment, service, cloud, observation.contents.get(service.name, NOTHING), chosen)
            found.setdefault((cloud.name, bake.digest), bake)
    return tuple(found.values())


def chosen_images(
    deployment: Deployment,
    observation: Observation,
    *,
    services: Sequence[str],
    refresh: bool = False,
    idle: bool = False,
) -> list[tuple[Service, CloudObservation, Chosen]]:
    """Return the image of each of these services that has a recipe, in every cloud where it is needed.

    Args:
        idle: also where only fleets of size 0 would run it.

    Raises:
        SpecError: an image can neither be found nor baked; every problem at once.
    """
    found: list[tuple[Service, CloudObservation, Chosen]] = []
    problems: list[Problem] = []
    for name in services:
        service = deployment.services[name]
        if not isinstance(service.image, Recipe):
            continue
        contents = observation.contents.get(name, NOTHING)
        for cloud in _clouds(deployment, name, idle=idle):
            try:
                chosen = choose(service, observation.clouds[cloud], contents, refresh=refresh)
                found.append((service, observation.clouds[cloud], chosen))
            except NoImage as none:
                problems += [none.problem] if none.problem not in problems else []
    if problems:
        raise SpecError(problems)
    return found


def _clouds(deployment: Deployment, service: str, *, idle: bool) -> Sequence[str]:
    """Return the clouds in which fleets run the service, if `idle` whatever their size; every cloud without a fleet."""
    fleets = [fleet for fleet in deployment.fleets.values() if fleet.service == service]
    used = dict.fromkeys(place.cloud for fleet in fleets if fleet.size or idle for place in fleet.placements)
    return list(used) if fleets else list(deployment.clouds)


def _bake(
    deployment: Deployment, service: Service, cloud: CloudObservation, contents: Contents, chosen: Chosen
) -> Bake:
    path = f"services.{service.name}.image"
    sites = tuple(dict.fromkeys(_sites(deployment, service, cloud)))
    if not sites:
        need = f"{service.resources.vcpus} vCPUs and {service.resources.memory_mib} MiB"
        raise SpecError([Problem(path, f"no machine type of {cloud.name} has {need} for a builder")])
    typical = cloud.capabilities.latencies
    return Bake(
        service=service.name,
        cloud=cloud.name,
        digest=chosen.written,
        recipe=chosen.recipe,
        base=chosen.base,
        resolved=chosen.resolved,
        sites=sites,
        duration_s=typical.boot_s + typical.build_s + typical.capture_s,
        disk_gib=service.resources.disk_gib,
        reasons=tuple(_reasons(path, service, cloud, contents, chosen)),
    )


def _sites(deployment: Deployment, service: Service, cloud: CloudObservation) -> Iterator[BuildSite]:
    """Yield where the service's own instances may run, as the placements say, else anywhere in the cloud."""
    fleets = [fleet for fleet in deployment.fleets.values() if fleet.service == service.name]
    placements = [place for fleet in fleets for place in fleet.placements if place.cloud == cloud.name]
    for placement in placements or [Placement(cloud=cloud.name)]:
        for zone in placement.zones or cloud.zones:
            for kind in admitted(cloud, placement, service.resources, zone)[:1]:
                yield BuildSite(zone=zone, machine_type=kind.name, options=placement.options)


def _reasons(
    path: str, service: Service, cloud: CloudObservation, contents: Contents, chosen: Chosen
) -> Iterator[Reason]:
    """Compare with the newest image of the service: what differs in the recipe, or that there was none.

    An image of the digest itself that no bake has verified is the reason alone.
    """
    there = [row for row in cloud.images if row.digest == chosen.written and row.state is ImageState.AVAILABLE]
    if there and chosen.to_bake:
        yield Reason(field=path, before=f"{there[0].id}, not verified", after=chosen.written, count=1)
        return
    before = latest(cloud.images, service.name, chosen.written)
    if before is None:
        yield Reason(field=path, before=None, after=chosen.written, count=1)
        return
    yield from image_reasons(path, before, chosen.recipe, naming.base_label(chosen.resolved), contents)


def latest(images: Sequence[Image], service: str, digest: str) -> Image | None:
    """Return the newest image of a service that is usable and of another digest."""
    made = [image for image in images if image.service == service and image.is_usable and image.digest != digest]
    return max(made, key=lambda image: (image.created_at, image.id), default=None)
