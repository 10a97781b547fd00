"""Observe, decide, dispatch, wait: the loop that carries a deployment's fleets to what was asked for.

One thread owns the indexes. What happens comes in as an answer or as time passing, and goes out as an event.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import Driver
from vmpattern.errors import DriverError
from vmpattern.executor.account import Account, Call
from vmpattern.executor.acts import Acts
from vmpattern.executor.fleetrun import FleetRun
from vmpattern.executor.reader import FRESH_S, FleetReading, Probe, Reader, Reading
from vmpattern.executor.requests import checked_rows
from vmpattern.executor.runtime import Answer, Runtime
from vmpattern.model import Event, EventKind, Failure, Health, Membership, Outcome, Result
from vmpattern.planner import decide

LONGEST_PAUSE_S = 30.0
"""A cloud that can't be read is asked again at the latest after this."""


@attrs.define(eq=False)
class CloudRun:
    """One cloud while it is being read: when to read again, and since when its lists are complete.

    `settles_at`: a complete list asked for then or later proves that no launch of an earlier process is outstanding.
    """

    reader: Reader
    account: Account
    due: float
    asked_at: float = -math.inf
    reading: bool = False
    settles_at: float | None = None
    failures: int = 0
    skipped_calls: int = 0
    asked_for: float = math.inf


