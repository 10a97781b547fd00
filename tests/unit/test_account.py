import itertools
import math
from collections.abc import Mapping

import attrs
import pytest
from hands import HandRuntime, Listed

from vmpattern.access.gateway import Account, Call
from vmpattern.access.runtime import Answer
from vmpattern.errors import (
    Denied,
    DriverError,
    OutcomeUnknown,
    OutOfCapacity,
    Throttled,
    Transient,
)
from vmpattern.model import RequestBudget
from vmpattern.simulation import EC2_LIKE, EPOCH, SimulatedCloud


class Desk:
    """An account on a runtime moved by hand, with a log of what was sent, retried and done."""

    def __init__(self, **budgets: RequestBudget) -> None:
        self.runtime = HandRuntime()
        self.done: list[tuple[str, Answer]] = []
        self.retried: list[tuple[str, float]] = []
        driver = Listed(SimulatedCloud(), capabilities=attrs.evolve(EC2_LIKE, budgets=budgets))
        self.account = Account("demo", driver, self.runtime, itertools.count(), self._retry)

    def _retry(self, account: Account, call: Call, error: DriverError, delay: float) -> None:
        self.retried.append((call.label, delay))

    def call(
        self,
        label: str = "one",
        *,
        costs: Mapping[str, float] | None = None,
        mutating: bool = True,
        retries: bool = True,
        resend_unknown: bool = True,
        give_up_s: float = 1e9,
    ) -> Call:
        """Submit a call."""
        call = Call(
            verb=label,
            label=label,
            run=lambda: None,
            done=lambda call, answer: self.done.append((call.label, answer)),
            costs={"launch": 1.0} if costs is None else costs,
            mutating=mutating,
            retries=retries,
            resend_unknown=resend_unknown,
            give_up_s=give_up_s,
        )
        self.account.submit(call)
        return call

    def sent(self) -> list[str]:
        """Return the labels of what was sent, in order."""
        return [work.what.removeprefix("memory: ") for work in self.runtime.started]

    def answer(self, error: DriverError | None = None, result: object = None) -> None:
        """Answer the call that was sent last."""
        assert self.account.answered(Answer(self.runtime.started[-1].ticket, result=result, error=error))

    def answer_until_done(self, error: DriverError, *, at_most: int) -> int:
        """Answer every attempt with the same error; return how many there were."""
        for attempt in range(1, at_most + 1):
            self.answer(error)
            if self.done:
                return attempt
            self.pass_to(self.account.next_at())
        return at_most

    def pass_to(self, at: float) -> None:
        """Move the time and send what is due."""
        self.runtime.at = at
        self.account.dispatch()


# -- budgets and order


def test_a_call_waited_if_it_was_sent_later_than_it_was_submitted() -> None:
    desk = Desk(launch=RequestBudget(1, 1), terminate=RequestBudget(1, 1))
    at_once, later = desk.call("a"), desk.call("b")
    in_line = desk.call("c", costs={"terminate": 1.0})
    desk.pass_to(EPOCH)
    desk.pass_to(EPOCH + 1)

    assert ["a", "c", "b"] == desk.sent()
    assert (False, False, True) == (at_once.waited, in_line.waited, later.waited)


def test_what_the_budget_allows_is_sent_at_once() -> None:
    desk = Desk(launch=RequestBudget(2, 1))
    for label in ("a", "b", "c"):
        desk.call(label)

    assert ["a", "b"] == desk.sent()


def test_what_the_budget_refuses_is_sent_when_it_is_refilled() -> None:
    desk = Desk(launch=RequestBudget(2, 1))
    for label in ("a", "b", "c"):
        desk.call(label)
    desk.pass_to(desk.account.next_at())

    assert (["a", "b", "c"], EPOCH + 1.0) == (desk.sent(), desk.runtime.at)


def test_calls_of_one_budget_are_sent_in_order() -> None:
    desk = Desk(launch=RequestBudget(3, 1))
    desk.call("first", costs={"launch": 3.0})
    desk.call("large", costs={"launch": 3.0})
    desk.call("small", costs={"launch": 1.0})
    desk.pass_to(EPOCH + 2.0)

    assert ["first"] == desk.sent()


def test_a_call_that_may_not_overtake_is_not_due_before_the_one_ahead() -> None:
    desk = Desk(launch=RequestBudget(3, 1))
    desk.call("first", costs={"launch": 3.0})
    desk.call("large", costs={"launch": 3.0})
    desk.call("small", costs={"launch": 1.0})
    desk.pass_to(EPOCH + 2.0)

    assert EPOCH + 3.0 == desk.account.next_at()


