"""The calls to one cloud: a shared rate budget, retries, and the answers' way back.

Every call of a process to one cloud passes here, so that all fleets together stay within its budget.
"""

import itertools
import math
from bisect import insort
from collections.abc import Callable, Mapping

import attrs
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_never, wait_exponential

from vmpattern import naming
from vmpattern.access.runtime import Answer, Runtime, Work, deadline_s
from vmpattern.driver import Driver, TokenBucket
from vmpattern.driver.budget import spend, wait_for
from vmpattern.errors import DriverError, OutcomeUnknown, Throttled, Transient

RETRYING = Retrying(
    retry=retry_if_exception_type((Throttled, Transient, OutcomeUnknown)),
    wait=wait_exponential(multiplier=0.5, max=30.0),
    stop=stop_never,
)
"""When a call is sent again; the waiting itself is the runtime's, so that time can be virtual."""

MOST_ATTEMPTS = 8
"""Number of times a call is sent, unless it says otherwise."""


@attrs.define(kw_only=True)
class Call:
    """One logical call: sent once, or again after errors that allow it; `done` gets the last answer.

    `costs` are tokens by budget. `retries` False: the first answer is the last. `resend_unknown`: sending it twice does
    no more than once, so an unknown outcome is resolved by sending it again, for up to `give_up_s` seconds. `waited`:
    it was sent later than it was queued, at `queued_at`. `patience`: its deadline is that of so many calls,
    where it may take longer than its costs say; 0: that of its costs.
    """

    verb: str
    label: str
    run: Callable[[], object]
    done: Callable[["Call", Answer], None]
    costs: Mapping[str, float]
    fleet: str = ""
    mutating: bool = True
    retries: bool = True
    resend_unknown: bool = True
    give_up_s: float = 0.0
    most_attempts: int = MOST_ATTEMPTS
    patience: float = 0.0
    unresolved: bool = False
    waited: bool = False
    queued_at: float = math.nan
    attempts: int = 0
    first_sent_at: float = math.nan
    sent_at: float = math.nan


