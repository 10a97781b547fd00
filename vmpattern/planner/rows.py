"""One instance as the index knows it, and the ordered table that says what state it is in."""

import enum
import math
from collections.abc import Callable

import attrs

from vmpattern.model import Health, Instance, Membership, Phase, Rollout


class State(enum.IntEnum):
    """Where an instance stands, for deciding. The value is an index into counters, nothing more."""

    ENDING = 0
    LEAVING = 1
    KEPT = 2
    BROKEN = 3
    READY = 4
    JOINING = 5
    PROVING = 6
    AILING = 7
    STARTING = 8

    @property
    def word(self) -> str:
        """The state as people read it."""
        return _WORDS[self]


_WORDS = {
    State.ENDING: "ending",
    State.LEAVING: "draining",
    State.KEPT: "kept",
    State.BROKEN: "failed",
    State.READY: "ready",
    State.JOINING: "joining",
    State.PROVING: "ready",
    State.AILING: "unhealthy",
    State.STARTING: "starting",
}


@attrs.frozen(kw_only=True)
class Terms:
    """What classification needs to know of the fleet: seconds, and whether it is wanted at all.

    `patience_s` of continuous bad answers make a sick instance. `wanted` is False for a fleet of size 0.
    """

    rollout: Rollout
    patience_s: float
    wanted: bool = True


@attrs.define(slots=True, eq=False)
class Row:
    """One live instance; facts above, what follows from them below. Only the index writes to it.

    `ours`: launched under this plan. `named`: the plan may terminate it. `served`: it sits behind a balancer.
    `drain_sent`: the balancer hasn't answered yet, so the time to drain hasn't begun.
    `approved`: it was drained with reason, so it may be ended although it isn't broken any more.
    `listed`: a reading has shown it, not just the answer of its launch, which may be old.
    `shunned_at`: since when its balancer has called it unhealthy.
    `found_healthy`: it was healthy when first seen, so it counts in reports before it has proven itself.
    """

    instance: Instance
    slot: int
    dated: bool
    ours: bool
    named: bool
    served: bool
    known_at: float
    health: Health = Health.UNKNOWN
    provider: Health = Health.UNKNOWN
    probed: Health = Health.UNKNOWN
    membership: Membership = Membership.ABSENT
    healthy_at: float | None = None
    unhealthy_at: float | None = None
    was_healthy: bool = False
    found_healthy: bool = False
    draining_at: float | None = None
    drain_sent: bool = False
    drained: bool = False
    approved: bool = False
    ending_sent: bool = False
    ending: bool = False
    keep_sent: bool = False
    keep_refused: bool = False
    register_sent: bool = False
    failed: bool = False
    shunned_at: float | None = None
    listed: bool = True
    missing: bool = False
    missing_at: float = math.inf
    digest: int = 0
    state: State = State.STARTING
    due: float = math.inf

    @property
    def order(self) -> tuple[float, str]:
        """Oldest first, ties by id: never by arrival."""
        return (self.instance.launched_at, self.instance.id)

    @property
    def is_certain(self) -> bool:
        """Whether nobody doubts that it is broken: it stopped by itself, was kept as failed, or has two witnesses."""
        return self.instance.phase is Phase.STOPPED or self.instance.kept_until is not None or self.witnesses >= 2

    @property
    def is_doubtful(self) -> bool:
        """Whether somebody speaks against it, though not enough of them: one witness, or a balancer that shuns it."""
        lacking = self.served and self.membership in (Membership.ABSENT, Membership.UNHEALTHY)
        return not self.missing and (self.health is Health.UNHEALTHY or lacking)

    @property
    def witnesses(self) -> int:
        """How many independent sources call it dead or unhealthy: provider, health check, balancer."""
        return (
            (self.provider is Health.UNHEALTHY)
            + (self.probed is Health.UNHEALTHY)
            + (self.membership is Membership.UNHEALTHY)
        )


Rule = tuple[State, Callable[[Row, Terms, float], bool], str]


def _is_kept(row: Row, terms: Terms, now: float) -> bool:
    until = row.instance.kept_until
    return until is not None and now < until and terms.wanted


