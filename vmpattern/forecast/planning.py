"""Making a plan: the reconciler carries the fleets out on a simulated copy of what was observed."""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from vmpattern.access import Session, VirtualRuntime
from vmpattern.access.unreadable import UnreadableCloud
from vmpattern.errors import Problem, SpecError, Transient
from vmpattern.forecast.exceeding import refuse_exceeding
from vmpattern.forecast.leavers import notes_of_leavers
from vmpattern.forecast.telling import Simulated, Told
from vmpattern.model import (
    Bake,
    CloudObservation,
    Count,
    Deployment,
    Fleet,
    Health,
    InstanceId,
    Observation,
    Options,
    Outcome,
    Phase,
    Plan,
    Recipe,
    Result,
    Standing,
    options_text,
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
    with_retired,
)
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.reconcile.former_balancers import former_balancers
from vmpattern.simulation import SimulatedCloud


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
    desired = with_retired(_only(deployment, fleets), observation, full=deployment)
    resolutions = _resolutions(desired, deployment, observation, refresh)
    running = [fleet for fleet in desired.fleets.values() if fleet.size]
    baked = bakes(desired, observation, services=list(dict.fromkeys(f.service for f in running)), refresh=refresh)
    assessments = {
        name: assess(desired, fleet, resolutions[name].slots, observation) for name, fleet in desired.fleets.items()
    }
    begins_at = observation.at + _reading_s(observation)
    simulated = _simulated(desired, resolutions, assessments, observation, baked, begins_at=begins_at)
    refuse_exceeding(simulated.outcome, observation)
    told = Told(desired, resolutions, assessments, observation, simulated, baked, begins_at=begins_at)
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
        notes=tuple(dict.fromkeys(told.notes())),
        bakes=baked,
        recipes=_recipes(desired, observation),
    )


def _simulated(
    desired: Deployment,
    resolutions: Mapping[str, Resolution],
    assessments: Mapping[str, Assessment],
    observation: Observation,
    baked: Sequence[Bake],
    *,
    begins_at: float,
) -> Simulated:
    """Carry the fleets out on a simulated copy, unless there is nothing to do.

    As in an apply, what was observed is the first of the lists that it waits for: it begins when that reading is over,
    and the fleets when the bakes are done.
    """
    if all(assessment.reached for assessment in assessments.values()):
        return Simulated(Outcome(result=Result.NOTHING, fleets={}, duration_s=0.0, api_calls=0), {})
    orders = [_order(fleet, resolutions[name], observation) for name, fleet in desired.fleets.items()]
    copies = {name: _copy(desired, cloud) for name, cloud in observation.clouds.items() if cloud.error is None}
    drivers = {name: copies.get(name) or _unreadable(cloud) for name, cloud in observation.clouds.items()}
    start = begins_at + max((bake.duration_s for bake in baked), default=0.0)
    for copy in copies.values():
        copy.advance(start)
    session = Session(drivers, VirtualRuntime(start, tuple(copies.values())))
    counts: dict[str, list[Count]] = {name: [] for name in desired.fleets}

    def note(fleet: str, at: float, ready: int, total: int) -> None:
        counts[fleet].append(Count(at_s=round(at - begins_at, 3), ready=ready, total=total))

    outcome = carry_out(desired, orders, session, observation=observation, no_room=observation.no_room, on_count=note)
    return Simulated(outcome, counts)


def _reading_s(observation: Observation) -> float:
    """Return how long an apply reads the clouds before it begins, in seconds: all at the same time, a call each."""
    read = (cloud.capabilities.latencies.call_s for cloud in observation.clouds.values() if cloud.error is None)
    return max(read, default=0.0)


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


def _resolutions(
    desired: Deployment, deployment: Deployment, observation: Observation, refresh: bool
) -> dict[str, Resolution]:
    found: dict[str, Resolution] = {}
    problems: list[Problem] = []
    for name, fleet in desired.fleets.items():
        if name not in deployment.fleets:
            found[name] = Resolution((), notes_of_leavers(name, deployment, observation), retired=True)
            continue
        try:
            found[name] = resolve(desired, fleet, observation, refresh=refresh)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found


def _order(fleet: Fleet, resolution: Resolution, observation: Observation) -> FleetOrder:
    return FleetOrder(
        fleet=fleet,
        slots=tuple(map(as_if_baked, resolution.slots)),
        named=None,
        former=former_balancers(observation, fleet.name),
        unreadable={
            name: cloud.unread_balancers[fleet.name]
            for name, cloud in observation.clouds.items()
            if fleet.name in cloud.unread_balancers
        },
        former_unread={
            name: f"{options_text(former.balancer)}: {former.error}"
            for name, cloud in observation.clouds.items()
            for former in cloud.former
            if former.fleet == fleet.name and former.is_unread and not former.momentary
        },
    )


def _unreadable(cloud: CloudObservation) -> UnreadableCloud:
    error = Transient(cloud.error or "it can't be read")
    return UnreadableCloud(cloud.name, error, capabilities=cloud.capabilities)


def _copy(deployment: Deployment, cloud: CloudObservation) -> SimulatedCloud:
    members: list[tuple[Options, Mapping[InstanceId, Standing]]] = []
    owners = deployment.owners()
    for name, fleet in deployment.fleets.items():
        if cloud.name in fleet.balancer:
            ids = [row.id for row in cloud.instances if owners.get(row.fleet) == name and row.id in cloud.members]
            members.append((fleet.balancer[cloud.name], {id: cloud.members[id] for id in ids}))
    members += [(former.balancer, former.members) for former in cloud.former]
    return SimulatedCloud.from_observation(cloud, members=members, mute=frozenset(_mute(deployment, cloud)))


def _mute(deployment: Deployment, cloud: CloudObservation) -> Iterator[InstanceId]:
    """Yield the running instances whose health should have been known for long, and isn't: it won't be."""
    owners = deployment.owners()
    for row in cloud.instances:
        fleet = deployment.fleets.get(owners.get(row.fleet, ""))
        if fleet is None or row.phase is not Phase.RUNNING:
            continue
        checked = deployment.services[fleet.service].health is not None
        word = cloud.probed.get(row.id, Health.UNKNOWN) if checked else row.health
        is_late = cloud.at >= row.launched_at + fleet.rollout.ready_deadline_s
        if is_late and word is Health.UNKNOWN and (checked or cloud.capabilities.native_health):
            yield row.id
