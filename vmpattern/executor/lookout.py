"""Keeping the indexes true to the clouds: when each is read, and what a reading changes."""

import math
from collections.abc import Callable, Mapping, Sequence

import attrs

from vmpattern.errors import DriverError
from vmpattern.executor.account import Account, Call
from vmpattern.executor.acts import FATAL
from vmpattern.executor.fleetrun import FleetRun
from vmpattern.executor.reader import FRESH_S, FleetReading, Probe, Reader, Reading
from vmpattern.executor.runtime import Answer, Runtime, attempt_now
from vmpattern.model import OUTSIDE, Capabilities, Event, EventKind, Health, Observation
from vmpattern.planner import Transition

LONGEST_PAUSE_S = 30.0
"""A cloud that can't be read is asked again at the latest after this."""


@attrs.define(eq=False)
class CloudWatch:
    """One cloud while it is being read: when to read again, and since when its lists are complete.

    `settles_at`: a complete list asked for then or later proves that no launch of an earlier process is outstanding.
    `asked_for`: a reading is wanted at or after each of these moments. `idle_calls`: calls that a change feed made
    needless.
    """

    name: str
    reader: Reader
    account: Account
    due: float
    settle_s: float
    fleets: Mapping[str, FleetRun]
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

    `was_read(cloud, asked_at)` is called after every reading.
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
        was_read: Callable[[str, float], None],
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
                check=run.service.health,
                balancer=run.fleet.balancer.get(account.name),
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
        )

    def begin(self, observation: Observation) -> None:
        """Take what was read just before as the first reading of each cloud."""
        now = self._runtime.now()
        for name, cloud in self._clouds.items():
            seen = observation.clouds.get(name)
            if seen is not None and seen.error is None:
                cloud.asked_at = seen.at
                reading = Reading(seen.instances, seen.probed, seen.members, complete=True)
                self._absorb(cloud, reading, seen.at, now)
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
        fleets, probed, members = cloud.fleets, reading.probed, reading.members
        unknown = Health.UNKNOWN
        changed: dict[str, list[Transition]] = {}
        for instance in reading.instances:
            run = fleets.get(instance.fleet)
            if run is not None:
                changes = run.index.see(
                    instance,
                    now,
                    probed=probed.get(instance.id, unknown),
                    standing=members.get(instance.id, OUTSIDE),
                    ours=instance.key in run.keys,
                )
                if changes:
                    changed.setdefault(instance.fleet, []).extend(changes)
        if reading.complete:
            shown = {instance.id for instance in reading.instances}
            for name, run in fleets.items():
                changed.setdefault(name, []).extend(run.index.miss(cloud.name, shown, asked_at, now))
        # Events come after the whole reading, so that their counts are those of no half-read cloud.
        for name, changes in changed.items():
            fleets[name].tell_changes(changes, now)
        self._was_read(cloud.name, asked_at)

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


def _patience_s(run: FleetRun, capabilities: Capabilities) -> float:
    """Return how long after its launch an instance has to be well; 0 where it counts as well as soon as it runs."""
    if run.service.health is None and not capabilities.native_health:
        return 0.0
    return min(run.fleet.rollout.launch_deadline_s, run.fleet.rollout.ready_deadline_s)