class Engine:
    """Carries out several fleets of one deployment over several clouds.

    Args:
        runs: the fleets, in the deployment's order.
        drivers: by cloud name; every cloud that a fleet uses.
        probe: asks instances for their health where the driver doesn't.
        stop: asked at every turn; once true nothing new is begun, what is in flight is let end.
        watch: read changes instead of lists where a driver can.
    """

    def __init__(
        self,
        *,
        deployment: str,
        runs: Sequence[FleetRun],
        drivers: Mapping[str, Driver],
        runtime: Runtime,
        probe: Probe,
        on_event: Callable[[Event], None],
        stop: Callable[[], bool] = lambda: False,
        watch: bool = True,
    ) -> None:
        self._runs = tuple(runs)
        self._runtime = runtime
        self._on_event = on_event
        self._stop = stop
        self._stopping = False
        self._deployment = deployment
        self._began = runtime.now()
        tickets = itertools.count()
        seed = naming.digest(deployment)
        self._accounts = {name: Account(name, driver, runtime, tickets, seed) for name, driver in drivers.items()}
        self._clouds = {
            name: CloudRun(self._reader(name, driver, probe, watch), self._accounts[name], due=self._began)
            for name, driver in drivers.items()
        }
        self._acts = Acts(deployment, self._accounts, runtime, self._look_again)

    def _reader(self, cloud: str, driver: Driver, probe: Probe, watch: bool) -> Reader:
        fleets = {
            run.fleet.name: FleetReading(check=run.service.health, balancer=run.fleet.balancer.get(cloud))
            for run in self._runs
            if cloud in run.index.clouds
        }
        return Reader(driver, deployment=self._deployment, fleets=fleets, probe=probe, watch=watch)

    def run(self) -> Outcome:
        """Loop until every fleet is as asked for, or can't get there; never raises for what a cloud does."""
        while not self._turn():
            for answer in self._runtime.wait(self._wake_at()):
                self._take(answer)
        return self._outcome()

    def _turn(self) -> bool:
        """Do what can be done now; tell whether all is over."""
        now = self._runtime.now()
        if self._stop() and not self._stopping:
            self._begin_stop(now)
        for run in self._runs:
            run.tell_changes(run.index.advance(now), now)
        self._read(now)
        for run in self._runs:
            if run.wake_at <= now or run.index.version != run.decided:
                self._decide(run, now)
        for account in self._accounts.values():
            account.dispatch()
        return all(run.is_over() for run in self._runs)

    def _decide(self, run: FleetRun, now: float) -> None:
        decision = decide(run.fleet, run.index, now)
        run.decision, run.wake_at = decision, decision.wake_at
        for action in decision.actions:
            self._acts.dispatch(run, action)
        run.decided = run.index.version

    def _wake_at(self) -> float:
        times = [run.wake_at for run in self._runs]
        times += [cloud.due for cloud in self._clouds.values() if not cloud.reading]
        times += [account.next_at() for account in self._accounts.values()]
        return max(min(times), self._runtime.now())

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self, now: float) -> None:
        for name, cloud in self._clouds.items():
            if cloud.due <= now and not cloud.reading:
                cloud.skipped_calls += cloud.reader.skipped_calls(cloud.asked_at, now)
                cloud.reading, cloud.asked_at, cloud.asked_for = True, now, math.inf
                call = Call(
                    verb="instances",
                    label=name,
                    run=cloud.reader.read,
                    done=self._was_read(name),
                    costs={"read": cloud.reader.cost},
                    mutating=False,
                    retries=False,
                )
                cloud.account.submit(call)

    def _was_read(self, name: str) -> Callable[[Call, Answer], None]:
        def done(call: Call, answer: Answer) -> None:
            cloud, now = self._clouds[name], self._runtime.now()
            cloud.reading = False
            try:
                if isinstance(answer.result, Reading):
                    self._absorb(name, answer.result, call.sent_at, now)
                    return
                error = answer.error or DriverError("reading gave neither rows nor an error")
            except DriverError as broken:
                error = broken
            self._unread(name, error, now)

        return done

    def _unread(self, name: str, error: DriverError, now: float) -> None:
        cloud = self._clouds[name]
        cloud.failures += 1
        pause = min(LONGEST_PAUSE_S, cloud.reader.poll_s * 2 ** min(cloud.failures, 10))
        cloud.due = now + max(pause, error.retry_after_s or 0.0)
        if cloud.failures == 1:
            self._on_event(Event(at=now, kind=EventKind.UNREADABLE, cloud=name, message=str(error)))

    def _absorb(self, name: str, reading: Reading, asked_at: float, now: float) -> None:
        cloud = self._clouds[name]
        rows = checked_rows(cloud.account.driver.name, self._deployment, reading.instances)
        if cloud.failures:
            cloud.failures = 0
            self._on_event(Event(at=now, kind=EventKind.READ, cloud=name))
        due = cloud.reader.took(reading, asked_at)
        if not math.isinf(cloud.asked_for):
            due = min(due, cloud.reader.tick_after(asked_at, cloud.asked_for))
        cloud.due = max(due, now)
        settled = self._settles(cloud, asked_at)
        if not settled:
            self._look_again(name, cloud.settles_at or now)
        fresh_until = (cloud.due if cloud.reader.watches else asked_at) + FRESH_S
        by_fleet = {run.fleet.name: run for run in self._runs if name in run.index.clouds}
        for run in by_fleet.values():
            state = run.index.clouds[name]
            if (settled and not state.settled) or not state.seen or now > state.fresh_until:
                run.touch()
            state.settled, state.seen, state.fresh_until = settled, True, fresh_until
        for instance in rows:
            run_of = by_fleet.get(instance.fleet)
            if run_of is not None:
                changes = run_of.index.see(
                    instance,
                    now,
                    probed=reading.probed.get(instance.id, Health.UNKNOWN),
                    membership=reading.members.get(instance.id, Membership.ABSENT),
                    ours=instance.key in run_of.keys,
                )
                run_of.tell_changes(changes, now)
        if reading.complete:
            shown = {instance.id for instance in rows}
            for run in by_fleet.values():
                run.tell_changes(run.index.miss(name, shown, asked_at, now), now)
        self._acts.resolve_unknown(name, asked_at)

    def _settles(self, cloud: CloudRun, asked_at: float) -> bool:
        """Whether the lists so far are far enough apart; the first one sets the time."""
        capabilities = cloud.account.driver.capabilities
        if cloud.settles_at is None:
            cloud.settles_at = asked_at + capabilities.staleness_s + capabilities.call_timeout_s
        return asked_at >= cloud.settles_at

    def _look_again(self, name: str, not_before: float) -> None:
        """Read the cloud at the first tick at or after a time, if not before."""
        cloud = self._clouds[name]
        cloud.asked_for = min(cloud.asked_for, not_before)
        if not cloud.reading and not cloud.failures:
            cloud.due = min(cloud.due, max(cloud.reader.tick_after(cloud.asked_at, not_before), self._runtime.now()))

    # -- answers and ends ---------------------------------------------------------------------------------------------

    def _take(self, answer: Answer) -> None:
        for account in self._accounts.values():
            taken = account.answered(answer)
            if taken is not None:
                call, delay = taken
                if delay is not None and answer.error is not None:
                    text = f"{call.verb} again in {delay:.1f} s: {answer.error}"
                    self._on_event(
                        Event(
                            at=self._runtime.now(),
                            kind=EventKind.RETRYING,
                            fleet=call.fleet,
                            cloud=account.name,
                            message=text,
                        )
                    )
                return

    def _begin_stop(self, now: float) -> None:
        self._stopping = True
        self._on_event(Event(at=now, kind=EventKind.STOPPING, message="asked to stop: what is in flight is let end"))
        for run in self._runs:
            run.index.stop_reason = run.index.stop_reason or "interrupted"
            run.touch()
        for account in self._accounts.values():
            for call in account.cancel():
                self._acts.withdraw(call)

    def _outcome(self) -> Outcome:
        result, now = self._result(), self._runtime.now()
        errors = [failure for run in self._runs for failure in run.errors]
        for run in self._runs:
            decision = run.decision
            if decision is not None and (decision.stuck or decision.paused):
                waiting = f"; waiting for {', '.join(decision.waiting_for)}" if decision.waiting_for else ""
                code, text = ("NoProgress", decision.stuck) if decision.stuck else ("Paused", decision.paused)
                failure = Failure(code=code, scope=f"fleet {run.fleet.name}", message=f"{text}{waiting}")
                errors += [] if self._stopping or run.fatal else [failure]
        kind = EventKind.PAUSED if result is Result.PAUSED else EventKind.DONE
        self._on_event(Event(at=now, kind=kind, message=result.value))
        return Outcome(
            result=result,
            fleets={run.fleet.name: run.outcome() for run in self._runs},
            duration_s=now - self._began,
            api_calls=sum(
                cloud.account.calls + cloud.skipped_calls + cloud.reader.skipped_calls(cloud.asked_at, now)
                for cloud in self._clouds.values()
            ),
            errors=tuple(errors),
            remaining=() if result in (Result.COMPLETE, Result.NOTHING) else self._remaining(),
        )

    def _result(self) -> Result:
        decisions = [run.decision for run in self._runs if run.decision is not None]
        if all(decision.done for decision in decisions):
            acted = any(run.created or run.destroyed for run in self._runs)
            return Result.COMPLETE if acted else Result.NOTHING
        if self._stopping:
            return Result.INTERRUPTED
        if any(run.fatal for run in self._runs) or any(decision.stuck for decision in decisions):
            return Result.FAILED
        return Result.PAUSED

    def _remaining(self) -> tuple[str, ...]:
        told = []
        for run in self._runs:
            index = run.index
            old = len(index.old_idle) + len(index.old_ready)
            counts = {"out of date": old, "failed": len(index.broken_new) + len(index.broken_old), "kept": index.kept}
            rest = "".join(f", {count} {word}" for word, count in counts.items() if count)
            told.append(f"fleet {run.fleet.name}: {index.serving} of {run.fleet.size} in date and ready{rest}")
        return tuple(told)