def _is_sick(row: Row, terms: Terms, now: float) -> bool:
    return row.was_healthy and row.unhealthy_at is not None and now >= row.unhealthy_at + terms.patience_s


def _is_shunned(row: Row, terms: Terms, now: float) -> bool:
    return row.shunned_at is not None and now >= row.shunned_at + terms.rollout.ready_deadline_s


def _is_late(row: Row, terms: Terms, now: float) -> bool:
    if row.instance.phase is Phase.PENDING:
        return now >= row.instance.launched_at + terms.rollout.launch_deadline_s
    spoken = row.health is Health.UNHEALTHY
    return not row.was_healthy and spoken and now >= row.instance.launched_at + terms.rollout.ready_deadline_s


def _is_proven(row: Row, terms: Terms, now: float) -> bool:
    return row.healthy_at is not None and now >= row.healthy_at + terms.rollout.min_ready_s


def _serves(row: Row) -> bool:
    return not row.served or row.membership is Membership.HEALTHY


RULES: tuple[Rule, ...] = (
    (State.ENDING, lambda row, terms, now: row.ending, "its termination was accepted"),
    (State.LEAVING, lambda row, terms, now: row.ending_sent, "its termination was sent"),
    (State.KEPT, _is_kept, "it failed and is kept for a look"),
    (State.LEAVING, lambda row, terms, now: row.draining_at is not None, "its balancer lets go of it"),
    (State.BROKEN, lambda row, terms, now: row.instance.phase is Phase.STOPPED, "the VM stopped by itself"),
    (State.BROKEN, lambda row, terms, now: row.instance.kept_until is not None, "it failed, and its time is over"),
    (State.BROKEN, _is_sick, "it was healthy and is not any more"),
    (State.BROKEN, _is_late, "its deadline is over"),
    (State.BROKEN, _is_shunned, "its balancer finds it unhealthy for too long"),
    (State.AILING, lambda row, terms, now: row.missing, "the last list didn't show it"),
    (State.STARTING, lambda row, terms, now: not row.listed, "only its launch's answer has told of it"),
    (State.READY, lambda row, terms, now: _is_proven(row, terms, now) and _serves(row), "healthy for min_ready"),
    (State.PROVING, lambda row, terms, now: row.found_healthy and _serves(row), "healthy when first seen"),
    (State.JOINING, _is_proven, "healthy for min_ready, not yet behind its balancer"),
    (State.AILING, lambda row, terms, now: row.unhealthy_at is not None and row.was_healthy, "it answers badly"),
    (State.STARTING, lambda row, terms, now: True, "nothing is known against it"),
)
"""First match wins; each row has its reason."""


def classify(row: Row, terms: Terms, now: float) -> tuple[State, str]:
    """Return the state of an instance at `now`, and the reason of the rule that decided."""
    for state, holds, reason in RULES:
        if holds(row, terms, now):
            return state, reason
    raise AssertionError("the last rule always holds")


def due(row: Row, terms: Terms, now: float) -> float:
    """Return when the state may change by the mere passing of time; infinity when it can't."""
    rollout, launched = terms.rollout, row.instance.launched_at
    times: list[float] = []
    if row.ending:
        return math.inf
    if row.draining_at is not None and not row.drain_sent and not row.ending_sent:
        times.append(row.draining_at + rollout.drain_s)
    if row.instance.kept_until is not None:
        times.append(row.instance.kept_until)
    if row.healthy_at is not None:
        times.append(row.healthy_at + rollout.min_ready_s)
    if row.unhealthy_at is not None and row.was_healthy:
        times.append(row.unhealthy_at + terms.patience_s)
    if row.shunned_at is not None:
        times.append(row.shunned_at + rollout.ready_deadline_s)
    if row.instance.phase is Phase.PENDING:
        times.append(launched + rollout.launch_deadline_s)
    elif not row.was_healthy:
        times.append(launched + rollout.ready_deadline_s)
    following = math.inf
    for time in times:
        if now < time < following:
            following = time
    return following
