"""The plan: what an apply would do, found by letting the executor do it to a simulated copy of what was observed."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

import attrs

from vmpattern import naming
from vmpattern.errors import Problem, SpecError
from vmpattern.executor import FleetOrder, VirtualRuntime, carry_out
from vmpattern.model import (
    Action,
    Bake,
    CloudObservation,
    Deployment,
    Event,
    EventKind,
    Fleet,
    FleetPlan,
    Forecast,
    Instance,
    InstanceId,
    Observation,
    Outcome,
    Placement,
    Plan,
    Reason,
    Recipe,
    Result,
    Slot,
    Step,
)
from vmpattern.planner import (
    UNBAKED,
    Resolution,
    bakes,
    checks_of,
    image_reasons,
    limits,
    recipe_name,
    refuse_failing,
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
            would launch that it is bound to fail; every problem at once.
    """
    desired = with_retired(_only(deployment, fleets), observation, known=frozenset(deployment.fleets))
    resolutions = _resolutions(desired, deployment, observation, refresh)
    running = [fleet for fleet in desired.fleets.values() if fleet.size]
    baked = bakes(desired, observation, services=list(dict.fromkeys(f.service for f in running)), refresh=refresh)
    orders = [
        FleetOrder(fleet=fleet, slots=resolutions[name].slots, named=None) for name, fleet in desired.fleets.items()
    ]
    copies = {name: _copy(desired, cloud) for name, cloud in observation.clouds.items() if cloud.error is None}
    drivers = {name: copies.get(name) or UnreadableCloud(cloud) for name, cloud in observation.clouds.items()}
    runtime = VirtualRuntime(observation.at, tuple(copies.values()))
    outcome = carry_out(desired, orders, drivers, runtime)
    told = _Told(desired, resolutions, observation, outcome, baked)
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
        recipes=recipes(desired, observation),
    )


def recipes(deployment: Deployment, observation: Observation) -> Mapping[str, Mapping[str, str]]:
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


def with_retired(deployment: Deployment, observation: Observation, *, known: frozenset[str]) -> Deployment:
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
            found[name] = Resolution((), (f"the file has no fleet {name} any more: its instances go",))
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


