"""How far an apply has come, counted from its events. One object, fed and read from several threads."""

import threading
from collections import deque

import attrs

from vmpattern.model import Event, EventKind, FleetPlan, InstanceId, Plan

RECENT = 5
COUNTLESS = {EventKind.READ, EventKind.UNREADABLE, EventKind.SETTLED, EventKind.RETRYING, EventKind.STOPPING}
"""Kinds of events that don't tell their fleet's counts."""


@attrs.define
class FleetProgress:
    """One fleet: what is to be done in all, and what is done; `seen_ready` holds instances of before, too."""

    size: int
    to_launch: int
    to_end: int
    ready: int
    total: int
    failed: int = 0
    launched: set[InstanceId] = attrs.Factory(set)
    seen_ready: set[InstanceId] = attrs.Factory(set)
    ended: set[InstanceId] = attrs.Factory(set)

    @property
    def arrived(self) -> int:
        """New instances that became ready."""
        return len(self.launched & self.seen_ready)

    @property
    def starting(self) -> int:
        """New instances that aren't ready yet."""
        return len(self.launched - self.seen_ready - self.ended)

    @property
    def share_done(self) -> float:
        """The part of the work that is done, from 0 to 1."""
        work = self.to_launch + self.to_end
        return min(1.0, (self.arrived + len(self.ended)) / work) if work else 1.0

    def note(self, event: Event) -> None:
        """Count one event of this fleet."""
        if event.kind is EventKind.LAUNCHED:
            self.launched.update(event.instances)
        elif event.kind is EventKind.READY:
            self.seen_ready.update(event.instances)
        elif event.kind is EventKind.TERMINATED:
            self.ended.update(event.instances)
        elif event.kind in (EventKind.FAILED, EventKind.LAUNCH_FAILED):
            self.failed += event.count
        if event.kind not in COUNTLESS:
            self.ready, self.total = event.ready, event.total


class Tracker:
    """All fleets of a plan, the last events, and the time that went by on the executor's clock."""

    def __init__(self, plan: Plan) -> None:
        self.forecast_s = plan.forecast.duration_s
        self.fleets = {name: _start(fleet) for name, fleet in plan.fleets.items() if fleet.changes}
        self.recent: deque[Event] = deque(maxlen=RECENT)
        self.lock = threading.Lock()
        self._first: float | None = None
        self._last = 0.0

    def note(self, event: Event) -> None:
        """Count one event."""
        with self.lock:
            self._first = event.at if self._first is None else self._first
            self._last = event.at
            self.recent.append(event)
            if event.fleet in self.fleets:
                self.fleets[event.fleet].note(event)

    def since(self, event: Event) -> float:
        """Return the seconds from the first event to this one."""
        return event.at - (event.at if self._first is None else self._first)

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first event to the last."""
        return self._last - (self._last if self._first is None else self._first)


def _start(fleet: FleetPlan) -> FleetProgress:
    before = fleet.keep + fleet.replace + fleet.destroy
    return FleetProgress(
        size=fleet.size,
        to_launch=fleet.create + fleet.replace,
        to_end=fleet.replace + fleet.destroy,
        ready=before,
        total=before,
    )
