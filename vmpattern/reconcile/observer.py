"""Keeping the indexes true to the clouds: when each is read, and what a reading changes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from vmpattern.access.gateway import Account, Call
from vmpattern.access.reading import FRESH_S, MOMENTARY, Balancers, FleetReading, Probe, Reader, Reading
from vmpattern.access.runtime import Answer, Runtime, attempt_now
from vmpattern.errors import DriverError, Invalid, NotFound, Transient
from vmpattern.model import (
    Capabilities,
    CloudObservation,
    Event,
    EventKind,
    Health,
    InstanceId,
    Membership,
    Observation,
    Options,
    Standing,
    options_text,
)
from vmpattern.planner import Transition
from vmpattern.planner.sighting import NOWHERE
from vmpattern.reconcile.dispatcher import FATAL
from vmpattern.reconcile.fleet_run import FleetRun

LONGEST_PAUSE_S = 30.0
"""A cloud that can't be read is asked again at the latest after this."""

ODD = (*MOMENTARY, Invalid)
"""Errors of a reading that the next one may not have: among them an answer that can't be read."""

BALANCER_LOST_S = 60.0
"""A balancer that couldn't be read for so long isn't expected to be readable soon."""


@attrs.define(eq=False)
class BalancerWatch:
    """One fleet's balancers in a cloud: when its own was last read well, and since when it can't be read.

    `former_read` are those that it left and that were read, `former_failed_at` since when one of the others can't be.
    """

    reading: FleetReading
    read_at: float = -math.inf
    failed_at: float = math.inf
    former_read: set[Options] = attrs.field(factory=set)
    former_failed_at: float = math.inf


@attrs.define(eq=False)
class CloudWatch:
    """One cloud while it is being read: when to read again, and since when its lists are complete.

    `settles_at`: a complete list asked for then or later proves that no launch of an earlier process is outstanding.
    `asked_for`: a reading is wanted at or after each of these moments. `idle_calls`: calls that a change feed made
    needless. `fleets` and `balancers` are by fleet, `by_label` by the fleet label of instances.
    """

    name: str
    reader: Reader
    account: Account
    due: float
    settle_s: float
    fleets: Mapping[str, FleetRun]
    by_label: Mapping[str, FleetRun]
    balancers: Mapping[str, BalancerWatch]
    asked_at: float = -math.inf
    reading: bool = False
    settles_at: float = math.inf
    settled: bool = False
    failures: int = 0
    reported_unreadable: bool = False
    idle_calls: int = 0
    asked_for: list[float] = attrs.field(factory=list)


