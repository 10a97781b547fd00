"""How one fleet stands by one observation: the index of what was observed, and the first decision on it. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import attrs

from vmpattern.model import (
    OUTSIDE,
    AnySlot,
    CloudObservation,
    Deployment,
    Fleet,
    Health,
    InstanceId,
    Membership,
    NoRoom,
    Observation,
    Options,
    options_text,
)
from vmpattern.planner.actions import Decision
from vmpattern.planner.decide import decide
from vmpattern.planner.images import as_if_baked
from vmpattern.planner.index import FleetIndex
from vmpattern.planner.places import covers
from vmpattern.planner.rows import SILENT, STARTING, Row


@attrs.frozen
class Assessment:
    """What was observed of a fleet, and what is decided first on it."""

    index: FleetIndex
    decision: Decision

    @property
    def reached(self) -> bool:
        """Whether everything is as asked for: an apply has nothing to do."""
        return self.decision.done

    @property
    def ready(self) -> int:
        """Number of instances that are ready, in date or not."""
        return self.index.reported


def assess(
    deployment: Deployment,
    fleet: Fleet,
    slots: Sequence[AnySlot],
    observation: Observation,
    *,
    named: Collection[InstanceId] | None = None,
) -> Assessment:
    """Assess one fleet, as an apply would that had just made this observation.

    Args:
        named: the ids that may be terminated; None: any.

    Guarantees:
        `reached` is what an apply's first decision on the same observation says.
    """
    index = FleetIndex(
        deployment=deployment.name,
        fleet=fleet,
        slots=tuple(map(as_if_baked, slots)),
        clouds={name: cloud.capabilities for name, cloud in observation.clouds.items()},
        check=deployment.services[fleet.service].health,
        now=observation.at,
        named=None if named is None else frozenset(named),
    )
    index.remember_no_room(observation.no_room)
    for cloud in observation.clouds.values():
        _enter(index, cloud, observation.at)
    return Assessment(index, decide(fleet, index, observation.at))


def _enter(index: FleetIndex, cloud: CloudObservation, now: float) -> None:
    """Enter one cloud, as its reading would be entered."""
    state = index.clouds[cloud.name]
    state.unreadable, state.seen = cloud.error is not None, cloud.error is None
    if cloud.error is not None:
        return
    state.fresh_until, state.settled = now, True
    state.balancer_error = cloud.unread_balancers.get(index.fleet.name, "")
    state.balancer_lost = bool(state.balancer_error)
    unread = [one for one in cloud.former if one.fleet == index.fleet.name and one.is_unread]
    state.former_error = next((f"{options_text(one.balancer)}: {one.error}" for one in unread), "")
    state.former_lost = any(not one.momentary for one in unread)
    for instance in cloud.instances:
        if instance.fleet in index.fleet.labels:
            index.see(
                instance,
                now,
                probed=cloud.probed.get(instance.id, Health.UNKNOWN),
                standing=cloud.members.get(instance.id, OUTSIDE),
                former=_former(index.fleet.name, cloud, instance.id),
            )


def _former(fleet: str, cloud: CloudObservation, instance: InstanceId) -> dict[Options, Membership]:
    """Return of which balancers that its fleet has left an instance is a member."""
    return {
        one.balancer: one.members[instance].membership
        for one in cloud.former
        if one.fleet == fleet and instance in one.members
    }


def uneven(index: FleetIndex, no_room: Iterable[NoRoom]) -> str:
    """Return in words how a fleet that is as asked for isn't even, for want of room; empty if it is."""
    reasons = "; ".join(str(one) for one in no_room if any(covers(one.scope, one.cloud, slot) for slot in index.slots))
    if not reasons or index.shares(index.have, [False] * len(index.have)) == index.have:
        return ""
    held = ", ".join(
        f"{count} in {slot.cloud}/{slot.zone}" for slot, count in zip(index.slots, index.have, strict=True)
    )
    return f"not even ({held}), no room: {reasons}"


REASONS = 3
"""Number of the provider's reasons that are named among what isn't as asked for."""


LONGEST = 6
"""Number of instances that are named of those with one complaint."""


def lacks(index: FleetIndex, now: float) -> Iterator[str]:
    """Yield what of a fleet isn't as asked for, in words: counts first, then the provider's words, the commonest first.

    Of a fleet that is as asked for, the first text says so; whether it is, only a decision can tell.
    """
    counts = _counts(index)
    rest = "".join(f", {count} {word}" for word, count in counts.items() if count)
    wanted = f"{index.serving} of {index.fleet.size} in date and ready{rest}"
    yield wanted if index.fleet.size else f"{index.live} that shouldn't be there"
    silent = sorted(row.instance.id for row in _silent(index))
    for known, words in ((False, "health was never known"), (True, "health isn't known any more")):
        if ids := [id for id in silent if index.rows[id].was_healthy is known]:
            more = f" and {len(ids) - LONGEST} more" if len(ids) > LONGEST else ""
            yield f"{', '.join(ids[:LONGEST])}{more}: {words}"
    complaints = Counter(row.complaint for row in index.rows.values() if row.complaint)
    for words, number in complaints.most_common(REASONS):
        yield f"said of {number}: {words}"
    for name, state in index.clouds.items():
        if state.balancer_error:
            yield f"the balancer in {name} can't be read: {state.balancer_error}"
        if state.former_error:
            yield f"a balancer in {name} that it may still be behind can't be read: {state.former_error}"
        if not state.seen or now > state.fresh_until:
            yield f"{name} couldn't be read lately"


def _silent(index: FleetIndex) -> Iterator[Row]:
    """Yield the instances whose health long should be known, and isn't."""
    return (row for row in index.rows.values() if row.state is SILENT or (row.state is STARTING and row.overdue))


def as_counted(index: FleetIndex) -> bool:
    """Whether by its counts alone a fleet is as asked for; a failed instance kept for inspection may be there too."""
    rest = sum(_counts(index).values()) - index.kept
    return rest == 0 and index.serving == index.fleet.size and (index.fleet.size > 0 or index.live == 0)


def _counts(index: FleetIndex) -> dict[str, int]:
    """Count what isn't in date and ready, by the words for it."""
    silent = sum(row.dated for row in _silent(index))
    return {
        "out of date": len(index.old_idle) + len(index.old_ready),
        "starting or unhealthy": sum(index.have) - index.serving - len(index.joining) - silent,
        "of unknown health": silent,
        "not behind their balancer": len(index.joining),
        "failed": len(index.broken_new) + len(index.broken_old),
        "still behind a former balancer": len(index.lingering),
        "kept for inspection": index.kept,
        "draining": index.leaving,
        "launched with unknown outcome": sum(launch.count for launch in index.launching.values()),
    }
