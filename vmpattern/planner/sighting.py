"""What the sight of an instance says: facts of its row, and what they come to together."""

from collections.abc import Mapping

import attrs

from vmpattern.model import Health, HealthCheck, Instance, Membership, Options, Phase, Standing
from vmpattern.planner.rows import (
    ABSENT,
    BROKEN,
    DRAINING,
    RUNNING,
    SERVED,
    SHUNNED,
    SICK,
    STOPPED,
    TERMINATING,
    UNKNOWN,
    WELL,
    Row,
    State,
    Terms,
)

NOWHERE: Mapping[Options, Membership] = {}
"""The memberships of an instance that no former balancer of its fleet has."""

_PHASES = {phase: number for number, phase in enumerate(Phase)}


def reconciled(instance: Instance, row: Row) -> Instance:
    """Return an instance as seen, with what an older list can't take back: how far it has come, and its launch.

    That it runs is believed of lists alone: since when it does is reckoned from the one that said so first.
    """
    phase, known = instance.phase, row.instance
    if phase is not known.phase and (row.listed or known.phase is not RUNNING):
        phase = max(phase, known.phase, key=_PHASES.__getitem__)
    if phase is instance.phase and instance.launched_at == known.launched_at:
        return instance
    return attrs.evolve(instance, phase=phase, launched_at=known.launched_at)


def take_in(
    row: Row,
    instance: Instance,
    probed: Health,
    standing: Standing,
    now: float,
    *,
    former: Mapping[Options, Membership] = NOWHERE,
    first: bool,
) -> None:
    """Enter what is seen into the row; `former`: of which balancers that its fleet has left it is a member; `first`: it
    was never seen before.
    """
    membership = standing.membership
    row.lingers_in = tuple([one for one, there in former.items() if there in (SERVED, SHUNNED)])
    row.drains_from = tuple([one for one, there in former.items() if there is DRAINING])
    row.was_draining = membership is DRAINING and (row.was_draining or (first and row.dated))
    row.was_served = row.was_served or membership is SERVED or (first and not row.ours)
    row.instance, row.missing, row.listed = instance, False, row.listed or not first
    row.provider = SICK if instance.phase is STOPPED else instance.health
    row.probed = probed
    if instance.phase is TERMINATING:
        row.ending = True
    if row.draining_at is not None and membership is ABSENT and not row.lingers_in and not row.drains_from:
        row.drained = True
    elif row.draining_at is None and membership is DRAINING and not row.was_draining:
        row.draining_at = now
    if membership is not SHUNNED:
        row.shunned_at = None
    elif row.shunned_at is None:
        # Since when is only known of what was seen before. Others have had their time since their launch, unless
        # nothing else speaks against them: those may have been registered just now.
        is_well = WELL in (probed, row.provider)
        row.shunned_at = row.began_at if first and not is_well else now
    row.membership, row.said = membership, standing.reason


def verdict(row: Row, check: HealthCheck | None, *, native: bool) -> Health:
    """Return whether it is well, by the word that the service's owner chose: the check's, else the provider's."""
    if not row.listed:
        return UNKNOWN
    if row.instance.phase is STOPPED:
        return SICK
    if row.instance.phase is not RUNNING:
        return UNKNOWN
    if check is not None:
        return row.probed
    return row.provider if native else WELL


def _is_late(row: Row, now: float, terms: Terms) -> bool:
    return not row.ours and now >= row.instance.launched_at + terms.rollout.ready_deadline_s


def judge(row: Row, health: Health, now: float, terms: Terms, *, first: bool) -> None:
    """Follow the health; a word that nobody gives now breaks what was continuous, good or bad."""
    row.overdue = (
        health is UNKNOWN and row.instance.phase is RUNNING and (row.overdue or (first and _is_late(row, now, terms)))
    )
    if health is WELL:
        row.unhealthy_at, row.unknown_at = None, None
        if row.healthy_at is None:
            row.healthy_at = now
            age = now - row.instance.launched_at
            row.found_healthy = first and not row.ours and age >= terms.rollout.min_ready_s
        row.was_healthy = True
    elif health is SICK:
        row.healthy_at, row.found_healthy, row.unknown_at = None, False, None
        row.unhealthy_at = now if row.unhealthy_at is None else row.unhealthy_at
    else:
        row.healthy_at, row.unhealthy_at, row.found_healthy = None, None, False
        row.unknown_at = now if row.unknown_at is None else row.unknown_at
    row.health = health


def decisive(row: Row, state: State) -> tuple[object, ...]:
    """Return everything of a row that a decision can depend on and that a reading can change."""
    condemned = row.witnesses if state is BROKEN or not row.dated else 0
    former = (row.lingers_in, row.drains_from)
    return (state, row.drained, row.membership, former, condemned, None if row.dated else row.health)
