"""What a forecast's events come to, in a plan's terms."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from vmpattern.forecast.differences import Differences
from vmpattern.forecast.prices import Prices
from vmpattern.model import (
    UNENDING,
    Action,
    AnySlot,
    Bake,
    Count,
    Deployment,
    Event,
    EventKind,
    Fleet,
    FleetPlan,
    Forecast,
    Instance,
    InstanceId,
    Mislabelled,
    Observation,
    Outcome,
    Reason,
    Result,
    Step,
)
from vmpattern.model.quantity import many
from vmpattern.planner import (
    Assessment,
    Resolution,
    balancer_notes,
    builder_note,
    builders,
    checks_of,
    lacks,
    limits,
    uneven,
)

CALLS_OF_A_BAKE = 30
"""About so many calls does a bake take: a launch, a capture, an end, and looking how far it is."""

_ACTIONS = {
    EventKind.LAUNCHING: Action.LAUNCH,
    EventKind.REGISTERED: Action.REGISTER,
    EventKind.DRAINING: Action.DRAIN,
    EventKind.DEREGISTERED: Action.DEREGISTER,
    EventKind.TERMINATING: Action.TERMINATE,
    EventKind.KEPT: Action.KEEP,
}


@attrs.frozen
class Simulated:
    """The apply that was forecast: its outcome, and how its counts changed, by fleet."""

    outcome: Outcome
    counts: Mapping[str, Sequence[Count]]


class Told:
    """What the forecast's events tell, in the plan's terms."""

    def __init__(
        self,
        deployment: Deployment,
        resolutions: Mapping[str, Resolution],
        assessments: Mapping[str, Assessment],
        observation: Observation,
        simulated: Simulated,
        baked: Sequence[Bake],
        *,
        begins_at: float,
    ) -> None:
        self._deployment = deployment
        self._resolutions = resolutions
        self._assessments = assessments
        self._observation = observation
        self._outcome = outcome = simulated.outcome
        self._course = simulated.counts
        self._observed_at, self._start = observation.at, begins_at
        self._bakes = baked
        self._bakes_s = max((bake.duration_s for bake in baked), default=0.0)
        self._end = begins_at + self._bakes_s + outcome.duration_s
        self._live: dict[str, dict[InstanceId, Instance]] = {name: {} for name in deployment.fleets}
        owners = deployment.owners()
        for instance in observation.instances():
            if instance.phase.is_live and instance.fleet in owners:
                self._live[owners[instance.fleet]][instance.id] = instance
        self._kept = {
            name: {i for i, one in live.items() if (one.kept_until or 0.0) > observation.at}
            for name, live in self._live.items()
            if deployment.fleets[name].size
        }
        self._by_kind: dict[EventKind, list[Event]] = defaultdict(list)
        for event in outcome.events:
            self._by_kind[event.kind].append(event)

    def _events(self, kind: EventKind, *, fleet: str | None = None) -> list[Event]:
        return [event for event in self._by_kind.get(kind, ()) if fleet in (None, event.fleet)]

    def observed(self, name: str) -> tuple[InstanceId, ...]:
        return tuple(sorted(self._live[name]))

    def notes(self) -> Iterator[str]:
        baking = {bake.digest for bake in self._bakes}
        yield from map(builder_note, builders(self._observation, besides=baking))
        for strange in self._observation.mislabelled():
            yield not_ours(strange)
        for event in self._events(EventKind.UNREADABLE, fleet=""):
            yield f"{event.cloud} couldn't be read: {self._observation.clouds[event.cloud].error or event.message}"
        for cloud in self._observation.clouds.values():
            if cloud.limits_error is not None:
                yield f"the account's limits in {cloud.name} couldn't be read and aren't counted: {cloud.limits_error}"
        yield from self._observation.notes
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
        assessment = self._assessments[name]
        end = self._outcome.fleets.get(name)
        return FleetPlan(
            size=fleet.size,
            ready=assessment.ready,
            reached=assessment.reached,
            create=launched - replaced,
            replace=replaced,
            destroy=len(known) - replaced,
            keep=len(self._live[name]) - len(self._kept.get(name, set()) | set(known)),
            register=end.registered if end else 0,
            deregister=end.deregistered if end else 0,
            slots=slots,
            reasons=tuple(self._reasons(fleet, slots, known, launched)),
            terminates=tuple(sorted(known)),
            on_failure=_on_failure(fleet),
            remaining=() if assessment.reached else tuple(lacks(assessment.index, self._observed_at)),
            notes=(
                *self._resolutions[name].notes,
                *balancer_notes(self._observation, fleet),
                *self._kept_notes(name),
                *self._uneven_notes(name),
            ),
        )

    def _uneven_notes(self, name: str) -> Iterator[str]:
        assessment = self._assessments[name]
        rest = uneven(assessment.index, self._observation.no_room) if assessment.reached else ""
        if rest:
            yield f"{rest}; an apply tries again half a day later, or when it has to launch"

    def _kept_notes(self, name: str) -> Iterator[str]:
        for instance in sorted(self._kept.get(name, set())):
            left = round(((self._live[name][instance].kept_until or 0.0) - self._observed_at) / 60)
            yield f"{instance} failed and is kept for inspection for {many(left, 'more minute')}"

    def _reasons(
        self, fleet: Fleet, slots: Sequence[AnySlot], gone: Sequence[InstanceId], launched: int
    ) -> Iterator[Reason]:
        live = self._live[fleet.name]
        there = len(live) - len(self._kept.get(fleet.name, set()))
        if there != fleet.size:
            field = f"fleets.{fleet.name}.size"
            yield Reason(field=field, before=there, after=fleet.size, count=abs(there - fleet.size))
        if not fleet.size and not self._resolutions[fleet.name].retired:
            return  # of a fleet that is wanted empty, the size says it all
        counts = Differences(self._observation, self._bakes, fleet, slots).counted([live[i] for i in gone])
        for (field, before, after), count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))):
            yield Reason(field=field, before=before, after=after, count=count)
        failed = {i for event in self._events(EventKind.FAILED, fleet=fleet.name) for i in event.instances}
        if sick := len(failed & set(gone)):
            yield Reason(field="health", before="unhealthy", after="healthy", count=sick)
        if launched and gone and there == fleet.size and not counts and not sick:
            field = f"fleets.{fleet.name}.placements"
            yield Reason(field=field, before=_zones(live.values()), after="even", count=len(gone))

    # -- everything ---------------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[Step]:
        """Pair each act with its end: a launch with its last instance's readiness, the others with their answer.

        An instance that isn't ready counts until it failed, else until the end of the forecast. Bakes come first, all
        at the same time, and everything else after the last of them.
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
        settled_at = {i: event.at for event in self._events(EventKind.FAILED) for i in event.instances}
        settled_at |= {i: event.at for event in self._events(EventKind.READY) for i in event.instances}
        ended_at = {(event.fleet, event.instances): event.at for event in self._events(EventKind.TERMINATED)}
        yield from self._waits({i for event in launches.values() for i in event.instances})
        for event in self._outcome.events:
            action = _ACTIONS.get(event.kind)
            if action is None or (action is Action.LAUNCH and event.key not in launches):
                continue  # a launch whose key was spent, or for which there was no room, made nothing
            ids, end = event.instances, event.at
            if action is Action.LAUNCH:
                ids = launches[event.key].instances
                end = max((settled_at.get(i, self._end) for i in ids), default=event.at)
            elif action is Action.TERMINATE:
                end = ended_at.get((event.fleet, ids), event.at)
            yield Step(
                action=action,
                fleet=event.fleet,
                cloud=event.cloud,
                zone=event.zone,
                count=event.count,
                instances=ids,
                start_s=round(event.at - self._start, 3),
                duration_s=round(end - event.at, 3),
            )

    def _waits(self, launched: Collection[InstanceId]) -> Iterator[Step]:
        """Yield the waits for instances that are there already and get ready, those that do at one moment together."""
        ready: dict[tuple[str, str, float], list[InstanceId]] = defaultdict(list)
        for event in self._events(EventKind.READY):
            ids = [instance for instance in event.instances if instance not in launched]
            ready[event.fleet, event.cloud, event.at] += ids
        for (fleet, cloud, at), ids in ready.items():
            if ids:
                yield Step(
                    action=Action.WAIT,
                    fleet=fleet,
                    cloud=cloud,
                    zone="",
                    count=len(ids),
                    instances=tuple(sorted(ids)),
                    start_s=self._bakes_s,
                    duration_s=round(at - self._start - self._bakes_s, 3),
                )

    def _counts(self, name: str) -> Iterator[Count]:
        """Yield how many are ready and how many there are, at the start and at every change."""
        assessment = self._assessments[name]
        last = Count(at_s=0.0, ready=assessment.ready, total=assessment.index.total)
        yield last
        for count in self._course.get(name, ()):
            if (count.ready, count.total) != (last.ready, last.total):
                last = count
                yield count

    def _ending(self, complete: bool) -> str:
        if any(failure.code == UNENDING for failure in self._outcome.errors):
            return "unending"
        return "complete" if complete else self._outcome.result.value

    def forecast(self) -> Forecast:
        prices = Prices(self._observation)
        lowest, highest = {}, {}
        for name in self._deployment.fleets:
            assessment, end = self._assessments[name], self._outcome.fleets.get(name)
            extremes = (end.lowest_ready, end.highest_total) if end else (None, None)
            lowest[name] = min(count for count in (assessment.ready, extremes[0]) if count is not None)
            highest[name] = max(count for count in (assessment.index.total, extremes[1]) if count is not None)
        for instances in self._live.values():
            for instance in instances.values():
                prices.start(instance)
        prices.follow(self._outcome.events)
        complete = self._outcome.result in (Result.COMPLETE, Result.NOTHING)
        return Forecast(
            duration_s=self._bakes_s + round(self._outcome.duration_s, 3),
            api_calls=len(self._bakes) * CALLS_OF_A_BAKE + self._outcome.api_calls,
            lowest_ready=lowest,
            highest_total=highest,
            counts={name: tuple(self._counts(name)) for name in self._deployment.fleets},
            price_before=prices.before,
            price_after=prices.now,
            price_peak=prices.peak,
            ends=self._ending(complete),
        )


def not_ours(strange: Mislabelled) -> str:
    """Return the note about a VM whose labels can't be read."""
    return f"{strange.cloud}: {strange.id} is neither counted nor touched: {strange.reason}"


def _on_failure(fleet: Fleet) -> str:
    limit = limits(fleet).failures
    when = f"after {limit} failed launches" if limit > 1 else "at the first failed launch"  # of 0, as of 1
    return f"pause {when}: no earlier revision is stored"


def _zones(instances: Iterable[Instance]) -> str:
    counts = Counter(instance.zone for instance in instances)
    return ", ".join(f"{count} in {zone}" for zone, count in sorted(counts.items()))
