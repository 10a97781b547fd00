"""One fleet while it is being carried out: its index, its counts, its errors, and the events it gives off."""

import math
from collections.abc import Callable, Iterable, Mapping

import attrs

from vmpattern.errors import DriverError, Scope, ScopeKind
from vmpattern.model import (
    AnySlot,
    Event,
    EventKind,
    Failure,
    Fleet,
    FleetOutcome,
    Instance,
    InstanceId,
    LaunchKey,
    Market,
    NoRoom,
    Options,
    Service,
)
from vmpattern.planner import Decision, FleetIndex, State, Transition, as_counted, covers, lacks, uneven

BLOCK_S = 120.0
"""So long no capacity is asked of a scope that had none."""

LAUNCHES_PER_INSTANCE, MORE_LAUNCHES = 5, 20
"""An apply launches at most so many VMs for each instance of the size, and so many more: then it doesn't converge."""

NAMED = 3
"""Number of instances that are named among those that came and went."""

TOLD = {
    State.BROKEN: EventKind.FAILED,
    State.AILING: EventKind.UNHEALTHY,
    State.READY: EventKind.READY,
    State.PROVING: EventKind.READY,
    None: EventKind.GONE,
}

EXPECTED = {
    (None, State.READY),
    (None, State.PROVING),
    (State.PROVING, State.READY),
    (State.READY, State.PROVING),
    (State.ENDING, None),
}
"""Changes that are no news, before and after: it was ready all the time, or its end was announced."""


OnCount = Callable[[str, float, int, int], None]
"""Takes a fleet's name, a moment, and how many of its instances are ready and exist from then on."""


def count_nothing(fleet: str, at: float, ready: int, total: int) -> None:
    """Take no counts."""


