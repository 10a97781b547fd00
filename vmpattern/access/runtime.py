"""Where calls run and time passes: worker threads and the real clock, or virtual time.

The reconciler itself is one thread that waits here; nothing else sleeps or starts threads.
"""

import heapq
import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from vmpattern.driver import Timekeeper
from vmpattern.errors import ContractBroken, DriverError
from vmpattern.model import Capabilities


class Answer(NamedTuple):
    """What came of a call: a result, or the error that stood in its way; `sent_at` where whoever sent it notes it."""

    ticket: int
    result: object = None
    error: DriverError | None = None
    sent_at: float = math.nan


class Work(NamedTuple):
    """One attempt of one call: what to run, under which ticket, how long it may take and how long it usually takes."""

    ticket: int
    what: str
    run: Callable[[], object]
    timeout_s: float
    latency_s: float


class Runtime(Protocol):
    """Time and concurrency as the reconciler needs them."""

    def now(self) -> float:
        """Return epoch seconds; never less than before."""
        ...

    def start(self, work: Work) -> Answer | None:
        """Start an attempt; its answer is returned if it is there at once, else it comes out of `wait`.

        It comes at the latest after the attempt's time-out.
        """
        ...

    def wait(self, until: float) -> list[Answer]:
        """Let time pass until an answer comes, `until` is reached or somebody calls `wake`; return what came."""
        ...

    def wake(self) -> None:
        """End a `wait` early; may be called from a signal handler or another thread."""
        ...


def attempt(work: Work) -> Answer:
    """Run one attempt and answer under its ticket."""
    return attempt_now(work.run, work.what, work.ticket)


def attempt_now(run: Callable[[], object], what: str, ticket: int = -1) -> Answer:
    """Run something; whatever isn't a `DriverError` is the driver's breach of contract, with its cause kept."""
    try:
        return Answer(ticket, run())
    except DriverError as error:
        return Answer(ticket, error=error)
    except Exception as cause:
        broken = ContractBroken(f"{what} raised {type(cause).__name__}, which the contract doesn't know: {cause}")
        broken.__cause__ = cause
        return Answer(ticket, error=broken)


class VirtualRuntime:
    """Virtual time: a call takes effect when it starts, its answer comes after its usual latency.

    `clouds` are moved along with the time. `pace` virtual seconds pass in a real one, 0 means at once.
    """

    def __init__(
        self,
        start: float,
        clouds: Sequence[Timekeeper] = (),
        *,
        pace: float = 0.0,
    ) -> None:
        self._now = start
        self._clouds = clouds
        self._pace = pace
        self._answers: list[tuple[float, int, Answer]] = []
        self._order = itertools.count()
        self._woken = threading.Event()

    def now(self) -> float:
        """Return the virtual time."""
        return self._now

    def start(self, work: Work) -> Answer | None:
        """Run the attempt at once; a `BaseException` that isn't an error, such as a simulated crash, passes through."""
        if work.latency_s <= 0.0:
            return attempt(work)
        heapq.heappush(self._answers, (self._now + work.latency_s, next(self._order), attempt(work)))
        return None

    def wait(self, until: float) -> list[Answer]:
        """Move the time to the next answer or to `until`, whichever is first."""
        following = self._answers[0][0] if self._answers and self._answers[0][0] < until else until
        if following == math.inf:
            raise RuntimeError("nothing is in flight and nothing is awaited: virtual time would stand still")
        if following > self._now:
            if self._pace:
                self._woken.wait((following - self._now) / self._pace)
            self._now = following
            for cloud in self._clouds:
                cloud.advance(following)
        answers: list[Answer] = []
        while self._answers and self._answers[0][0] <= self._now:
            answers.append(heapq.heappop(self._answers)[2])
        return answers

    def wake(self) -> None:
        """Stop pacing: what remains happens as fast as possible."""
        self._woken.set()


class RealRuntime:
    """Real time: every attempt in a daemon thread of its own, so that a call that hangs can't hold anybody up."""

    def __init__(
        self,
        clouds: Sequence[Timekeeper] = (),
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clouds = clouds
        self._start, self._began = clock(), monotonic()
        self._monotonic = monotonic
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._deadlines: dict[int, tuple[float, str]] = {}

    def now(self) -> float:
        """Return epoch seconds by a clock that can't be set back."""
        return self._start + self._monotonic() - self._began

    def start(self, work: Work) -> Answer | None:
        """Start a thread for the attempt and note its deadline."""
        self._deadlines[work.ticket] = (self.now() + work.timeout_s, work.what)
        threading.Thread(target=lambda: self._answers.put(attempt(work)), daemon=True, name=work.what).start()
        return None

    def wait(self, until: float) -> list[Answer]:
        """Block until an answer, `until`, a deadline or `wake`."""
        deadline = min([until, *(at for at, _ in self._deadlines.values())])
        answers: list[Answer] = []
        timeout = max(0.0, deadline - self.now())
        try:
            first = self._answers.get(timeout=min(timeout, threading.TIMEOUT_MAX))
            answers += [first] if first else []
            while True:
                further = self._answers.get_nowait()
                answers += [further] if further else []
        except queue.Empty:
            pass
        for cloud in self._clouds:
            cloud.advance(self.now())
        known = [answer for answer in answers if self._deadlines.pop(answer.ticket, None) is not None]
        return known + self._overdue()

    def wake(self) -> None:
        """End a `wait` now."""
        self._answers.put(None)

    def _overdue(self) -> list[Answer]:
        now = self.now()
        late = [ticket for ticket, (at, _) in self._deadlines.items() if at <= now]
        return [Answer(ticket, error=_hung(self._deadlines.pop(ticket)[1])) for ticket in late]


def deadline_s(capabilities: Capabilities, calls: float = 1.0) -> float:
    """Return how long the reconciler waits for a verb that takes so many calls, before it takes the driver for hung.

    It leaves the driver time to notice by itself that the cloud doesn't answer.
    """
    return DEADLINE_FACTOR * capabilities.call_timeout_s * max(1.0, calls)


DEADLINE_FACTOR = 1.5


def _hung(what: str) -> ContractBroken:
    return ContractBroken(f"{what} gave no answer in time", code="TimedOut")
