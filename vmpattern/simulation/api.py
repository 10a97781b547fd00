"""The front desk of a simulated cloud: counts calls, keeps the request budgets, and loses calls and replies."""

from collections import Counter
from collections.abc import Mapping

from vmpattern import naming
from vmpattern.driver import TokenBucket
from vmpattern.driver.budget import spend
from vmpattern.errors import (
    Denied,
    Invalid,
    OutcomeUnknown,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern.simulation.faults import FaultKind
from vmpattern.simulation.world import World

ACCOUNT = Scope(ScopeKind.ACCOUNT)

_OF_CALLS = (
    FaultKind.THROTTLE,
    FaultKind.ABSURD_RETRY,
    FaultKind.LOST_BEFORE,
    FaultKind.LOST_AFTER,
    FaultKind.FAILED_PAGE,
    FaultKind.GARBLED,
)
_OF_READINGS = (FaultKind.EXPIRED, FaultKind.UNREADABLE)
"""What lasts, and keeps everything from being read."""
_OF_LAUNCHES = (FaultKind.STOCKOUT, FaultKind.QUOTA, FaultKind.PARTIAL_LAUNCH, FaultKind.STALE_LIST)


class Call:
    """One call that was let in: which it is, and how often the same was seen before; keys the draws of its faults."""

    def __init__(
        self, world: World, parts: tuple[str | int, ...], zone: str | None = None, machine_type: str | None = None
    ) -> None:
        self._world = world
        self._faulty = bool(world.faults)
        self._parts = parts
        self._zone = zone
        self._machine_type = machine_type

    def strikes(self, kind: FaultKind) -> bool:
        """Tell whether the fault strikes this call."""
        if not self._faulty:
            return False
        at_s = self._world.elapsed_s
        return self._world.faults.strikes(kind, at_s, *self._parts, zone=self._zone, machine_type=self._machine_type)

    def draw(self, kind: FaultKind) -> float:
        """Return a number in [0, 1) of this call's own."""
        return self._world.faults.draw(kind, "much", *self._parts)

    def reply(self) -> None:
        """Send the reply of a call that had its effect, or lose it.

        Raises:
            OutcomeUnknown: the reply is lost.
        """
        if self.strikes(FaultKind.LOST_AFTER):
            raise OutcomeUnknown("the connection broke before the reply came", scope=ACCOUNT)


class Api:
    """The request budgets and the counts of one simulated cloud.

    `calls` counts API calls by verb, refused ones too; `seen` how often each call came, where faults need it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        budgets = world.spec.capabilities.budgets
        self.buckets = {name: TokenBucket(budget.burst, budget.per_second) for name, budget in budgets.items()}
        self.calls: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        # Without faults all calls are alike, and nothing need be known of each.
        self._quiet = None if world.faults else Call(world, ())
        self._counts_seen = any(world.faults.has(kind) for kind in (*_OF_CALLS, *_OF_LAUNCHES))

    def read(self, verb: str, *arguments: object, pages: int = 1) -> Call:
        """Let in a call that changes nothing.

        Raises:
            Throttled: over the budget, or by a fault.
            Transient: the cloud can't be read, or a page failed.
            Invalid: the answer can't be read.
            Unauthenticated: the credentials have expired.
        """
        call = self._enter(verb, arguments, {"read": pages}, count=pages)
        self._refuse_unreadable()
        if call.strikes(FaultKind.FAILED_PAGE):
            raise Transient("an internal error has occurred", code="InternalError", scope=ACCOUNT)
        if call.strikes(FaultKind.GARBLED):
            raise Invalid(f"{verb}: the answer is no JSON", code="UnreadableAnswer", scope=ACCOUNT)
        return call

    def follow(self) -> None:
        """Let in one that follows the changes instead of listing: no call, refused where every list would be.

        Raises:
            Denied: the credentials don't permit lists.
            Unauthenticated: the credentials have expired.
            Transient: the cloud can't be read.
        """
        self._refuse_denied("instances")
        self._refuse_expired()
        self._refuse_unreadable()

    def next_at(self) -> float:
        """Return when it may next begin or end that nothing can be read; infinity for never."""
        world = self._world
        return world.start + min(world.faults.next_edge(kind, world.elapsed_s) for kind in _OF_READINGS)

    def change(
        self,
        verb: str,
        *arguments: object,
        costs: Mapping[str, int],
        zone: str | None = None,
        machine_type: str | None = None,
    ) -> Call:
        """Let in a call that changes something; whoever makes the change asks the call for its reply at the end.

        Raises:
            Throttled: over the budget, or by a fault.
            OutcomeUnknown: the call is lost before it had any effect.
            Unauthenticated: the credentials have expired.
        """
        call = self._enter(verb, arguments, costs, zone=zone, machine_type=machine_type)
        if call.strikes(FaultKind.LOST_BEFORE):
            raise OutcomeUnknown("the connection broke before the reply came", scope=ACCOUNT)
        return call

    def _enter(
        self,
        verb: str,
        arguments: tuple[object, ...],
        costs: Mapping[str, int],
        *,
        count: int = 1,
        zone: str | None = None,
        machine_type: str | None = None,
    ) -> Call:
        self.calls[verb] += count
        self._refuse_denied(verb)
        self._pay(costs)
        if self._quiet is not None:
            return self._quiet
        call = Call(self._world, self._parts(verb, arguments), zone, machine_type)
        self._refuse_expired()
        if call.strikes(FaultKind.THROTTLE):
            raise Throttled("request limit exceeded", code="RequestLimitExceeded", scope=ACCOUNT)
        if call.strikes(FaultKind.ABSURD_RETRY):
            moment = self._world.at
            raise Throttled("request limit exceeded", code="RequestLimitExceeded", scope=ACCOUNT, retry_after_s=moment)
        return call

    def _refuse_denied(self, verb: str) -> None:
        if verb in self._world.spec.denied:
            raise Denied(f"the credentials don't permit {verb}", code="UnauthorizedOperation", scope=ACCOUNT)

    def _refuse_expired(self) -> None:
        if self._lasts(FaultKind.EXPIRED):
            raise Unauthenticated("the security token has expired", code="ExpiredToken", scope=ACCOUNT)

    def _refuse_unreadable(self) -> None:
        if self._lasts(FaultKind.UNREADABLE):
            raise Transient("the service is unavailable", code="ServiceUnavailable", scope=ACCOUNT)

    def _lasts(self, kind: FaultKind) -> bool:
        faults = self._world.faults
        return bool(faults) and faults.in_spell(kind, self._world.elapsed_s)

    def _parts(self, verb: str, arguments: tuple[object, ...]) -> tuple[str | int, ...]:
        if not self._counts_seen:
            return ()
        same = naming.digest(verb, arguments)
        times = self.seen[same]
        self.seen[same] += 1
        return verb, same, times

    def _pay(self, costs: Mapping[str, int]) -> None:
        if wait := spend(self.buckets, costs, self._world.at):
            raise Throttled("request limit exceeded", code="RequestLimitExceeded", scope=ACCOUNT, retry_after_s=wait)