def test_a_call_whose_delay_is_over_is_not_overtaken_by_what_came_later() -> None:
    desk = Desk(launch=RequestBudget(1, 0.01))
    desk.call("early")
    desk.answer(Transient("oops", retry_after_s=10.0))
    desk.pass_to(EPOCH + 20.0)
    desk.call("late")
    desk.pass_to(EPOCH + 100.0)

    assert ["early", "early"] == desk.sent()


def test_a_call_of_another_budget_overtakes() -> None:
    desk = Desk(launch=RequestBudget(1, 1), terminate=RequestBudget(1, 1))
    for label in ("a", "b"):
        desk.call(label)
    desk.call("end", costs={"terminate": 1.0})
    desk.pass_to(EPOCH + 0.1)

    assert ["a", "end"] == desk.sent()


def test_a_call_waits_for_the_slowest_of_its_budgets() -> None:
    desk = Desk(**{"launch": RequestBudget(9, 9), "launch-instances": RequestBudget(2, 1)})
    desk.call("a", costs={"launch": 1.0, "launch-instances": 2.0})
    desk.call("b", costs={"launch": 1.0, "launch-instances": 2.0})

    assert EPOCH + 2.0 == desk.account.next_at()


def test_a_call_that_waits_takes_nothing_from_its_other_budgets() -> None:
    desk = Desk(**{"launch": RequestBudget(1, 0.001), "launch-instances": RequestBudget(2, 1)})
    desk.call("a", costs={"launch-instances": 2.0})
    desk.call("b", costs={"launch": 1.0, "launch-instances": 2.0})
    desk.pass_to(EPOCH + 2.0)

    assert ["a", "b"] == desk.sent()


def test_a_budget_that_the_cloud_does_not_declare_costs_nothing() -> None:
    desk = Desk()
    for label in ("a", "b", "c"):
        desk.call(label)

    assert ["a", "b", "c"] == desk.sent()


def test_nothing_is_due_while_nothing_waits() -> None:
    assert math.inf == Desk().account.next_at()


def test_every_attempt_counts_as_a_call() -> None:
    desk = Desk()
    desk.call()
    desk.answer(Transient("oops"))
    desk.pass_to(desk.account.next_at())

    assert 2 == desk.account.calls


def test_a_list_counts_its_pages() -> None:
    desk = Desk()
    desk.call(costs={"read": 3.0})

    assert 3 == desk.account.calls


# -- additive increase, multiplicative decrease


def spacing(desk: Desk) -> float:
    """Return the seconds until one call of an empty bucket can be sent."""
    desk.call("x", costs={"launch": 1.0})
    return desk.account.next_at() - desk.runtime.now()


def throttled(times: int) -> Desk:
    """Return a desk of one call a second whose calls were throttled so often."""
    desk = Desk(launch=RequestBudget(1, 1))
    for _ in range(times):
        desk.pass_to(desk.runtime.now() + 1000.0)
        desk.call(retries=False)
        desk.answer(Throttled("slow down"))
    return desk


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        pytest.param(2.0, 1, id="once: half the rate"),
        pytest.param(4.0, 2, id="twice: a quarter"),
        pytest.param(16.0, 9, id="often: never below a sixteenth"),
    ],
)
def test_the_rate_of_who_was_throttled(seconds: float, times: int) -> None:
    assert seconds == pytest.approx(spacing(throttled(times)))


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        pytest.param(1 / 0.55, 1, id="a twentieth more after one success"),
        pytest.param(1.0, 10, id="all of it after ten"),
        pytest.param(1.0, 40, id="never more than was declared"),
    ],
)
def test_the_rate_is_won_back(seconds: float, times: int) -> None:
    desk = throttled(1)
    for _ in range(times):
        desk.pass_to(desk.runtime.now() + 1000.0)
        desk.call()
        desk.answer()

    assert seconds == pytest.approx(spacing(desk))


def test_only_the_budget_that_was_throttled_shrinks() -> None:
    desk = Desk(launch=RequestBudget(1, 1), terminate=RequestBudget(1, 1))
    desk.call(retries=False)
    desk.answer(Throttled("slow down"))

    desk.call("end", costs={"terminate": 1.0})

    assert ["one", "end"] == desk.sent()


# -- retries


def test_what_succeeds_is_done() -> None:
    desk = Desk()
    desk.call()
    desk.answer(result="made")

    assert [("one", "made")] == [(label, answer.result) for label, answer in desk.done]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Denied("no"), id="a person must act"),
        pytest.param(OutOfCapacity("full"), id="another placement is next"),
    ],
)
def test_an_error_is_told_at_once_where(error: DriverError) -> None:
    desk = Desk()
    desk.call()
    desk.answer(error)

    assert [("one", error)] == [(label, answer.error) for label, answer in desk.done]


@pytest.mark.parametrize("error", [Throttled("slow down"), Transient("oops")])
def test_a_call_that_may_work_later_is_given_up_after_eight_attempts(error: DriverError) -> None:
    desk = Desk()
    desk.call()

    assert 8 == desk.answer_until_done(error, at_most=20)


