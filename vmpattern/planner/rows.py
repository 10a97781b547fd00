"""One instance as the index knows it, and the ordered rules that say what state it is in."""

import enum
import math

import attrs

from vmpattern.model import Health, Instance, Membership, Options, Phase, Rollout


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
    SILENT = 9

    @property
    def word(self) -> str:
        """The state as people read it."""
        return _WORDS[self]


# Members have plain names here: looked up through its class, each would cost as much as a call (Python 3.11).
ENDING, LEAVING, KEPT, BROKEN, READY, JOINING, PROVING, AILING, STARTING, SILENT = State
PENDING, RUNNING, STOPPED, TERMINATING, TERMINATED = Phase
WELL, SICK, UNKNOWN = Health
ABSENT, SERVED, SHUNNED, DRAINING, UNSURE = Membership

_WORDS = {
    ENDING: "ending",
    LEAVING: "draining",
    KEPT: "kept",
    BROKEN: "failed",
    READY: "ready",
    JOINING: "joining",
    PROVING: "ready",
    AILING: "unhealthy",
    STARTING: "starting",
    SILENT: "unknown",
}


SKEW_S = 900.0
"""Seconds by which a cloud's clock and this one may differ; clouds refuse requests signed by a clock further off."""


@attrs.frozen(kw_only=True)
class Terms:
    """What classification needs to know of the fleet: seconds, and whether it is wanted at all.

    `patience_s` of continuous bad answers make a sick instance. `wanted` is False for a fleet of size 0.
    """

    rollout: Rollout
    patience_s: float
    wanted: bool = True


Order = tuple[float, str]


def _order(instance: Instance) -> Order:
    return instance.launched_at, instance.id


@attrs.define(slots=True, eq=False)
class Row:
    """One live instance; facts above, what follows from them below. Only the index writes to it.

    `ours`: launched under this plan. `named`: the plan may terminate it. `served`: it sits behind a balancer.
    `drain_sent`: the balancer hasn't answered yet, so the time to drain hasn't begun.
    `approved`: it was drained with reason, so it may be ended although it isn't broken any more.
    `register_sent`: its registration is on its way, or nothing was read since the answer: it may be a member or not.
    `listed`: a reading has shown it, not just the answer of its launch, which may be old.
    `known_at`: when it was first seen, or its launch answered, by our own clock.
    `unknown_at`: since when nothing has been known of its health. `overdue`: it had run for longer
    than `ready_deadline` when it was first seen, and its health isn't known.
    `shunned_at`: since when its balancer has called it unhealthy. `said`: the balancer's reason, which decides nothing.
    `was_served`: its balancer has called it healthy before, or it is an old one, so that it isn't new to it.
    `lingers_in`: balancers that its fleet has left and of which it still is a member, `drains_from`: those of them that
    let go of it now. `release_sent`: it is being taken out of one, or nothing was read since the answer.
    `was_draining`: its own balancer let go of it when it was first seen, though it is in date: it is put back.
    `found_healthy`: it was healthy when first seen, so it counts in reports before it has proven itself.
    `order`: oldest first, ties by id: never by arrival. `counted` and `queues` say where the tally has put it.
    """

    instance: Instance
    slot: int
    dated: bool
    ours: bool
    named: bool
    served: bool
    known_at: float
    health: Health = UNKNOWN
    provider: Health = UNKNOWN
    probed: Health = UNKNOWN
    membership: Membership = ABSENT
    said: str = ""
    was_served: bool = False
    lingers_in: tuple[Options, ...] = ()
    drains_from: tuple[Options, ...] = ()
    release_sent: bool = False
    was_draining: bool = False
    healthy_at: float | None = None
    unhealthy_at: float | None = None
    unknown_at: float | None = None
    overdue: bool = False
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
    order: Order = attrs.field(init=False, default=attrs.Factory(lambda row: _order(row.instance), takes_self=True))
    counted: State | None = attrs.field(init=False, default=None)
    queues: tuple[list[Order], ...] = attrs.field(init=False, default=())

    @property
    def began_at(self) -> float:
        """Since when its deadlines count, by our own clock.

        Its launch's time is the cloud's word, and the clocks differ: it counts only where it is longer ago than they
        may, and then by as much later.
        """
        return self.known_at if self.ours else min(self.known_at, self.instance.launched_at + SKEW_S)

    @property
    def is_certain(self) -> bool:
        """Whether nobody doubts that it is broken: it stopped by itself, was kept as failed, or has two witnesses."""
        return self.instance.phase is STOPPED or self.instance.kept_until is not None or self.witnesses >= 2

    @property
    def lacked_room(self) -> bool:
        """Whether the provider had no room for it."""
        return self.instance.breakdown is not None and self.instance.breakdown.lacking

    @property
    def is_doubtful(self) -> bool:
        """Whether something speaks against it, though not enough: one witness, a balancer that shuns it, silence."""
        lacking = self.served and self.membership in (ABSENT, SHUNNED, UNSURE)
        is_spoken_of = self.health is SICK or lacking or self.state is SILENT
        return not self.missing and not self.serves_nobody and is_spoken_of

    @property
    def serves_nobody(self) -> bool:
        """Whether nobody can miss it: it still boots, or two witnesses speak against it."""
        return not self.missing and (self.instance.phase is PENDING or self.witnesses >= 2)

    @property
    def complaint(self) -> str:
        """What the provider says against it, in its own words; empty for nothing. For people: it decides nothing."""
        if self.instance.breakdown is not None:
            return self.instance.breakdown.message
        return self.said if self.membership in (SHUNNED, UNSURE) else ""

    @property
    def word(self) -> str:
        """Its state as people read it: unknown, too, while its balancer can't be read, or its health is overdue."""
        is_unknown = self.overdue if self.state is STARTING else self.state is JOINING and self.membership is UNSURE
        return SILENT.word if is_unknown else self.state.word

    @property
    def former(self) -> dict[Options, Membership]:
        """Of which balancers that its fleet has left it is a member."""
        return {**dict.fromkeys(self.lingers_in, SERVED), **dict.fromkeys(self.drains_from, DRAINING)}

    @property
    def is_member(self) -> bool:
        """Whether requests may reach it through a balancer, its fleet's own or one that the fleet has left."""
        return self.membership in (SERVED, SHUNNED, DRAINING) or bool(self.lingers_in or self.drains_from)

    @property
    def witnesses(self) -> int:
        """How many independent sources call it dead or unhealthy: provider, health check, balancer."""
        return (self.provider is SICK) + (self.probed is SICK) + (self.membership is SHUNNED)


