"""One fleet while it is being carried out: its index, its counts, its errors, and the events it gives off."""

import math
from collections import Counter
from collections.abc import Callable, Mapping

import attrs

from vmpattern.errors import DriverError, Scope, ScopeKind
from vmpattern.model import Event, EventKind, Failure, Fleet, FleetOutcome, Instance, InstanceId, LaunchKey, Service
from vmpattern.planner import Decision, FleetIndex, State, Transition

BLOCK_S = 120.0
"""So long no capacity is asked of a scope that had none."""

REASONS = 3
"""So many reasons of the provider are told of what remains."""

TOLD = {
    State.BROKEN: EventKind.FAILED,
    State.AILING: EventKind.UNHEALTHY,
    State.READY: EventKind.READY,
    None: EventKind.GONE,
}

EXPECTED = {(None, State.READY), (State.PROVING, State.READY), (State.ENDING, None)}
"""Changes that are no news, before and after: it was ready all the time, or its end was announced."""


@attrs.define(eq=False)
class FleetRun:
    """A fleet's index with what the executor knows beside it.

    `keys` are those of every launch of this run: instances that bear one are ours. `wake_at` is when to decide again
    unless something happens before; `decided` is the index's version at the last decision.
    """

    fleet: Fleet
    service: Service
    index: FleetIndex
    env: Mapping[str, str]
    on_event: Callable[[Event], None]
    keys: set[LaunchKey] = attrs.field(factory=set)
    decision: Decision | None = None
    wake_at: float = -math.inf
    decided: int = -1
    created: int = 0
    destroyed: int = 0
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
        planned: bool = True,
    ) -> None:
        """Give off an event with the fleet's counts after it."""
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
                planned=planned,
                total=self.index.total,
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

    def _block(self, instance: Instance, now: float) -> None:
        scope = Scope(
            ScopeKind.MACHINE_TYPE,
            zone=instance.zone,
            machine_type=instance.machine_type,
            market=instance.market.value,
        )
        self.index.block(scope, instance.cloud, now + BLOCK_S)
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

    def is_over(self) -> bool:
        """Whether nothing more will be done: reached, paused, stuck or stopped, and nothing in flight."""
        decision, index = self.decision, self.index
        if decision is None or index.in_flight:
            return False
        return decision.done or bool(decision.paused or decision.stuck or index.stop_reason)

    def remaining(self) -> str:
        """Tell what isn't as asked for, what isn't known, and what the provider says most often against instances."""
        index = self.index
        counts = {
            "out of date": len(index.old_idle) + len(index.old_ready),
            "failed": len(index.broken_new) + len(index.broken_old),
            "kept": index.kept,
            "draining": index.leaving,
            "launched with unknown outcome": sum(launch.count for launch in index.launching.values()),
        }
        rest = "".join(f", {count} {word}" for word, count in counts.items() if count)
        said = Counter(row.complaint for row in index.rows.values() if row.complaint)
        why = "".join(f"; said of {number}: {words}" for words, number in said.most_common(REASONS))
        return f"fleet {self.fleet.name}: {index.serving} of {self.fleet.size} in date and ready{rest}{why}"

    def outcome(self) -> FleetOutcome:
        """Sum up what was done."""
        ready = self.index.reported
        return FleetOutcome(created=self.created, destroyed=self.destroyed, ready=ready, size=self.fleet.size)


def _reason(change: Transition) -> str:
    """Return why a state changed, with the provider's words where it has some."""
    complaint = change.row.complaint
    return f"{change.reason}: {complaint}" if complaint else change.reason