class _Told:
    """What the forecast's events tell, in the plan's terms."""

    def __init__(
        self,
        deployment: Deployment,
        resolutions: Mapping[str, Resolution],
        observation: Observation,
        outcome: Outcome,
        baked: Sequence[Bake],
    ) -> None:
        self._deployment = deployment
        self._resolutions = resolutions
        self._observation = observation
        self._outcome = outcome
        self._start = observation.at
        self._bakes = baked
        self._bakes_s = max((bake.duration_s for bake in baked), default=0.0)
        self._live: dict[str, dict[InstanceId, Instance]] = {name: {} for name in deployment.fleets}
        for instance in observation.instances():
            if instance.phase.is_live and instance.fleet in self._live:
                self._live[instance.fleet][instance.id] = instance
        self._kept = {
            name: {i for i, one in live.items() if (one.kept_until or 0.0) > observation.at}
            for name, live in self._live.items()
            if deployment.fleets[name].size
        }
        self._by_kind: dict[EventKind, list[Event]] = defaultdict(list)
        for event in outcome.events:
            self._by_kind[event.kind].append(event)
        self._acted = any(kind in _ACTIONS for kind in self._by_kind)

    def _events(self, kind: EventKind, *, fleet: str | None = None) -> list[Event]:
        return [event for event in self._by_kind.get(kind, ()) if fleet in (None, event.fleet)]

    def observed(self, name: str) -> tuple[InstanceId, ...]:
        return tuple(sorted(self._live[name]))

    def notes(self) -> Iterator[str]:
        baking = {bake.digest for bake in self._bakes}
        for one in self._observation.instances():
            if one.fleet == naming.BUILDERS and one.phase.is_live and one.revision not in baking:
                yield f"{one.id} builds an image: if no bake is under way, `vmpattern bake` ends it"
        for event in self._events(EventKind.UNREADABLE):
            yield f"{event.cloud} couldn't be read: {self._observation.clouds[event.cloud].error or event.message}"
        for check in checks_of(self._observation, self._deployment.fleets):
            yield from check.notes
            yield from (f"{problem.path}: {problem.message}" for problem in check.problems)
        if not self._outcome.ok:
            for failure in self._outcome.errors:
                yield f"the forecast doesn't get there: {failure.scope}: {failure.message}"

    # -- one fleet ----------------------------------------------------------------------------------------------------

    def fleet(self, name: str) -> FleetPlan:
        fleet, slots = self._deployment.fleets[name], self._resolutions[name].slots
        launched = sum(event.count for event in self._events(EventKind.LAUNCHED, fleet=name))
        gone = [i for event in self._events(EventKind.TERMINATING, fleet=name) for i in event.instances]
        known = [instance for instance in dict.fromkeys(gone) if instance in self._live[name]]
        replaced = min(launched, len(known))
        return FleetPlan(
            size=fleet.size,
            create=launched - replaced,
            replace=replaced,
            destroy=len(known) - replaced,
            keep=len(self._live[name]) - len(self._kept.get(name, set()) | set(known)),
            slots=slots,
            reasons=tuple(self._reasons(fleet, slots, known, launched)),
            terminates=tuple(sorted(known)),
            on_failure=_on_failure(fleet),
            notes=(*self._resolutions[name].notes, *self._kept_notes(name)),
        )

    def _kept_notes(self, name: str) -> Iterator[str]:
        for instance in sorted(self._kept.get(name, set())):
            left = ((self._live[name][instance].kept_until or 0.0) - self._start) / 60
            yield f"{instance} failed and is kept for a look for {left:.0f} more minutes"

    def _reasons(
        self, fleet: Fleet, slots: Sequence[Slot], gone: Sequence[InstanceId], launched: int
    ) -> Iterator[Reason]:
        live = self._live[fleet.name]
        there = len(live) - len(self._kept.get(fleet.name, set()))
        if there != fleet.size:
            field = f"fleets.{fleet.name}.size"
            yield Reason(field=field, before=there, after=fleet.size, count=abs(there - fleet.size))
        alike: dict[object, list[Instance]] = defaultdict(list)
        for instance in gone:
            alike[_WHAT_DIFFERS(live[instance])].append(live[instance])
        counts: Counter[tuple[str, str | int | None, str | int | None]] = Counter()
        for instances in alike.values():
            for difference in self._differences(instances[0], fleet, slots):
                counts[difference] += len(instances)
        for (field, before, after), count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))):
            yield Reason(field=field, before=before, after=after, count=count)
        failed = {i for event in self._events(EventKind.FAILED, fleet=fleet.name) for i in event.instances}
        if sick := len(failed & set(gone)):
            yield Reason(field="health", before="unhealthy", after="healthy", count=sick)
        if launched and gone and there == fleet.size and not counts and not sick:
            field = f"fleets.{fleet.name}.placements"
            yield Reason(field=field, before=_zones(live.values()), after="even", count=len(gone))

    def _differences(
        self, instance: Instance, fleet: Fleet, slots: Sequence[Slot]
    ) -> Iterator[tuple[str, str | int | None, str | int | None]]:
        for field, before, after in _differences(instance, fleet, slots):
            parts = self._parts(instance, fleet, after) if field == f"services.{fleet.service}.image" else ()
            yield from parts or [(field, before, after)]

    def _parts(
        self, instance: Instance, fleet: Fleet, image: str | int | None
    ) -> tuple[tuple[str, str | int | None, str | int | None], ...]:
        """Tell which parts of a recipe differ between an instance's image and the one that it is to have."""
        images = self._observation.clouds[instance.cloud].images
        before = next((row for row in images if row.id == instance.image), None)
        made = next((row for row in images if row.id == image), None)
        bake = next((b for b in self._bakes if UNBAKED + b.digest == image and b.cloud == instance.cloud), None)
        contents = self._observation.contents.get(fleet.service)
        if before is None or contents is None or (made is None and bake is None):
            return ()
        text, base = (made.recipe, made.base) if made else ("", "")
        if bake is not None:
            text, base = bake.recipe, naming.base_label(bake.resolved)
        path = f"services.{fleet.service}.image"
        reasons = image_reasons(path, before, text, base, contents)
        return tuple((reason.field, reason.before, reason.after) for reason in reasons)

    # -- everything ---------------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[Step]:
        """Pair each act with its end: a launch with its last instance's readiness, the others with their answer.

        Bakes come first, all at the same time, and everything else after the last of them.
        """
        for bake in self._bakes:
            yield Step(
                action=Action.BAKE,
                fleet="",
                cloud=bake.cloud,
                zone="",
                count=1,
                instances=(),
                start_s=0.0,
                duration_s=bake.duration_s,
            )
        launches = {event.key: event for event in self._events(EventKind.LAUNCHED)}
        ready_at = {i: event.at for event in self._events(EventKind.READY) for i in event.instances}
        ended_at = {(event.fleet, event.instances): event.at for event in self._events(EventKind.TERMINATED)}
        for event in self._outcome.events:
            action = _ACTIONS.get(event.kind)
            if action is None:
                continue
            ids, end = event.instances, event.at
            if action is Action.LAUNCH:
                launched = launches.get(event.key)
                ids = launched.instances if launched else ()
                end = max((ready_at.get(i, event.at) for i in ids), default=event.at)
            elif action is Action.TERMINATE:
                end = ended_at.get((event.fleet, ids), event.at)
            yield Step(
                action=action,
                fleet=event.fleet,
                cloud=event.cloud,
                zone=event.zone,
                count=event.count,
                instances=ids,
                start_s=round(self._bakes_s + event.at - self._start, 3),
                duration_s=round(end - event.at, 3),
            )

    def forecast(self) -> Forecast:
        prices = _Prices(self._observation, self._resolutions)
        lowest, highest = {}, {}
        for name in self._deployment.fleets:
            told, before = [event for event in self._outcome.events if event.fleet == name], len(self._live[name])
            lowest[name] = min([event.ready for event in told], default=before)
            highest[name] = max([before, *[event.total for event in told]])
        for instances in self._live.values():
            for instance in instances.values():
                prices.start(instance)
        prices.follow(self._outcome.events)
        complete = self._outcome.result in (Result.COMPLETE, Result.NOTHING)
        acted = self._acted or not complete
        return Forecast(
            duration_s=self._bakes_s + (round(self._outcome.duration_s, 3) if acted else 0.0),
            api_calls=sum(CALLS_OF_A_BAKE for _ in self._bakes) + (self._outcome.api_calls if acted else 0),
            lowest_ready=lowest,
            highest_total=highest,
            price_before=prices.before,
            price_after=prices.now,
            price_peak=prices.peak,
            ends="complete" if complete else self._outcome.result.value,
        )


