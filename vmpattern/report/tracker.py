"""How far an apply has come, counted from its events. One object, fed and read from several threads."""

import threading
from collections import deque

import attrs

from vmpattern.model import Event, EventKind, FleetPlan, InstanceId, Plan

RECENT = 5
SAME_CLOCK_S = 3600.0
"""An event that comes this near to the beginning was timed by this machine's clock, not by a simulated cloud's."""
COUNTLESS = {EventKind.READ, EventKind.UNREADABLE, EventKind.RETRYING, EventKind.STOPPING}
"""Kinds of events that don't tell their fleet's counts."""


QUIET = {
    EventKind.READ,
    EventKind.LAUNCHING,
    EventKind.REGISTERED,
    EventKind.DEREGISTERED,
    EventKind.TERMINATING,
    EventKind.GONE,
    EventKind.DONE,
}


def is_news(event: Event) -> bool:
    """Whether people want to read it without having asked for everything."""
    return event.kind not in QUIET or not event.planned


@attrs.define
class FleetProgress:
    """One fleet: what is to be done in all, and what is done; `seen_ready` holds instances of before, too."""

    size: int
    to_launch: int
    to_end: int
    ready: int
    total: int
    failed: int = 0
    launched: set[InstanceId] = attrs.field(factory=set[InstanceId])
    seen_ready: set[InstanceId] = attrs.field(factory=set[InstanceId])
    ended: set[InstanceId] = attrs.field(factory=set[InstanceId])

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
    """All fleets of a plan, the last events, and the time that went by on the reconciler's clock.

    `began_at` is when the apply began, in epoch seconds of this machine. A simulated cloud has a clock of its own,
    which stood still since the plan was made.
    """

    def __init__(self, plan: Plan, *, began_at: float) -> None:
        self._began_at, self._planned_at = began_at, plan.at
        self.forecast_s = plan.forecast.duration_s
        self.fleets = {name: _start(fleet) for name, fleet in plan.fleets.items() if fleet.changes}
        self.recent: deque[Event] = deque(maxlen=RECENT)
        self.lock = threading.Lock()
        self._start: float | None = None
        self._last = 0.0

    def note(self, event: Event) -> None:
        """Count one event."""
        with self.lock:
            if self._start is None:
                self._start = self._began_at if abs(event.at - self._began_at) < SAME_CLOCK_S else self._planned_at
            self._last = event.at
            if is_news(event):
                self.recent.append(event)
            if event.fleet in self.fleets:
                self.fleets[event.fleet].note(event)

    def since(self, event: Event) -> float:
        """Return the seconds from the beginning to this event."""
        return 0.0 if self._start is None else max(0.0, event.at - self._start)

    @property
    def elapsed_s(self) -> float:
        """Seconds from the beginning to the last event."""
        return 0.0 if self._start is None else max(0.0, self._last - self._start)


def _start(fleet: FleetPlan) -> FleetProgress:
    before = fleet.keep + fleet.replace + fleet.destroy
    return FleetProgress(
        size=fleet.size,
        to_launch=fleet.create + fleet.replace,
        to_end=fleet.replace + fleet.destroy,
        ready=fleet.ready,
        total=before,
    )