class Account:
    """One cloud's budget, queue and calls in flight; `flying` are the latter, by ticket.

    `buckets` are those of an earlier account of the same cloud in this process, which go on.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        runtime: Runtime,
        tickets: "itertools.count[int]",
        on_retry: Callable[["Account", Call, DriverError, float], None],
        buckets: dict[str, TokenBucket] | None = None,
    ) -> None:
        self.name = name
        self.driver = driver
        self.calls = 0
        self._runtime = runtime
        self._tickets = tickets
        self._on_retry = on_retry
        self._capabilities = driver.capabilities
        self._buckets = {} if buckets is None else buckets
        for kind, budget in self._capabilities.budgets.items():
            if kind not in self._buckets:
                bucket = TokenBucket(burst=budget.burst, per_second=budget.per_second, at=runtime.now())
                self._buckets[kind] = bucket
        self._slowed = bool(buckets)
        self._waiting: list[tuple[float, int, Call]] = []
        self.flying: dict[int, Call] = {}

    def submit(self, call: Call, *, at: float = -math.inf) -> None:
        """Send a call, or queue it, to be sent at `at` or as soon as the budget allows."""
        now = self._runtime.now()
        if not self._waiting and at <= now and self._take(call, now):
            self._send(call, now)
        else:
            call.queued_at = now
            insort(self._waiting, (max(at, now), next(self._tickets), call), key=lambda entry: entry[:2])

    def dispatch(self) -> None:
        """Send what was queued and is due and affordable, as it fell due; none overtakes another of its budgets."""
        if not self._waiting:
            return
        now, stuck = self._runtime.now(), set[str]()
        waiting, self._waiting = self._waiting, []
        left = []
        for at, order, call in waiting:
            kinds = set(call.costs)
            if at > now or kinds & stuck or not self._take(call, now):
                stuck |= kinds if at <= now else set()
                left.append((at, order, call))
            else:
                call.waited = call.queued_at < now
                self._send(call, now)
        # An answer that came at once may have queued its call again.
        self._waiting = left if not self._waiting else sorted(left + self._waiting, key=lambda entry: entry[:2])

    def took_more(self, calls: int) -> None:
        """Count reads that a call took beyond its costs, and charge them to the budget, into debt if need be."""
        self.calls += calls
        if "read" in self._buckets:
            self._buckets["read"].tokens -= calls

    def next_at(self) -> float:
        """Return when a waiting call can be sent; infinity when none waits. Who may not overtake isn't asked."""
        if not self._waiting:
            return math.inf
        now, stuck, first = self._runtime.now(), set[str](), math.inf
        for at, _, call in self._waiting:
            if stuck.isdisjoint(call.costs):
                first = min(first, self._sendable_at(at, call, now))
            if at <= now:
                stuck.update(call.costs)
        return first

    def cancel(self) -> list[Call]:
        """Take back the mutating calls that wait to be sent, or sent again, and return them."""
        waiting = [call for _, _, call in self._waiting if call.mutating]
        self._waiting = [entry for entry in self._waiting if not entry[2].mutating]
        return waiting

    def answered(self, answer: Answer) -> bool:
        """Take an answer, if its ticket is ours: tell the call's `done`, or queue the call to be sent again."""
        call = self.flying.pop(answer.ticket, None)
        if call is None:
            return False
        self._adapt(call, answer.error)
        delay = self._delay(call, answer.error)
        if delay is None or answer.error is None:
            call.done(call, answer)
        else:
            self._on_retry(self, call, answer.error, delay)
            self.submit(call, at=self._runtime.now() + delay)
        return True

    def _send(self, call: Call, now: float) -> None:
        ticket = next(self._tickets)
        call.attempts += 1
        call.sent_at = now
        if call.attempts == 1:
            call.first_sent_at = now
        calls = call.costs.get("read", 1.0)
        self.calls += math.ceil(calls)
        self.flying[ticket] = call
        capabilities = self._capabilities
        timeout_s = deadline_s(capabilities, max(calls, call.patience))
        latency_s = capabilities.latencies.call_s if call.mutating else 0.0
        answer = self._runtime.start(Work(ticket, f"{self.driver.name}: {call.verb}", call.run, timeout_s, latency_s))
        if answer is not None:
            self.answered(answer)

    def _take(self, call: Call, now: float) -> bool:
        return spend(self._buckets, call.costs, now) == 0.0

    def _sendable_at(self, at: float, call: Call, now: float) -> float:
        return max(at, now + wait_for(self._buckets, call.costs, now))

    def _delay(self, call: Call, error: DriverError | None) -> float | None:
        if error is None or not call.retries:
            return None
        if isinstance(error, OutcomeUnknown):
            if not call.resend_unknown:
                return None
            call.unresolved = True
        must_know = call.unresolved and call.give_up_s > 0.0
        if must_know and self._runtime.now() >= call.first_sent_at + call.give_up_s:
            return None
        state = RetryCallState(RETRYING, None, (), {})
        state.attempt_number = call.attempts
        state.set_exception((type(error), error, None))
        again = RETRYING.retry(state) and (must_know or call.attempts < call.most_attempts)
        if not again:
            return None
        jitter = int(naming.digest(call.label, call.attempts, size=4), 16) % 1000 / 1000
        return max(RETRYING.wait(state) * (0.75 + jitter / 2), error.retry_after_s or 0.0)

    def _adapt(self, call: Call, error: DriverError | None) -> None:
        """Additive increase, multiplicative decrease: halve the rate when throttled, win it back slowly."""
        throttled = isinstance(error, Throttled)
        if not throttled and not self._slowed:
            return
        now, self._slowed = self._runtime.now(), True
        for kind in call.costs.keys() & self._buckets.keys():
            bucket, declared = self._buckets[kind], self._capabilities.budgets[kind]
            if throttled:
                bucket.slow_down(now, floor=declared.per_second / 16)
            else:
                bucket.speed_up(now, by=declared.per_second / 20, most=declared.per_second)