class Lookout:
    """Reads the clouds, tick by tick, as long as it is asked to, and enters what it sees into the fleets' indexes.

    `was_read(cloud, asked_at, unread)` is called after every reading; `unread` are the fleets whose balancer couldn't
    be read this time, and is about to be.
    """

    def __init__(
        self,
        deployment: str,
        runs: Sequence[FleetRun],
        accounts: Mapping[str, Account],
        runtime: Runtime,
        *,
        probe: Probe,
        on_event: Callable[[Event], None],
        was_read: Callable[[str, float, frozenset[str]], None],
        watch: bool,
    ) -> None:
        self._deployment = deployment
        self._runtime = runtime
        self._on_event = on_event
        self._was_read = was_read
        self._clouds = {
            name: self._cloud(account, [run for run in runs if name in run.index.clouds], probe, watch)
            for name, account in accounts.items()
        }

    def _cloud(self, account: Account, runs: Sequence[FleetRun], probe: Probe, watch: bool) -> CloudWatch:
        capabilities = account.driver.capabilities
        fleets = {
            run.fleet.name: FleetReading(
                labels=run.fleet.labels,
                check=run.service.health,
                balancer=run.fleet.balancer.get(account.name),
                former=run.former.get(account.name, ()),
                recorded=run.recorded.get(account.name, ()),
                unreadable=_unreadable(run, account.name),
                patience_s=_patience_s(run, capabilities),
            )
            for run in runs
        }
        reader = Reader(
            account.driver,
            deployment=self._deployment,
            fleets=fleets,
            probe=probe,
            watch=watch,
            now=self._runtime.now,
        )
        return CloudWatch(
            name=account.name,
            reader=reader,
            account=account,
            due=self._runtime.now(),
            settle_s=capabilities.staleness_s + capabilities.call_timeout_s,
            fleets={run.fleet.name: run for run in runs},
            by_label={label: run for run in runs for label in run.fleet.labels},
            balancers={name: BalancerWatch(reading) for name, reading in fleets.items()},
        )

    def begin(self, observation: Observation) -> None:
        """Take what was read just before as the first reading of each cloud."""
        now = self._runtime.now()
        for name, cloud in self._clouds.items():
            seen = observation.clouds.get(name)
            if seen is not None and seen.error is None:
                cloud.asked_at = seen.at
                reading = Reading(seen.instances, seen.probed, _balancers(cloud, seen), complete=True)
                self._absorb(cloud, reading, seen.at, now)
                # What changed since then shows at the next tick, of which a feed, not yet followed, says nothing.
                cloud.due = min(cloud.due, max(seen.at + cloud.reader.poll_s, now))
            elif seen is not None:
                self._note_failure(cloud, seen.error or "", now)

    def read(self, now: float) -> None:
        """Begin every reading that is due."""
        for cloud in self._clouds.values():
            if self._due(cloud) <= now and not cloud.reading:
                cloud.idle_calls += cloud.reader.idle_calls(cloud.asked_at, now - cloud.reader.poll_s)
                cloud.asked_at = now
                cloud.asked_for = [moment for moment in cloud.asked_for if moment > now]
                if cloud.reader.watches:
                    cloud.account.dispatch()  # as a list would, the changes wait behind what was to be sent before
                    cloud.idle_calls += cloud.reader.cost
                    answer = attempt_now(cloud.reader.read, "changes")
                    self._take(cloud, answer, now)
                else:
                    cloud.reading = True
                    cloud.account.submit(self._call(cloud))

    def next_at(self) -> float:
        """Return when the next reading is due, as far as one can be begun before another ends."""
        following = math.inf
        for cloud in self._clouds.values():
            if not cloud.reading:
                following = min(following, self._due(cloud))
        return following

    @staticmethod
    def _due(cloud: CloudWatch) -> float:
        """Return when a reading is due: a call that changes something may have done so before it is answered."""
        due, reader = cloud.due, cloud.reader
        if reader.watches and not cloud.failures:
            for call in cloud.account.flying.values():
                if call.mutating:
                    # What waited for its budget was sent before the list of the same moment, all else after it.
                    tick = reader.tick_after if call.waited else reader.tick_past
                    due = min(due, tick(cloud.asked_at, call.sent_at))
        return due

    def look_again(self, name: str, not_before: float) -> None:
        """Read a cloud at the first tick at or after a moment, if not before."""
        cloud = self._clouds[name]
        cloud.asked_for.append(not_before)
        if not cloud.reading and not cloud.failures:
            cloud.due = min(cloud.due, max(cloud.reader.tick_after(cloud.asked_at, not_before), self._runtime.now()))

    def expect(self, name: str) -> None:
        """Read a cloud when what was just asked of it may show, if not before: it goes on by itself from here."""
        cloud = self._clouds[name]
        if not cloud.reading and not cloud.failures:
            cloud.due = min(cloud.due, max(cloud.reader.due_after(cloud.asked_at), self._runtime.now()))

    def idle_calls(self, now: float) -> int:
        """Return how many calls the change feeds have saved until now."""
        return sum(cloud.idle_calls + cloud.reader.idle_calls(cloud.asked_at, now) for cloud in self._clouds.values())

    def _call(self, cloud: CloudWatch) -> Call:
        def done(call: Call, answer: Answer) -> None:
            cloud.reading = False
            self._take(cloud, answer, call.sent_at)

        return Call(
            verb="instances",
            label=cloud.name,
            run=cloud.reader.read,
            done=done,
            costs={"read": cloud.reader.cost},
            mutating=False,
            retries=False,
        )

    def _take(self, cloud: CloudWatch, answer: Answer, asked_at: float) -> None:
        now = self._runtime.now()
        if isinstance(answer.result, Reading):
            self._absorb(cloud, answer.result, asked_at, now)
        elif answer.error is not None:
            self._fail(cloud, answer.error, now)

    def _fail(self, cloud: CloudWatch, error: DriverError, now: float) -> None:
        cloud.failures += 1
        pause = min(LONGEST_PAUSE_S, cloud.reader.poll_s * 2 ** min(cloud.failures, 10))
        cloud.due = now + max(pause, error.retry_after_s or 0.0)
        self._note_failure(cloud, str(error), now)
        for run in cloud.fleets.values():
            if isinstance(error, FATAL) and not run.fatal and run.is_placed_in(cloud.name):
                run.fail(error, now, cloud=cloud.name, fatal=True)

    def _note_failure(self, cloud: CloudWatch, words: str, now: float) -> None:
        """Note in the indexes that a cloud can't be read, and report it once."""
        for run in cloud.fleets.values():
            state = run.index.clouds[cloud.name]
            if not state.unreadable:
                state.unreadable = True
                run.touch()
        if not cloud.reported_unreadable:
            cloud.reported_unreadable = True
            self._on_event(Event(at=now, kind=EventKind.UNREADABLE, cloud=cloud.name, message=words))

    def _absorb(self, cloud: CloudWatch, reading: Reading, asked_at: float, now: float) -> None:
        cloud.failures = 0
        if cloud.reported_unreadable:
            cloud.reported_unreadable = False
            self._on_event(Event(at=now, kind=EventKind.READ, cloud=cloud.name))
        self._schedule(cloud, reading, asked_at, now)
        self._refresh(cloud, asked_at, now)
        self._note_balancers(cloud, reading, asked_at, now)
        fleets, probed = cloud.fleets, reading.probed
        unknown = Health.UNKNOWN
        changed: dict[str, list[Transition]] = {}
        for instance in reading.instances:
            run = cloud.by_label.get(instance.fleet)
            if run is not None:
                balancers = cloud.balancers[run.fleet.name]
                left = balancers.reading.left(reading.shared)
                changes = run.index.see(
                    instance,
                    now,
                    probed=probed.get(instance.id, unknown),
                    standing=_standing(run, instance.id, balancers, reading, asked_at),
                    former=_former(run, instance.id, left, reading) if left else NOWHERE,
                    ours=instance.key in run.keys,
                )
                if changes:
                    changed.setdefault(run.fleet.name, []).extend(changes)
        if reading.complete:
            shown = {instance.id for instance in reading.instances}
            for name, run in fleets.items():
                changed.setdefault(name, []).extend(run.index.miss(cloud.name, shown, asked_at, now))
        for name, watch in cloud.balancers.items():
            _note_former(fleets[name], cloud.name, watch, reading, asked_at)
        # Events come after the whole reading, so that their counts are those of no half-read cloud.
        for name, changes in changed.items():
            fleets[name].tell_changes(changes, now)
        self._was_read(cloud.name, asked_at, frozenset(_unread(cloud)))

    def _note_balancers(self, cloud: CloudWatch, reading: Reading, asked_at: float, now: float) -> None:
        """Note which fleets' balancers could be read, and stop those whose balancer only a person can make readable."""
        for name, watch in cloud.balancers.items():
            run, error = cloud.fleets[name], watch.reading.error(reading.balancers)
            if error is None:
                if watch.failed_at < math.inf:
                    self._on_event(Event(at=now, kind=EventKind.READ, fleet=name, cloud=cloud.name))
                watch.read_at, watch.failed_at = asked_at, math.inf
                _set_balancer(run, cloud.name, "", lost=False)
                continue
            if math.isinf(watch.failed_at):
                watch.failed_at = asked_at
                message = f"the balancer of {name} can't be read: {error}"
                event = Event(at=now, kind=EventKind.UNREADABLE, fleet=name, cloud=cloud.name, message=message)
                self._on_event(event)
            known = watch.reading.unreadable is not None
            is_old = asked_at >= watch.failed_at + BALANCER_LOST_S
            lost = known or not isinstance(error, ODD) or is_old
            _set_balancer(run, cloud.name, str(error), lost=lost)
            final = known or (isinstance(error, (*FATAL, NotFound)) and lost)
            if final and run.fleet.size and not run.fatal and run.is_placed_in(cloud.name):
                run.fail(error, now, cloud=cloud.name, fatal=True)

    def _schedule(self, cloud: CloudWatch, reading: Reading, asked_at: float, now: float) -> None:
        """Settle when the next reading is due, and whether the lists so far are far enough apart."""
        cloud.reader.took(reading)
        due = cloud.reader.due_after(asked_at)
        if cloud.asked_for:
            due = min(due, cloud.reader.tick_after(asked_at, min(cloud.asked_for)))
        if not cloud.settled:
            if math.isinf(cloud.settles_at):
                cloud.settles_at = asked_at + cloud.settle_s
            cloud.settled = asked_at >= cloud.settles_at
            if not cloud.settled:
                due = min(due, cloud.reader.tick_after(asked_at, cloud.settles_at))
        cloud.due = max(due, now)

    def _refresh(self, cloud: CloudWatch, asked_at: float, now: float) -> None:
        """Tell the indexes until when this reading may be acted upon."""
        fresh_until = (cloud.due if cloud.reader.watches else asked_at) + FRESH_S
        for run in cloud.fleets.values():
            state = run.index.clouds[cloud.name]
            if cloud.settled is not state.settled or not state.seen or now > state.fresh_until:
                run.touch()
            state.settled, state.seen, state.fresh_until = cloud.settled, True, fresh_until
            state.unreadable = False


