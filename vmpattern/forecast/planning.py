"""Making a plan: the executor carries the fleets out on a simulated copy of what was observed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.errors import Problem, SpecError
from vmpattern.executor import FleetOrder, Session, VirtualRuntime, carry_out
from vmpattern.forecast.telling import Told
from vmpattern.model import (
    Bake,
    CloudObservation,
    Deployment,
    Fleet,
    Observation,
    Outcome,
    Placement,
    Plan,
    Recipe,
    Result,
)
from vmpattern.planner import (
    Assessment,
    Resolution,
    as_if_baked,
    assess,
    bakes,
    recipe_name,
    refuse_failing,
    refuse_overlaps,
    resolve,
)
from vmpattern.simulation import SimulatedCloud, UnreadableCloud


def plan(
    deployment: Deployment, observation: Observation, *, fleets: Sequence[str] = (), refresh: bool = False
) -> Plan:
    """Forecast what an apply would do: a function of two values.

    Args:
        fleets: plan only these; empty: all, and those that the file no longer has are planned to vanish.
        refresh: resolve anew what instances or images show an earlier choice of: machine types, bases, image names.

    Raises:
        SpecError: a fleet isn't there, something written doesn't exist in its cloud, or a driver says of a fleet that
            would launch that it is bound to fail; every problem at once. Or two cloud entries are one account and
            region.
    """
    refuse_overlaps(observation)
    desired = _with_retired(_only(deployment, fleets), observation, known=frozenset(deployment.fleets))
    resolutions = _resolutions(desired, deployment, observation, refresh)
    running = [fleet for fleet in desired.fleets.values() if fleet.size]
    baked = bakes(desired, observation, services=list(dict.fromkeys(f.service for f in running)), refresh=refresh)
    assessments = {
        name: assess(desired, fleet, resolutions[name].slots, observation) for name, fleet in desired.fleets.items()
    }
    outcome = _simulated(desired, resolutions, assessments, observation, baked)
    told = Told(desired, resolutions, assessments, observation, outcome, baked)
    fleet_plans = {name: told.fleet(name) for name in desired.fleets}
    refuse_failing(fleet_plans, observation)
    return Plan(
        deployment=desired,
        at=observation.at,
        fleets=fleet_plans,
        steps=tuple(told.steps()),
        forecast=told.forecast(),
        observed={name: told.observed(name) for name in desired.fleets},
        observed_at={name: cloud.at for name, cloud in observation.clouds.items()},
        notes=tuple(told.notes()),
        bakes=baked,
        recipes=_recipes(desired, observation),
    )


def _simulated(
    desired: Deployment,
    resolutions: Mapping[str, Resolution],
    assessments: Mapping[str, Assessment],
    observation: Observation,
    baked: Sequence[Bake],
) -> Outcome:
    """Carry the fleets out on a simulated copy, unless there is nothing to do.

    It begins when the bakes are done; what was observed before them is the first of the lists that an apply waits for.
    """
    if all(assessment.reached for assessment in assessments.values()):
        return Outcome(result=Result.NOTHING, fleets={}, duration_s=0.0, api_calls=0)
    orders = [
        FleetOrder(fleet=fleet, slots=tuple(map(as_if_baked, resolutions[name].slots)), named=None)
        for name, fleet in desired.fleets.items()
    ]
    copies = {name: _copy(desired, cloud) for name, cloud in observation.clouds.items() if cloud.error is None}
    drivers = {name: copies.get(name) or UnreadableCloud(cloud) for name, cloud in observation.clouds.items()}
    start = observation.at + max((bake.duration_s for bake in baked), default=0.0)
    for copy in copies.values():
        copy.advance(start)
    session = Session(drivers, VirtualRuntime(start, tuple(copies.values())))
    return carry_out(desired, orders, session, observation=observation if baked else None)


def _recipes(deployment: Deployment, observation: Observation) -> Mapping[str, Mapping[str, str]]:
    """Return the digest of every recipe by service and cloud, as its files are."""
    return {
        name: {
            cloud: recipe_name(service.image, cloud, observation.contents[name]).digest for cloud in deployment.clouds
        }
        for name, service in deployment.services.items()
        if isinstance(service.image, Recipe) and name in observation.contents
    }


def _only(deployment: Deployment, names: Sequence[str]) -> Deployment:
    for name in names:
        if name not in deployment.fleets:
            raise SpecError([Problem(f"fleets.{name}", f"isn't there; fleets: {', '.join(deployment.fleets)}")])
    return attrs.evolve(deployment, fleets={name: deployment.fleets[name] for name in names or deployment.fleets})


def _with_retired(deployment: Deployment, observation: Observation, *, known: frozenset[str]) -> Deployment:
    """Add a fleet of size 0 for every fleet that has instances and isn't `known` any more; not for a partial plan."""
    if known - set(deployment.fleets):
        return deployment
    clouds: dict[str, set[str]] = defaultdict(set)
    for instance in observation.instances():
        if instance.fleet not in {*known, naming.BUILDERS} and instance.phase.is_live:
            clouds[instance.fleet].add(instance.cloud)
    service = next(iter(deployment.services), None)
    if not clouds or service is None:
        return deployment
    retired = {
        name: Fleet(
            name=name, service=service, size=0, placements=tuple(Placement(cloud=cloud) for cloud in sorted(where))
        )
        for name, where in sorted(clouds.items())
    }
    return attrs.evolve(deployment, fleets={**deployment.fleets, **retired})


def _resolutions(
    desired: Deployment, deployment: Deployment, observation: Observation, refresh: bool
) -> dict[str, Resolution]:
    found: dict[str, Resolution] = {}
    problems: list[Problem] = []
    for name, fleet in desired.fleets.items():
        if name not in deployment.fleets:
            note = f"the file has no fleet {name} any more: its instances go"
            found[name] = Resolution((), (note,), retired=True)
            continue
        try:
            found[name] = resolve(desired, fleet, observation, refresh=refresh)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found


def _copy(deployment: Deployment, cloud: CloudObservation) -> SimulatedCloud:
    balancers = {
        name: fleet.balancer[cloud.name] for name, fleet in deployment.fleets.items() if cloud.name in fleet.balancer
    }
    return SimulatedCloud.from_observation(cloud, balancers=balancers)
