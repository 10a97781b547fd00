"""Observe, decide, dispatch, wait: the loop that carries a deployment's fleets to what was asked for.

One thread owns the indexes. What happens comes in as an answer or as time passing, and goes out as an event.
"""

from collections.abc import Callable, Sequence

from vmpattern.access.runtime import Answer
from vmpattern.access.session import Session
from vmpattern.access.stopping import never
from vmpattern.model import UNENDING, Event, EventKind, Failure, Fleet, NoRoom, Observation, Outcome, Result
from vmpattern.planner import Decision, FleetIndex, decide
from vmpattern.reconcile.dispatcher import Acts, Remember, remember_nothing
from vmpattern.reconcile.fleet_run import FleetRun
from vmpattern.reconcile.observer import Lookout

Decide = Callable[[Fleet, FleetIndex, float], Decision]


class Engine:
    """Carries out several fleets of one deployment over several clouds.

    Args:
        runs: the fleets, in the deployment's order.
        session: with every cloud that a fleet uses.
        observation: what was read of the clouds just before, if anything.
        stop: asked at every turn; once true nothing new is begun, what is in flight is let end.
        watch: read changes instead of lists where a driver can.
        remember: notes with which balancer a fleet is registered in a cloud, before that is sent.
        decide: what decides; only tests give another one, which looks on.
    """

    def __init__(
        self,
        *,
        deployment: str,
        runs: Sequence[FleetRun],
        session: Session,
        observation: Observation | None = None,
        on_event: Callable[[Event], None],
        stop: Callable[[], bool] = never,
        watch: bool = True,
        remember: Remember = remember_nothing,
        decide: Decide = decide,
    ) -> None:
        self._decider = decide
        self._runs = tuple(runs)
        for run in self._runs:
            run.index.others = [other.index for other in self._runs if other is not run]
        self._runtime = runtime = session.runtime
        self._on_event = on_event
        self._stop = stop
        self._stopping = False
        self._deployment = deployment
        self._began = runtime.now()
        self._session = session
        self._accounts = session.accounts
        self._calls_before = session.calls
        self._acts = Acts(
            deployment,
            self._accounts,
            runtime,
            look_again=lambda cloud, at: self._lookout.look_again(cloud, at),
            expect=lambda cloud: self._lookout.expect(cloud),
            remember=remember,
        )
        self._lookout = Lookout(
            deployment,
            self._runs,
            self._accounts,
            runtime,
            probe=session.probe,
            on_event=on_event,
            was_read=self._acts.was_read,
            watch=watch,
        )
        if observation is not None:
            self._lookout.begin(observation)

    def run(self) -> Outcome:
        """Loop until every fleet is as asked for, or can't get there; never raises for what a cloud does."""
        while not self._turn():
            for answer in self._runtime.wait(self._wake_at()):
                self._take(answer)
        return self._outcome()

    def _turn(self) -> bool:
        """Do what can be done now; tell whether all is over."""
        now = self._runtime.now()
        if not self._stopping and self._stop():
            self._begin_stop(now)
        for run in self._runs:
            if run.index.next_due() <= now:
                run.tell_changes(run.index.advance(now), now)
        self._lookout.read(now)
        for run in self._runs:
            if run.wake_at <= now or run.index.version != run.decided:
                self._decide(run, now)
            run.note_counts(now)
        for account in self._accounts.values():
            account.dispatch()
        # What one fleet decides may let another one go on: that decides again before all is over.
        return all(run.is_over() and run.index.version == run.decided for run in self._runs)

    def _decide(self, run: FleetRun, now: float) -> None:
        decision = run.bounded(self._decider(run.fleet, run.index, now))
        run.decided_on(decision)
        for action in decision.actions:
            self._acts.dispatch(run, action)
        run.decided = run.index.version

    def _wake_at(self) -> float:
        now, wake_at = self._runtime.now(), self._lookout.next_at()
        for run in self._runs:
            if run.index.version != run.decided:
                return now
            wake_at = min(wake_at, run.wake_at, run.index.next_due())
        for account in self._accounts.values():
            wake_at = min(wake_at, account.next_at())
        return max(wake_at, now)

    # -- answers and ends ---------------------------------------------------------------------------------------------

    def _take(self, answer: Answer) -> None:
        for account in self._accounts.values():
            if account.answered(answer):
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
        errors = [failure for run in self._runs for failure in (*run.errors, *self._halted(run))]
        kind = EventKind.PAUSED if result is Result.PAUSED else EventKind.DONE
        told = (
            "; ".join(dict.fromkeys(failure.message for failure in errors)) if result is Result.PAUSED else result.value
        )
        self._on_event(Event(at=now, kind=kind, message=told))
        return Outcome(
            result=result,
            fleets={run.fleet.name: run.outcome() for run in self._runs},
            duration_s=now - self._began,
            api_calls=self._session.calls - self._calls_before + self._lookout.idle_calls(now),
            errors=tuple(errors),
            remaining=tuple(text for run in self._runs for text in run.remaining(now)),
        )

    def _halted(self, run: FleetRun) -> list[Failure]:
        """Tell why a fleet goes no further, unless an error or the user has said so already."""
        decision, scope = run.decision, f"fleet {run.fleet.name}"
        if run.unending:
            return [Failure(code=UNENDING, scope=scope, message=run.unending)]
        if self._stopping or run.fatal or decision is None or not (decision.stuck or decision.paused):
            return []
        failed = f"; {run.index.failures} of what was launched failed" if run.index.failures and decision.stuck else ""
        waiting = f"; waiting for {', '.join(decision.waiting_for)}" if decision.waiting_for else ""
        code, text = ("NoProgress", decision.stuck) if decision.stuck else ("Paused", decision.paused)
        halted = Failure(code=code, scope=scope, message=f"{text}{failed}{waiting}")
        return [*(_failure(refusal) for refusal in run.refusals.values()), halted]

    def _result(self) -> Result:
        decisions = [run.decision for run in self._runs if run.decision is not None]
        if all(decision.done for decision in decisions):
            return Result.NOTHING if all(run.reached_at_once for run in self._runs) else Result.COMPLETE
        if self._stopping:
            return Result.INTERRUPTED
        if any(run.fatal for run in self._runs):
            return Result.FAILED
        return Result.PAUSED


def _failure(refusal: NoRoom) -> Failure:
    return Failure(code=refusal.code, scope=str(refusal.scope), message=f"{refusal.cloud}: {refusal.message}")