def test_a_call_without_retries_is_sent_once() -> None:
    desk = Desk()
    desk.call(retries=False)

    assert 1 == desk.answer_until_done(Transient("oops"), at_most=20)


def test_delays_double_up_to_half_a_minute() -> None:
    desk = Desk()
    desk.call()
    desk.answer_until_done(Transient("oops"), at_most=20)
    usual = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]

    assert [] == [
        (wait, delay)
        for wait, (_, delay) in zip(usual, desk.retried, strict=True)
        if not 0.75 * wait <= delay <= 1.25 * wait
    ]


def test_the_delays_of_two_calls_differ() -> None:
    def delay(label: str) -> float:
        desk = Desk()
        desk.call(label)
        desk.answer(Transient("oops"))
        return desk.retried[0][1]

    assert delay("one") != delay("other")


def test_a_longer_wish_of_the_provider_is_granted() -> None:
    desk = Desk()
    desk.call()
    desk.answer(Throttled("slow down", retry_after_s=90.0))

    assert EPOCH + 90.0 == desk.account.next_at()


def test_a_shorter_wish_of_the_provider_does_not_hurry() -> None:
    desk = Desk()
    desk.call()
    desk.answer(Transient("oops", retry_after_s=0.001))

    assert desk.account.next_at() >= EPOCH + 0.375


def test_nothing_is_sent_before_its_delay_is_over() -> None:
    desk = Desk()
    desk.call()
    desk.answer(Transient("oops", retry_after_s=90.0))
    desk.pass_to(EPOCH + 89.0)

    assert ["one"] == desk.sent()


def test_who_waits_for_a_retry_holds_up_nobody() -> None:
    desk = Desk(launch=RequestBudget(9, 9))
    desk.call("late")
    desk.answer(Transient("oops", retry_after_s=90.0))
    desk.call("next")
    desk.pass_to(EPOCH + 1.0)

    assert ["late", "next"] == desk.sent()


def test_a_call_that_failed_as_soon_as_it_was_sent_is_sent_again() -> None:
    desk = Desk(launch=RequestBudget(1, 1))
    for label in ("first", "next"):
        desk.call(label)
    desk.runtime.at_once = [Transient("oops")]
    desk.pass_to(EPOCH + 1.0)
    desk.pass_to(EPOCH + 10.0)

    assert ["first", "next", "next"] == desk.sent()


def test_an_unknown_outcome_is_sent_again_for_as_long_as_it_takes() -> None:
    desk = Desk()
    desk.call()

    assert 50 == desk.answer_until_done(OutcomeUnknown("silence"), at_most=50)


def test_what_was_unknown_once_is_not_given_up_for_another_error() -> None:
    desk = Desk()
    desk.call()
    desk.answer(OutcomeUnknown("silence"))
    desk.pass_to(desk.account.next_at())

    assert 50 == desk.answer_until_done(Throttled("slow down"), at_most=50)


def test_an_unknown_outcome_is_never_sent_again_where_that_would_do_it_twice() -> None:
    desk = Desk()
    desk.call(resend_unknown=False)

    assert 1 == desk.answer_until_done(OutcomeUnknown("silence"), at_most=20)


def test_an_unknown_outcome_is_given_up_when_its_time_is_over() -> None:
    desk = Desk()
    desk.call(give_up_s=100.0)
    desk.answer_until_done(OutcomeUnknown("silence"), at_most=50)

    assert EPOCH + 100.0 <= desk.runtime.at <= EPOCH + 140.0


def test_an_answer_of_nobodys_call_is_not_taken() -> None:
    assert not Desk().account.answered(Answer(99))


def test_a_call_is_answered_once() -> None:
    desk = Desk()
    desk.call()
    desk.answer()

    assert not desk.account.answered(Answer(desk.runtime.started[-1].ticket))


# -- busy, and taken back


@pytest.fixture
def full() -> Desk:
    """A desk with one change in flight, one waiting for the budget, and a reading that waits too."""
    desk = Desk(launch=RequestBudget(1, 1))
    for label, mutating in (("flying", True), ("waiting", True), ("reading", False)):
        desk.call(label, mutating=mutating)
    return desk


def test_taking_back_returns_the_changes_that_wait(full: Desk) -> None:
    assert ["waiting"] == [call.label for call in full.account.cancel()]


def test_what_was_taken_back_is_never_sent(full: Desk) -> None:
    full.account.cancel()
    full.pass_to(EPOCH + 100.0)

    assert ["flying", "reading"] == full.sent()


def test_a_change_that_waits_to_be_sent_again_is_taken_back() -> None:
    desk = Desk()
    desk.call()
    desk.answer(Transient("oops"))

    assert ["one"] == [call.label for call in desk.account.cancel()]