def _unread(cloud: CloudWatch) -> Iterator[str]:
    for name, watch in cloud.balancers.items():
        if watch.failed_at < math.inf and not cloud.fleets[name].index.clouds[cloud.name].balancer_lost:
            yield name


def _patience_s(run: FleetRun, capabilities: Capabilities) -> float:
    """Return how long after its launch an instance has to be well; 0 where it counts as well as soon as it runs."""
    if run.service.health is None and not capabilities.native_health:
        return 0.0
    return min(run.fleet.rollout.launch_deadline_s, run.fleet.rollout.ready_deadline_s)


def _unreadable(run: FleetRun, cloud: str) -> DriverError | None:
    return Transient(run.unreadable[cloud]) if cloud in run.unreadable else None


def _set_balancer(run: FleetRun, cloud: str, error: str, *, lost: bool) -> None:
    state = run.index.clouds[cloud]
    if (state.balancer_error, state.balancer_lost) != (error, lost):
        state.balancer_error, state.balancer_lost = error, lost
        run.touch()


def _note_former(run: FleetRun, cloud: str, watch: BalancerWatch, reading: Reading, asked_at: float) -> None:
    """Note whether a balancer that the fleet has left, and that is there, was never read."""
    error = run.former_unread.get(cloud, "")
    for balancer in watch.reading.left(reading.shared):
        found = reading.balancers[balancer]
        if not isinstance(found, DriverError):
            watch.former_read.add(balancer)
        elif not isinstance(found, NotFound) and balancer not in watch.former_read:
            error = f"{options_text(balancer)}: {found}"
    watch.former_failed_at = min(watch.former_failed_at, asked_at) if error else math.inf
    lost = bool(error) and (cloud in run.former_unread or asked_at >= watch.former_failed_at + BALANCER_LOST_S)
    state = run.index.clouds[cloud]
    if (state.former_error, state.former_lost) != (error, lost):
        state.former_error, state.former_lost = error, lost
        run.touch()