@attrs.define(eq=False)
class FleetRun:
    """A fleet's index with what the reconciler knows beside it.

    `keys` are those of every launch of this run: instances that have one are ours. `wake_at` is when to decide again
    unless something happens before; `decided` is the index's version at the last decision. `reached_at_once` is whether
    the first decision after every cloud was looked at found nothing to do; None before. `refusals` are the provider's
    words where it had no room, by cloud and scope. `former` are the balancers that the fleet has left, by cloud,
    `recorded` those that it may have left; `unreadable` says why its own isn't asked, `former_unread` why one that it
    left is never read. `went` are the instances that were terminated last; `unending` says why the fleet never gets
    there, empty if it may.
    """

    fleet: Fleet
    service: Service
    index: FleetIndex
    env: Mapping[str, str]
    on_event: Callable[[Event], None]
    on_count: OnCount = count_nothing
    former: Mapping[str, tuple[Options, ...]] = attrs.field(factory=dict)
    recorded: Mapping[str, tuple[Options, ...]] = attrs.field(factory=dict)
    unreadable: Mapping[str, str] = attrs.field(factory=dict)
    former_unread: Mapping[str, str] = attrs.field(factory=dict)
    keys: set[LaunchKey] = attrs.field(factory=set)
    decision: Decision | None = None
    wake_at: float = -math.inf
    decided: int = -1
    created: int = 0
    destroyed: int = 0
    registered: int = 0
    deregistered: int = 0
    lowest_ready: int | None = None
    highest_total: int | None = None
    counted: tuple[int, int] | None = None
    reached_at_once: bool | None = None
    refusals: dict[tuple[str, Scope], NoRoom] = attrs.field(factory=dict)
    went: tuple[InstanceId, ...] = ()
    unending: str = ""
    errors: list[Failure] = attrs.field(factory=list)
    fatal: bool = False

    def touch(self) -> None:
        """Ask for a decision at the next turn."""
        self.wake_at = -math.inf

    def is_placed_in(self, cloud: str) -> bool:
        """Whether the fleet has a placement in a cloud."""
        return any(placement.cloud == cloud for placement in self.fleet.placements)

    def tell(
        self,
        kind: EventKind,
        now: float,
        *,
        cloud: str = "",
        zone: str = "",
        count: int = 0,
        instances: tuple[InstanceId, ...] = (),
        message: str = "",
        key: str = "",
        market: Market | None = None,
        planned: bool = True,
    ) -> None:
        """Emit an event with the fleet's counts after it."""
        if kind is EventKind.REGISTERED:
            self.registered += len(instances)
        elif kind in (EventKind.DRAINING, EventKind.DEREGISTERED):
            self.deregistered += len(instances)
        self.on_event(
            Event(
                at=now,
                kind=kind,
                fleet=self.fleet.name,
                cloud=cloud,
                zone=zone,
                count=count or len(instances),
                instances=instances,
                message=message,
                key=key,
                market=market,
                planned=planned,
                total=self.index.existing,
                ready=self.index.reported,
            )
        )

    def tell_changes(self, changes: list[Transition], now: float) -> None:
        """Give off an event for each change of state that people care about; block what had no room."""
        for change in changes:
            if change.after is State.BROKEN and change.row.ours and change.row.lacked_room:
                self._block(change.row.instance, now)
            kind = TOLD.get(change.after)
            if kind is not None and (change.before, change.after) not in EXPECTED:
                instance = change.row.instance
                message = "" if kind in (EventKind.READY, EventKind.GONE) else _reason(change)
                self.tell(
                    kind, now, cloud=instance.cloud, zone=instance.zone, instances=(instance.id,), message=message
                )

    def decided_on(self, decision: Decision) -> None:
        """Take a decision, and note whether the first one on readings of every cloud found nothing to do."""
        self.decision, self.wake_at = decision, decision.wake_at
        halted = decision.paused or decision.stuck or self.index.stop_reason
        self.index.settle_down(is_over=decision.done or bool(halted))
        if self.reached_at_once is None and self._has_looked():
            self.reached_at_once = decision.done

    def note_counts(self, now: float) -> None:
        """Note how many are ready and how many there are, after a whole turn."""
        if self._has_looked():
            ready, total = self.index.reported, self.index.existing
            if (ready, total) != self.counted:
                self.counted = (ready, total)
                self.on_count(self.fleet.name, now, ready, total)
            self.lowest_ready = ready if self.lowest_ready is None else min(ready, self.lowest_ready)
            self.highest_total = total if self.highest_total is None else max(total, self.highest_total)

    def _has_looked(self) -> bool:
        return all(state.seen or state.unreadable for state in self.index.clouds.values())

    def remember_no_room(self, no_room: Iterable[NoRoom]) -> None:
        """Take over where earlier applies found no room."""
        self.index.remember_no_room(no_room)
        self.refusals = {(one.cloud, one.scope): one for one in no_room} | self.refusals

    def refuse(self, refusal: NoRoom, until: float) -> None:
        """Take no capacity from a scope of a cloud until then, and keep the provider's words."""
        self.index.block(refusal.scope, refusal.cloud, until)
        self.refusals[refusal.cloud, refusal.scope] = refusal

    def found_room(self, slot: AnySlot) -> None:
        """Forget what was refused in scopes that cover a slot: there is room again."""
        self.refusals = {
            (cloud, scope): words for (cloud, scope), words in self.refusals.items() if not covers(scope, cloud, slot)
        }

    def _block(self, instance: Instance, now: float) -> None:
        scope = Scope(
            ScopeKind.MACHINE_TYPE,
            zone=instance.zone,
            machine_type=instance.machine_type,
            market=instance.market.value,
        )
        words = instance.breakdown.message if instance.breakdown else "there was no room"
        refusal = NoRoom(cloud=instance.cloud, scope=scope, code="OutOfCapacity", message=words, at=now)
        self.refuse(refusal, now + BLOCK_S)
        self.touch()
        self.tell(EventKind.BLOCKED, now, cloud=instance.cloud, zone=instance.zone, count=1, message=str(scope))

    def fail(self, error: DriverError, now: float, *, cloud: str, fatal: bool) -> None:
        """Note an error that a person should see; a fatal one stops the fleet before anything else is touched."""
        failure = Failure(code=error.code, scope=str(error.scope), message=f"{cloud}: {error.message}")
        if failure not in self.errors:
            self.errors.append(failure)
        if fatal:
            self.fatal = True
            self.index.stop_reason = str(error)
        self.touch()
        self.tell(EventKind.CALL_FAILED, now, cloud=cloud, message=str(error))

    def ended(self, ids: tuple[InstanceId, ...]) -> None:
        """Count instances whose termination was accepted."""
        self.destroyed += len(ids)
        self.went = (*self.went, *ids)[-NAMED:]

    def bounded(self, decision: Decision) -> Decision:
        """Return the decision, without its actions once more was launched than any change of this fleet needs."""
        most = LAUNCHES_PER_INSTANCE * self.fleet.size + MORE_LAUNCHES
        if self.created > most and not decision.done and not self.unending:
            went = f": {', '.join(self.went)} went last" if self.went else ""
            self.unending = (
                f"doesn't converge: {self.created} instances were launched for a fleet of {self.fleet.size}, and "
                f"{self.destroyed} terminated{went}"
            )
            self.index.stop_reason = self.index.stop_reason or self.unending
        return decision._replace(actions=()) if self.unending else decision

    def is_over(self) -> bool:
        """Whether nothing more will be done: reached, paused, stuck or stopped, and nothing in flight."""
        decision, index = self.decision, self.index
        if decision is None or index.in_flight:
            return False
        return decision.done or bool(decision.paused or decision.stuck or index.stop_reason)

    def remaining(self, now: float) -> tuple[str, ...]:
        """Return what isn't as asked for, in words; of a fleet that is, what only evenness lacks."""
        index = self.index
        if self.decision is None or not self.decision.done:
            texts = list(lacks(index, now))[1 if as_counted(index) else 0 :]
            rest = "; ".join([*texts, *(f"no room: {one}" for one in self.refusals.values())])
        else:
            rest = uneven(index, self.refusals.values())
        return (f"fleet {self.fleet.name}: {rest}",) if rest else ()

    def outcome(self) -> FleetOutcome:
        """Sum up what was done."""
        return FleetOutcome(
            created=self.created,
            destroyed=self.destroyed,
            ready=self.index.reported,
            size=self.fleet.size,
            reached=self.decision is not None and self.decision.done,
            registered=self.registered,
            deregistered=self.deregistered,
            lowest_ready=self.lowest_ready,
            highest_total=self.highest_total,
            missing=max(0, self.fleet.size - sum(self.index.have)),
            no_room=tuple(self.refusals.values()),
        )


def _reason(change: Transition) -> str:
    """Return why a state changed, with the provider's words where it has some."""
    complaint = change.row.complaint
    return f"{change.reason}: {complaint}" if complaint else change.reason