def classify(row: Row, terms: Terms, now: float) -> tuple[State, str]:
    """Return the state of an instance at `now`, and the reason of the rule that decided.

    The rules stand in their order, and the first one that holds decides.
    """
    if row.ending:
        return ENDING, "its termination was accepted"
    if row.ending_sent:
        return LEAVING, "its termination was sent"
    until = row.instance.kept_until
    if until is not None and now < until and terms.wanted:
        return KEPT, "it failed and is kept for inspection"
    if row.draining_at is not None:
        return LEAVING, "its balancer lets go of it"
    if (reason := _failure(row, terms, now)) is not None:
        return BROKEN, reason
    if row.missing:
        return AILING, "the last list didn't show it"
    if not row.listed:
        return STARTING, "only its launch's answer has told of it"
    if row.healthy_at is not None:
        serves = not row.served or row.membership is SERVED
        is_proven = now >= row.healthy_at + terms.rollout.min_ready_s
        if serves and is_proven:
            return READY, "healthy for min_ready"
        if serves and row.found_healthy:
            return PROVING, "healthy when first seen"
        if is_proven or row.found_healthy:
            return _unserved(row)
    if row.unhealthy_at is not None and row.was_healthy:
        return AILING, "it answers badly"
    if _is_silent(row, terms, now):
        return SILENT, "its health was never known" if not row.was_healthy else "its health isn't known any more"
    return STARTING, "nothing is known against it"


def _is_silent(row: Row, terms: Terms, now: float) -> bool:
    """Whether it runs, and nothing has been known of its health for as long as it may take to get ready."""
    since = row.unknown_at
    return since is not None and row.instance.phase is RUNNING and now >= since + terms.rollout.ready_deadline_s


def _unserved(row: Row) -> tuple[State, str]:
    """Return the state of a healthy instance that gets no requests from its fleet's balancer."""
    if row.membership is UNSURE:
        return JOINING, "healthy, its balancer can't be read"
    if row.membership is SHUNNED and row.was_served:
        return AILING, "its balancer finds it unhealthy"
    return JOINING, "healthy, not yet behind its balancer"


def _failure(row: Row, terms: Terms, now: float) -> str | None:
    """Tell why it is broken, None if it isn't."""
    instance, rollout = row.instance, terms.rollout
    if instance.phase is STOPPED and instance.breakdown is not None:
        return "the VM never came up"
    if instance.phase is STOPPED:
        return "the VM stopped by itself"
    if instance.kept_until is not None:
        return "it failed, and its time is over"
    if row.was_healthy:
        if row.unhealthy_at is not None and now >= row.unhealthy_at + terms.patience_s:
            return "it was healthy and is not any more"
    elif row.health is SICK and now >= row.began_at + rollout.ready_deadline_s:
        return "its deadline is over"
    if instance.phase is PENDING and now >= row.began_at + rollout.launch_deadline_s:
        return "its deadline is over"
    if row.shunned_at is not None and now >= row.shunned_at + rollout.ready_deadline_s:
        return "its balancer finds it unhealthy for too long"
    return None


def due(row: Row, terms: Terms, now: float) -> float:
    """Return when the state may change by the mere passing of time; infinity when it can't."""
    if row.ending:
        return math.inf
    rollout, instance = terms.rollout, row.instance
    times: list[float] = []
    if row.draining_at is not None and not row.drain_sent and not row.ending_sent:
        times.append(row.draining_at + rollout.drain_s)
    if instance.kept_until is not None:
        times.append(instance.kept_until)
    if row.healthy_at is not None:
        times.append(row.healthy_at + rollout.min_ready_s)
    if row.unhealthy_at is not None and row.was_healthy:
        times.append(row.unhealthy_at + terms.patience_s)
    if row.shunned_at is not None:
        times.append(row.shunned_at + rollout.ready_deadline_s)
    if instance.phase is PENDING:
        times.append(row.began_at + rollout.launch_deadline_s)
    elif not row.was_healthy:
        times.append(row.began_at + rollout.ready_deadline_s)
    if row.unknown_at is not None:
        times.append(row.unknown_at + rollout.ready_deadline_s)
    following = math.inf
    for time in times:
        if now < time < following:
            following = time
    return following
