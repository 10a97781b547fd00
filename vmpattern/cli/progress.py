"""Live progress of an apply on standard error: bars on a terminal, a line for each event elsewhere."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vmpattern.model import Event, EventKind, Plan
from vmpattern.report import units
from vmpattern.report.tracker import FleetProgress, Tracker, is_news

BAR = 18
ALARMING = {
    EventKind.BAKE_FAILED,
    EventKind.UNREADABLE,
    EventKind.LAUNCH_FAILED,
    EventKind.LAUNCH_UNKNOWN,
    EventKind.UNHEALTHY,
    EventKind.FAILED,
    EventKind.BLOCKED,
    EventKind.CALL_FAILED,
    EventKind.STOPPING,
    EventKind.PAUSED,
}


@contextmanager
def watching(
    console: Console, plan: Plan, *, stop: Callable[[], bool], verbose: bool
) -> Generator[Callable[[Event], None], None, None]:
    """Show how an apply goes while the context is open; the value takes its events.

    Args:
        stop: tells whether the apply was asked to end early.
    """
    tracker = Tracker(plan, began_at=time.time())
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda event: _tell(console, tracker, event, verbose)
        return
    from rich.live import Live

    started = time.monotonic()

    def view() -> RenderableType:
        return render_progress(tracker, waited_s=time.monotonic() - started, stopping=stop())

    with Live(get_renderable=view, console=console, refresh_per_second=8, transient=True):
        yield tracker.note


def _tell(console: Console, tracker: Tracker, event: Event, verbose: bool) -> None:
    tracker.note(event)
    if verbose or is_news(event):
        console.print(event_line(tracker, event), soft_wrap=True)


def event_line(tracker: Tracker, event: Event) -> Text:
    """Return an event as a line, with the time since the first one."""
    style = "red" if event.kind in ALARMING else "yellow" if not event.planned else ""
    return Text.assemble((f"{units.stopwatch(tracker.since(event)):>7}", "dim"), "  ", (str(event), style))


def render_progress(tracker: Tracker, *, waited_s: float, stopping: bool) -> RenderableType:
    """Render the bars, the time against the forecast, and the last events.

    `waited_s` is the time on this machine; a simulated cloud's own time may have come further.
    """
    with tracker.lock:
        bars = Table.grid(padding=(0, 2, 0, 0))
        for name, fleet in tracker.fleets.items():
            bars.add_row(Text(f"  {name}", "bold cyan"), *_cells(fleet))
        elapsed = max(tracker.elapsed_s, waited_s)
        events = [event_line(tracker, event) for event in tracker.recent]
    for event in events:
        event.no_wrap, event.overflow = True, "ellipsis"
    forecast = units.stopwatch(tracker.forecast_s)
    clock = Text(f"  {units.stopwatch(elapsed)} of about {forecast}", "" if elapsed <= tracker.forecast_s else "yellow")
    warning = [Text(STOPPING, "bold yellow")] if stopping else []
    return Group(bars, clock, *events, *warning)


STOPPING = "  Stopping: what is in flight is let end. Ctrl-C again leaves at once."


def _cells(fleet: FleetProgress) -> Generator[RenderableType, None, None]:
    yield ProgressBar(total=1.0, completed=fleet.share_done, width=BAR)
    yield Text(f"{fleet.ready:,} of {fleet.size:,} ready", "green" if fleet.ready >= fleet.size else "")
    told: list[str] = []
    if fleet.to_launch:
        told.append(f"{fleet.arrived:,}/{fleet.to_launch:,} new")
    if fleet.to_end:
        told.append(f"{len(fleet.ended):,}/{fleet.to_end:,} ended")
    if fleet.starting:
        told.append(f"{fleet.starting:,} starting")
    yield Text(" · ".join(told))
    yield Text(f"{fleet.failed:,} failed" if fleet.failed else "", "red")