CALLS_OF_A_BAKE = 30
"""About so many calls does a bake take: a launch, a capture, an end, and looking how far it is."""

_ACTIONS = {
    EventKind.LAUNCHING: Action.LAUNCH,
    EventKind.REGISTERED: Action.REGISTER,
    EventKind.DRAINING: Action.DRAIN,
    EventKind.TERMINATING: Action.TERMINATE,
    EventKind.KEPT: Action.KEEP,
}


def _on_failure(fleet: Fleet) -> str:
    limit = limits(fleet).failures
    return f"pause after {limit} failed launch{'es' if limit != 1 else ''}: no stored revision to go back to"


_WHAT_DIFFERS = attrgetter("cloud", "zone", "machine_type", "revision", "inputs", "image")
"""All of an instance by which `_differences` can tell it from another."""


def _differences(
    instance: Instance, fleet: Fleet, slots: Sequence[Slot]
) -> Iterator[tuple[str, str | int | None, str | int | None]]:
    """Name the fields because of which an instance is out of date: against the nearest slot that it could be in."""
    if not slots:
        yield f"fleets.{fleet.name}", fleet.name, None
        return
    same_cloud = [slot for slot in slots if slot.cloud == instance.cloud]
    if not same_cloud:
        yield f"fleets.{fleet.name}.placements", instance.cloud, ", ".join(sorted({slot.cloud for slot in slots}))
        return
    slot = next((slot for slot in same_cloud if slot.zone == instance.zone), same_cloud[0])
    placement = f"fleets.{fleet.name}.placements[{slot.placement}]"
    service = f"services.{fleet.service}"
    if instance.revision != slot.revision:
        for part, before, after in naming.changed_inputs(instance.inputs, slot.inputs):
            if part == "image":
                yield f"{service}.image", instance.image, slot.image
            elif part == "machine_type":
                yield f"{placement}.machine_type", instance.machine_type, slot.machine_type
            else:
                yield f"{placement if part == 'options' else service}.{part}", before or None, after
    elif instance.machine_type not in slot.admits:
        yield f"{placement}.machine_type", instance.machine_type, slot.machine_type
    elif instance.zone not in {slot.zone for slot in same_cloud}:
        yield f"{placement}.zones", instance.zone, ", ".join(slot.zone for slot in same_cloud)


