"""What `doctor` asks: can each cloud be reached, and has it what the file names? Reads only."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from difflib import get_close_matches
from pathlib import Path

import attrs

from vmpattern.driver import Balancer, Checker, Driver, Selector
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    NotFound,
    Throttled,
    Transient,
    Unauthenticated,
    VmpatternError,
)
from vmpattern.executor import Session
from vmpattern.executor.checking import check_fleets
from vmpattern.executor.session import runtime_for
from vmpattern.model import (
    Cloud,
    CloudObservation,
    Deployment,
    Fleet,
    Instance,
    MachineType,
    Placement,
    Resources,
    Secret,
)

Connect = Callable[[Cloud], AbstractContextManager[Driver]]


@attrs.frozen
class Check:
    """One thing that was asked: of which cloud (or of this machine, when empty), the answer, and what to do."""

    cloud: str
    what: str
    ok: bool
    answer: str
    todo: str = ""


_TODO: tuple[tuple[type[Exception], str], ...] = (
    (Unauthenticated, "renew the credentials of this cloud"),
    (Denied, "let the credentials' owner grant this call"),
    (Invalid, "correct what the message names, in the file"),
    (NotFound, "correct its name in the file, or create it"),
    (Throttled, "wait a little and try again"),
    (Transient, "wait a little and try again"),
    (DriverError, "see what the provider says about itself"),
    (VmpatternError, "correct the cloud's section of the file"),
    (OSError, "see whether the path or address is right and may be reached"),
)


def check_up(deployment: Deployment, connect: Connect) -> Iterator[Check]:
    """Ask everything, secrets first, then cloud by cloud in the file's order; yields each answer as it comes."""
    yield from _secrets(deployment)
    for cloud in deployment.clouds.values():
        try:
            with connect(cloud) as driver:
                yield Check(cloud.name, "driver", True, f"{driver.name} loads")
                yield from _cloud(deployment, cloud.name, driver)
        except Exception as error:  # a diagnosis goes on, whatever a driver does
            yield _failed(cloud.name, f"driver {cloud.driver}", error)


def _failed(cloud: str, what: str, error: Exception) -> Check:
    todo = next((todo for kind, todo in _TODO if isinstance(error, kind)), "report it to the driver's author")
    answer = str(error) if isinstance(error, VmpatternError | OSError) else f"{type(error).__name__}: {error}"
    return Check(cloud, what, False, answer, todo)


def _secrets(deployment: Deployment) -> Iterator[Check]:
    """Look whether references lead anywhere; commands aren't run, and no value is read."""
    used = {fleet.service for fleet in deployment.fleets.values()}
    directory = Path(next((cloud.directory for cloud in deployment.clouds.values()), "."))
    for name in sorted(used):
        for variable, value in sorted(deployment.services[name].env.items()):
            if isinstance(value, Secret):
                kind, _, place = value.ref.partition(":")
                what = f"secret {variable} of {name}"
                if kind == "env":
                    yield Check("", what, place in os.environ, value.ref, f"set the environment variable {place}")
                elif kind == "file":
                    yield Check(
                        "",
                        what,
                        os.access(directory / place, os.R_OK),
                        value.ref,
                        f"write {place}, or make it readable",
                    )


def _cloud(deployment: Deployment, cloud: str, driver: Driver) -> Iterator[Check]:
    found: list[Instance] = []
    try:
        found = [one for one in driver.instances(Selector(deployment.name)) if one.phase.is_live]
        yield Check(cloud, "instances", True, f"{len(found)} of this deployment")
    except Exception as error:  # see above
        yield _failed(cloud, "instances", error)
    try:
        types = driver.machine_types()
    except Exception as error:  # see above
        yield _failed(cloud, "machine types", error)
        return
    zones = sorted({zone for machine_type in types for zone in machine_type.zones})
    yield Check(cloud, "machine types", bool(types), f"{len(types)} in zones {', '.join(zones)}", "name another region")
    for fleet in deployment.fleets.values():
        resources = deployment.services[fleet.service].resources
        for placement in fleet.placements:
            if placement.cloud == cloud:
                yield from _placement(fleet, placement, resources, driver, types, zones)
        if cloud in fleet.balancer:
            yield _balancer(fleet, cloud, driver)
    seen = CloudObservation(
        name=cloud, at=0.0, capabilities=driver.capabilities, instances=tuple(found), machine_types=types
    )
    yield from _launches(deployment, cloud, driver, seen)


def _launches(deployment: Deployment, cloud: str, driver: Driver, seen: CloudObservation) -> Iterator[Check]:
    """Ask the driver what is bound to fail, as a plan does."""
    if not driver.capabilities.checks or not isinstance(driver, Checker):
        return
    wrong = False
    session = Session({cloud: driver}, runtime_for({cloud: driver}))
    for check in session.run([check_fleets(deployment, seen, driver, most_attempts=1)])[0]:
        wrong = True
        for problem in check.problems:
            yield Check(cloud, problem.path, False, problem.message, "correct it in the file, or in the cloud")
        for note in check.notes:
            yield Check(cloud, f"launches of {check.fleet}", False, note, "see what the message names")
    if not wrong:
        yield Check(cloud, "launches", True, "nothing is known that speaks against them")


def _placement(
    fleet: Fleet,
    placement: Placement,
    resources: Resources,
    driver: Driver,
    types: tuple[MachineType, ...],
    zones: list[str],
) -> Iterator[Check]:
    what = f"placement of {fleet.name}"
    unknown = [zone for zone in placement.zones if zone not in zones]
    for zone in unknown:
        near = get_close_matches(zone, zones, n=1)
        yield Check(placement.cloud, what, False, f"no zone {zone}", f"name {' or '.join(near or zones)}")
    if placement.market not in driver.capabilities.markets:
        market = placement.market.value
        yield Check(placement.cloud, what, False, f"no {market} market", "leave market away")
    for zone in placement.zones or tuple(zones):
        if zone not in unknown:
            yield _type(what, placement, resources, zone, types)


def _type(what: str, placement: Placement, resources: Resources, zone: str, types: tuple[MachineType, ...]) -> Check:
    here = [machine_type for machine_type in types if zone in machine_type.zones]
    if placement.machine_type is not None:
        names = [machine_type.name for machine_type in here]
        near = get_close_matches(placement.machine_type, names, n=3) or names[:5]
        answer = f"{placement.machine_type} in {zone}"
        return Check(
            placement.cloud, what, placement.machine_type in names, answer, f"name {', '.join(near)} or another zone"
        )
    fits = [
        machine_type
        for machine_type in here
        if machine_type.vcpus >= resources.vcpus and machine_type.memory_mib >= resources.memory_mib
    ]
    wanted = f"{resources.vcpus} vCPUs and {resources.memory_mib} MiB"
    answer = f"{len(fits)} machine types with {wanted} in {zone}"
    return Check(placement.cloud, what, bool(fits), answer, "ask for less, or name another zone")


def _balancer(fleet: Fleet, cloud: str, driver: Driver) -> Check:
    what = f"balancer of {fleet.name}"
    if not isinstance(driver, Balancer):
        return Check(cloud, what, False, f"the driver {driver.name} has no balancers", "leave balancer away")
    try:
        members = driver.members(fleet.balancer[cloud])
    except Exception as error:  # see above
        return _failed(cloud, what, error)
    return Check(cloud, what, True, f"{len(members)} members")
