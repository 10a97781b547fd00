import threading
import time
from collections.abc import Callable

import pytest

from vmpattern.access.runtime import Answer, RealRuntime, VirtualRuntime, Work, attempt
from vmpattern.driver import Clock
from vmpattern.errors import ContractBroken, DriverError, Throttled

START = 1_000.0
SOON_S = 5.0
"""Far longer than anything here takes; a test that waits so long has failed."""


def work(
    ticket: int, run: Callable[[], object] = lambda: None, *, latency_s: float = 1.0, timeout_s: float = SOON_S
) -> Work:
    return Work(ticket=ticket, what=f"demo: call {ticket}", run=run, timeout_s=timeout_s, latency_s=latency_s)


def fails(error: BaseException) -> Callable[[], object]:
    def run() -> object:
        raise error

    return run


class Cloud:
    """A cloud with a time of its own that remembers how it was moved."""

    pace = 0.0

    def __init__(self) -> None:
        self.moves: list[float] = []

    @property
    def clock(self) -> Clock:
        raise AssertionError("nobody asks")

    def advance(self, until: float) -> None:
        self.moves.append(until)


# -- attempts


def test_a_result_is_answered_under_its_ticket() -> None:
    assert Answer(7, result="made") == attempt(work(7, lambda: "made"))


def test_an_error_of_the_contract_is_answered_as_it_is() -> None:
    error = Throttled("slow down")

    assert error is attempt(work(7, fails(error))).error


@pytest.mark.parametrize("cause", [ValueError("oops"), KeyError("zone"), TimeoutError()])
def test_any_other_error_is_a_broken_contract_with_its_cause(cause: Exception) -> None:
    error = attempt(work(7, fails(cause))).error

    assert (ContractBroken, cause) == (type(error), error and error.__cause__)


def test_a_broken_contract_names_driver_verb_and_error() -> None:
    error = attempt(work(7, fails(ValueError("oops")))).error

    assert "demo: call 7 raised ValueError" in str(error)


def test_what_is_no_error_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(work(7, fails(KeyboardInterrupt())))


# -- virtual time


def test_a_call_takes_effect_when_it_starts() -> None:
    done: list[str] = []

    VirtualRuntime(START).start(work(1, lambda: done.append("now")))

    assert ["now"] == done


def test_an_answer_comes_after_its_latency() -> None:
    runtime = VirtualRuntime(START)
    runtime.start(work(1, latency_s=2.0))

    assert ([1], START + 2.0) == ([answer.ticket for answer in runtime.wait(START + 99.0)], runtime.now())


def test_an_answer_without_latency_comes_at_once() -> None:
    assert Answer(1, result="made") == VirtualRuntime(START).start(work(1, lambda: "made", latency_s=0.0))


def test_answers_come_in_the_order_of_their_moments() -> None:
    runtime = VirtualRuntime(START)
    for ticket, latency_s in ((1, 3.0), (2, 1.0), (3, 2.0)):
        runtime.start(work(ticket, latency_s=latency_s))

    assert [2, 3, 1] == [answer.ticket for _ in range(3) for answer in runtime.wait(START + 99.0)]


def test_answers_of_one_moment_come_together_in_the_order_of_their_calls() -> None:
    runtime = VirtualRuntime(START)
    for ticket in (3, 1, 2):
        runtime.start(work(ticket))

    assert [3, 1, 2] == [answer.ticket for answer in runtime.wait(START + 99.0)]


def test_waiting_ends_at_its_moment_though_no_answer_came() -> None:
    runtime = VirtualRuntime(START)
    runtime.start(work(1, latency_s=2.0))

    assert ([], START + 1.0) == (runtime.wait(START + 1.0), runtime.now())


def test_time_never_goes_back() -> None:
    runtime = VirtualRuntime(START)
    runtime.wait(START - 1.0)

    assert runtime.now() == START


def test_clouds_are_moved_along() -> None:
    cloud = Cloud()
    runtime = VirtualRuntime(START, [cloud])
    runtime.wait(START + 1.0)
    runtime.wait(START + 1.0)

    assert [START + 1.0] == cloud.moves


def test_standing_still_for_ever_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="virtual time would stand still"):
        VirtualRuntime(START).wait(float("inf"))


def test_a_crash_passes_through() -> None:
    class Crashed(BaseException):
        pass

    with pytest.raises(Crashed):
        VirtualRuntime(START).start(work(1, fails(Crashed())))