def _zones(instances: Iterable[Instance]) -> str:
    counts = Counter(instance.zone for instance in instances)
    return ", ".join(f"{count} in {zone}" for zone, count in sorted(counts.items()))


class _Prices:
    """Dollars an hour while events happen; everything becomes None as soon as one price is unknown."""

    def __init__(self, observation: Observation, resolutions: Mapping[str, Resolution]) -> None:
        self._types = {
            (name, kind.name): kind for name, cloud in observation.clouds.items() for kind in cloud.machine_types
        }
        self._slots = {
            (fleet, slot.cloud, slot.zone, slot.machine_type): slot
            for fleet, resolution in resolutions.items()
            for slot in resolution.slots
        }
        self._of: dict[InstanceId, float] = {}
        self._sum = self._most = self._first = 0.0
        self._unknown = False

    def start(self, instance: Instance) -> None:
        kind = self._types.get((instance.cloud, instance.machine_type))
        self._add(instance.id, kind.price(instance.market) if kind else None)
        self._first = self._sum

    def follow(self, events: Sequence[Event]) -> None:
        launching: dict[str, float | None] = {}
        asked, launched, gone = EventKind.LAUNCHING, EventKind.LAUNCHED, (EventKind.TERMINATED, EventKind.GONE)
        for event in events:
            if event.kind is asked:
                slot = self._slots.get((event.fleet, event.cloud, event.zone, event.message))
                launching[event.key] = slot.price_per_hour if slot else None
            elif event.kind is launched:
                for instance in event.instances:
                    self._add(instance, launching.get(event.key))
            elif event.kind in gone:
                for instance in event.instances:
                    self._sum -= self._of.pop(instance, 0.0)

    def _add(self, instance: InstanceId, price: float | None) -> None:
        if price is None or math.isnan(price):
            self._unknown = True
        elif instance not in self._of:
            self._of[instance] = price
            self._sum += price
            self._most = max(self._most, self._sum)

    @property
    def before(self) -> float | None:
        return self._told(self._first)

    @property
    def now(self) -> float | None:
        return self._told(self._sum)

    @property
    def peak(self) -> float | None:
        return self._told(self._most)

    def _told(self, price: float) -> float | None:
        return None if self._unknown else round(price, 6) + 0.0
