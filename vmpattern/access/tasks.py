"""Several tasks side by side in one thread: each asks for a call or for a moment, and goes on with the answer.

A task is a generator, so that it reads from top to bottom; time and calls are those of its session, so that it runs in
virtual time as well, and shares its clouds' budgets with everything else.
"""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar, cast

import attrs

from vmpattern.access.gateway import MOST_ATTEMPTS, Account, Call
from vmpattern.access.runtime import Answer, Runtime
from vmpattern.model import Event, EventKind

T = TypeVar("T")


class Stopped(Exception):
    """A stop was requested; thrown into tasks that wait, once, so that they can clean up."""


@attrs.frozen(kw_only=True)
class Ask:
    """A call that a task wants made; the fields mean the same as those of `Call`."""

    cloud: str
    verb: str
    label: str
    run: Callable[[], object]
    costs: Mapping[str, float]
    mutating: bool
    resend_unknown: bool = True
    most_attempts: int = MOST_ATTEMPTS
    patience: float = 0.0


@attrs.frozen
class Until:
    """A moment that a task waits for."""

    at: float


Task = Generator[Ask | Until, Answer | None, T]


def asked(ask: Ask, run: Callable[[], T]) -> Task[T]:
    """Make the call `ask`, whose `run` is `run`, and return its result.

    Raises:
        DriverError: the last answer was an error.
    """
    result, _ = yield from asked_at(ask, run)
    return result


def asked_at(ask: Ask, run: Callable[[], T]) -> Task[tuple[T, float]]:
    """Make the call `ask`, whose `run` is `run`; return its result, and when it was sent for the last time.

    Raises:
        DriverError: the last answer was an error.
    """
    answer = yield ask
    assert answer is not None, "a task that asks gets an answer"
    if answer.error is not None:
        raise answer.error
    return cast("T", answer.result), answer.sent_at


def read(
    cloud: str, verb: str, run: Callable[[], T], *, most_attempts: int = MOST_ATTEMPTS, patience: float = 0.0
) -> Task[T]:
    """Make a call that changes nothing and costs one read.

    Raises:
        DriverError: the last answer was an error.
    """
    return asked(reading(cloud, verb, run, most_attempts=most_attempts, patience=patience), run)


def reading(
    cloud: str, verb: str, run: Callable[[], T], *, most_attempts: int, patience: float = 0.0, reads: int = 1
) -> Ask:
    """Return the call of a verb that changes nothing and costs so many reads."""
    return Ask(
        cloud=cloud,
        verb=verb,
        label=verb,
        run=run,
        costs={"read": float(reads)},
        mutating=False,
        most_attempts=most_attempts,
        patience=patience,
    )


@attrs.define
class _Run(Generic[T]):
    """A task on its way: what it waits for, and what it came to."""

    task: Task[T]
    until: float = math.inf
    answer: Answer | None = None
    asking: bool = False
    told_to_stop: bool = False
    over: bool = False
    result: T | None = None


class Loop:
    """Runs tasks over several clouds until all are over.

    Args:
        accounts: by cloud name.
        tell: takes the loop's own events.
        stop: asked at every turn; once true, `Stopped` is thrown into every task.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        runtime: Runtime,
        *,
        tell: Callable[[Event], None],
        stop: Callable[[], bool],
    ) -> None:
        self._accounts = accounts
        self._runtime = runtime
        self._tell = tell
        self._stop = stop
        self._stopping = False

    def run(self, tasks: Sequence[Task[T]]) -> list[T]:
        """Run the tasks, and return what each came to, in their order; what one raises ends all."""
        runs = [_Run(task) for task in tasks]
        for run in runs:
            self._go_on(run, None)
        while not all(run.over for run in runs):
            if not self._stopping and self._stop():
                self._begin_stop(runs)
            for run in runs:
                self._take_turn(run)
            for account in self._accounts.values():
                account.dispatch()
            if all(run.over for run in runs) or any(run.answer is not None for run in runs):
                continue
            for answer in self._runtime.wait(self._wake_at(runs)):
                any(account.answered(answer) for account in self._accounts.values())
        return [cast("T", run.result) for run in runs]

    def _take_turn(self, run: "_Run[T]") -> None:
        if run.answer is not None:
            answer, run.answer, run.asking = run.answer, None, False
            self._go_on(run, answer)
        elif run.until <= self._runtime.now():
            run.until = math.inf
            self._go_on(run, None)

    def _go_on(self, run: "_Run[T]", answer: Answer | None) -> None:
        self._step(run, lambda: run.task.send(answer))

    def _step(self, run: "_Run[T]", step: Callable[[], Ask | Until]) -> None:
        try:
            wanted = step()
        except StopIteration as end:
            run.over, run.result = True, end.value
            return
        if self._stopping and not run.told_to_stop:
            self._stop_task(run)
        elif isinstance(wanted, Until):
            run.until = wanted.at
        else:
            self._ask(run, wanted)

    def _stop_task(self, run: "_Run[T]") -> None:
        run.until, run.told_to_stop = math.inf, True
        self._step(run, lambda: run.task.throw(Stopped()))

    def _ask(self, run: "_Run[T]", ask: Ask) -> None:
        def done(call: Call, answer: Answer) -> None:
            run.answer = answer._replace(sent_at=call.sent_at)

        run.asking = True
        call = Call(
            verb=ask.verb,
            label=ask.label,
            run=ask.run,
            done=done,
            costs=ask.costs,
            mutating=ask.mutating,
            resend_unknown=ask.resend_unknown,
            most_attempts=ask.most_attempts,
            patience=ask.patience,
        )
        self._accounts[ask.cloud].submit(call)

    def _begin_stop(self, runs: "Sequence[_Run[T]]") -> None:
        """Stop the tasks that wait at once, the others as soon as their call is answered."""
        self._stopping = True
        event = Event(at=self._runtime.now(), kind=EventKind.STOPPING, message="asked to stop: builders are ended")
        self._tell(event)
        for run in runs:
            if not run.over and not run.asking:
                self._stop_task(run)

    def _wake_at(self, runs: "Sequence[_Run[T]]") -> float:
        moments = [run.until for run in runs if not run.over]
        return min([*moments, *(account.next_at() for account in self._accounts.values())])
