"""Asking drivers what is bound to fail before anything is launched, and telling it at its place in the file."""

from collections.abc import Iterator

import attrs

from vmpattern import naming
from vmpattern.access.requests import launch_request
from vmpattern.access.tasks import Task, read
from vmpattern.driver import Checker, LaunchRequest
from vmpattern.errors import Denied, DriverError, Problem, Unauthenticated
from vmpattern.model import (
    CloudObservation,
    Deployment,
    Existing,
    Fleet,
    FleetCheck,
    ImageId,
    LaunchKey,
    PackerManifest,
    Placement,
    Recipe,
    Secret,
    Service,
    Slot,
)
from vmpattern.planner import admitted

NO_KEY = LaunchKey("k" + "0" * 31)
"""The key of a request that nobody sends."""


def check_fleets(
    deployment: Deployment,
    cloud: CloudObservation,
    checker: Checker,
    *,
    most_attempts: int,
) -> Task[tuple[FleetCheck, ...]]:
    """Check each fleet that has anything to launch in a cloud, with one call for each of its placements there.

    A permission that is missing is a problem; any other failure to find out is a note.
    """
    found: list[FleetCheck] = []
    for fleet in deployment.fleets.values():
        problems: list[Problem] = []
        notes: list[str] = []
        for number, placement in enumerate(fleet.placements if fleet.size else ()):
            if placement.cloud == cloud.name:
                requests = _requests(deployment, fleet, number, cloud)
                yield from _check(deployment, fleet, number, cloud, checker, requests, most_attempts, problems, notes)
        if problems or notes:
            found.append(FleetCheck(fleet=fleet.name, problems=tuple(dict.fromkeys(problems)), notes=tuple(notes)))
    return tuple(found)


def _check(
    deployment: Deployment,
    fleet: Fleet,
    number: int,
    cloud: CloudObservation,
    checker: Checker,
    requests: tuple[LaunchRequest, ...],
    most_attempts: int,
    problems: list[Problem],
    notes: list[str],
) -> Task[None]:
    """Check one placement of a fleet, and add what was found."""
    service = deployment.services[fleet.service]
    if not requests:
        return  # what isn't sold there is reported when it is resolved
    path = f"fleets.{fleet.name}.placements[{number}]"
    balancer = fleet.balancer.get(cloud.name)
    try:
        wrong = yield from read(
            cloud.name, "check", lambda: checker.check(requests, balancer), most_attempts=most_attempts
        )
    except (Denied, Unauthenticated) as error:
        problems.append(Problem(path, str(error)))
    except DriverError as error:
        notes.append(f"{path} couldn't be checked: {error}")
    else:
        problems += [attrs.evolve(one, path=_path(one.path, path, fleet, service, cloud.name)) for one in wrong]


def _requests(deployment: Deployment, fleet: Fleet, number: int, cloud: CloudObservation) -> tuple[LaunchRequest, ...]:
    placement, service = fleet.placements[number], deployment.services[fleet.service]
    image = _image(service, cloud)
    env = {name: value.ref if isinstance(value, Secret) else value for name, value in service.env.items()}
    return tuple(
        launch_request(deployment.name, fleet, service, slot, count=1, key=NO_KEY, previous=None, env=env)
        for slot in _slots(fleet, service, placement, number, image, cloud)
    )


def _slots(
    fleet: Fleet, service: Service, placement: Placement, number: int, image: str, cloud: CloudObservation
) -> Iterator[Slot]:
    inputs = naming.inputs(service, fleet, placement, image)
    for zone in placement.zones or cloud.zones:
        for kind in admitted(cloud, placement, service.resources, zone)[:1]:
            yield Slot(
                cloud=cloud.name,
                zone=zone,
                placement=number,
                machine_type=kind.name,
                market=placement.market,
                revision=inputs.revision,
                inputs=inputs.text,
                image=ImageId(image),
                admits=frozenset({kind.name}),
                weight=placement.weight,
                price_per_hour=None,
                options=placement.options,
            )


def _image(service: Service, cloud: CloudObservation) -> str:
    """Return the image that a launch would be from: of a recipe, its base, which has to be there to begin with."""
    match service.image:
        case Existing() as existing:
            written = existing.ids.get(cloud.name, "")
        case Recipe() as recipe:
            written = recipe.base.get(cloud.name, recipe.base.get("", ""))
        case PackerManifest():
            return ""
    return cloud.resolved.get(written, written)


def _path(inner: str, placement: str, fleet: Fleet, service: Service, cloud: str) -> str:
    """Return where the file says what a request's field says."""
    field = inner.partition(".")[0].partition("[")[0]
    below = inner[len(field) :]
    written = f".existing.{cloud}" if isinstance(service.image, Existing) else ""
    written = ".base" if isinstance(service.image, Recipe) else written
    elsewhere = {
        "image": f"services.{service.name}.image{written}",
        "env": f"services.{service.name}.env",
        "port": f"services.{service.name}.port",
        "disk_gib": f"services.{service.name}.resources.disk",
        "balancer": f"fleets.{fleet.name}.balancer.{cloud}",
        "zone": f"{placement}.zones",
        "": placement,
    }
    return elsewhere.get(field, f"{placement}.{field}") + below