def _standing(run: FleetRun, instance: InstanceId, watch: BalancerWatch, reading: Reading, asked_at: float) -> Standing:
    """Return where an instance stands with its fleet's balancer; for a moment, the last word counts."""
    error = watch.reading.error(reading.balancers)
    row = run.index.rows.get(instance)
    if row is not None and isinstance(error, MOMENTARY) and asked_at <= watch.read_at + FRESH_S:
        return Standing(row.membership, row.said)
    return watch.reading.standing(instance, reading.balancers)


def _former(
    run: FleetRun, instance: InstanceId, left: Sequence[Options], reading: Reading
) -> Mapping[Options, Membership]:
    """Return of which balancers that the fleet has left an instance is a member; one that can't be read has it still.

    One that isn't there, or may not be read, has none: what isn't known of it is told by the plan.
    """
    row = run.index.rows.get(instance)
    there: dict[Options, Membership] = {}
    for balancer in left:
        found = reading.balancers[balancer]
        if not isinstance(found, DriverError):
            if instance in found and found[instance].membership is not Membership.ABSENT:
                there[balancer] = found[instance].membership
        elif isinstance(found, MOMENTARY) and row is not None and balancer in row.former:
            there[balancer] = row.former[balancer]
    return there


def _balancers(cloud: CloudWatch, seen: CloudObservation) -> Balancers:
    """Return what an observation says of the balancers that are read in its cloud."""
    found: dict[Options, dict[InstanceId, Standing]] = {}
    unread: dict[Options, DriverError] = {}
    for name, watch in cloud.balancers.items():
        for balancer in watch.reading.asked:
            found.setdefault(balancer, {})
        own = watch.reading.balancer
        if own is not None and name in seen.unread_balancers:
            unread[own] = Transient(seen.unread_balancers[name])
        elif own is not None:
            labels = watch.reading.labels
            ids = [row.id for row in seen.instances if row.fleet in labels and row.id in seen.members]
            found.setdefault(own, {}).update({id: seen.members[id] for id in ids})
    for former in seen.former:
        if former.momentary:
            unread[former.balancer] = Transient(former.error or "")
        else:
            found.setdefault(former.balancer, {}).update(former.members)
    return {**found, **unread}