def test_a_pace_makes_virtual_time_take_real_time() -> None:
    runtime, begun = VirtualRuntime(START, pace=1000.0), time.monotonic()
    runtime.wait(START + 50.0)

    assert time.monotonic() - begun >= 0.045


def test_a_pace_is_over_when_somebody_wakes_it() -> None:
    runtime, begun = VirtualRuntime(START, pace=1.0), time.monotonic()
    threading.Timer(0.02, runtime.wake).start()
    runtime.wait(START + 1000.0)

    assert time.monotonic() - begun < SOON_S


def test_what_remains_after_waking_happens_as_fast_as_possible() -> None:
    runtime, begun = VirtualRuntime(START, pace=1.0), time.monotonic()
    runtime.wake()
    for step in range(1, 100):
        runtime.wait(START + step * 1000.0)

    assert time.monotonic() - begun < SOON_S


# -- real time


def collected(runtime: RealRuntime, count: int, within_s: float = SOON_S) -> list[Answer]:
    """Wait until so many answers came."""
    answers: list[Answer] = []
    until = runtime.now() + within_s
    while len(answers) < count and runtime.now() < until:
        answers += runtime.wait(until)
    return answers


def test_real_calls_are_answered() -> None:
    runtime = RealRuntime()
    for ticket in (1, 2, 3):
        runtime.start(work(ticket, lambda: "made"))

    assert {1, 2, 3} == {answer.ticket for answer in collected(runtime, 3)}


def test_real_calls_run_side_by_side() -> None:
    runtime, meeting = RealRuntime(), threading.Barrier(3, timeout=SOON_S)
    for ticket in (1, 2, 3):
        runtime.start(work(ticket, meeting.wait))

    assert [None] * 3 == [answer.error for answer in collected(runtime, 3)]


def test_errors_of_real_calls_are_answered() -> None:
    runtime, error = RealRuntime(), Throttled("slow down")
    runtime.start(work(1, fails(error)))

    assert [error] == [answer.error for answer in collected(runtime, 1)]


@pytest.fixture
def gate() -> threading.Event:
    """What a hung call waits for."""
    return threading.Event()


def hung(gate: threading.Event) -> tuple[RealRuntime, DriverError | None]:
    """Start a call that hangs, and return the error that came in its stead."""
    runtime = RealRuntime()
    runtime.start(work(1, lambda: gate.wait(SOON_S), timeout_s=0.02))
    return runtime, collected(runtime, 1)[0].error


def test_a_call_that_hangs_breaks_the_contract(gate: threading.Event) -> None:
    _, error = hung(gate)
    gate.set()

    assert isinstance(error, ContractBroken)


def test_a_call_that_hangs_is_named(gate: threading.Event) -> None:
    _, error = hung(gate)
    gate.set()

    assert "demo: call 1 gave no answer in time (TimedOut, cloud)" == str(error)


def test_the_late_answer_of_a_call_that_hung_is_dropped(gate: threading.Event) -> None:
    runtime, _ = hung(gate)
    gate.set()

    assert [] == collected(runtime, 1, within_s=0.1)


def test_waiting_ends_when_somebody_wakes_it() -> None:
    runtime, begun = RealRuntime(), time.monotonic()
    threading.Timer(0.02, runtime.wake).start()
    runtime.wait(runtime.now() + 1000.0)

    assert time.monotonic() - begun < SOON_S


def test_waking_before_waiting_is_not_lost() -> None:
    runtime, begun = RealRuntime(), time.monotonic()
    runtime.wake()
    runtime.wait(runtime.now() + 1000.0)

    assert time.monotonic() - begun < SOON_S


def test_answers_behind_a_waking_are_not_lost() -> None:
    runtime = RealRuntime()
    runtime.wake()
    runtime.start(work(1))

    assert [1] == [answer.ticket for answer in collected(runtime, 1)]


def test_waiting_for_ever_is_allowed_while_a_call_is_under_way() -> None:
    runtime = RealRuntime()
    runtime.start(work(1))

    assert [1] == [answer.ticket for answer in runtime.wait(float("inf"))]


def test_a_clock_that_is_set_back_moves_nothing() -> None:
    ticks = iter([10.0, 10.0, 11.0, 12.0])
    runtime = RealRuntime(clock=lambda: START, monotonic=lambda: next(ticks))

    assert [START, START + 1.0, START + 2.0] == [runtime.now() for _ in range(3)]


def test_simulated_clouds_follow_the_real_time() -> None:
    cloud = Cloud()
    runtime = RealRuntime([cloud])
    runtime.wait(runtime.now())

    assert 1 == len(cloud.moves)
