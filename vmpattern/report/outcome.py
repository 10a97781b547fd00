"""How an apply ended, for people: what was done, what went wrong, and what to do next."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vmpattern.model import Event, EventKind, Failure, FleetOutcome, Outcome, Result
from vmpattern.report import units

_HEADLINES = {
    Result.COMPLETE: ("✓ Complete", "bold green"),
    Result.NOTHING: ("✓ Nothing to do", "bold green"),
    Result.FAILED: ("✗ Failed", "bold red"),
    Result.PAUSED: ("✗ Paused", "bold red"),
    Result.ROLLED_BACK: ("✗ Rolled back", "bold red"),
    Result.INTERRUPTED: ("✗ Interrupted", "bold yellow"),
}
_NEXT = {
    Result.FAILED: "mend what the errors name; the next apply goes on from here",
    Result.PAUSED: "look at what failed, mend it; the next apply goes on from here",
    Result.ROLLED_BACK: "the revision before is back; mend the new one, then apply again",
    Result.INTERRUPTED: "the next apply goes on from here",
}
_AT_MOST = 10


def render_outcome(outcome: Outcome, *, command: str = "vmpattern") -> RenderableType:
    """Render an outcome; `command` begins the command lines that are proposed."""
    return Group(*_parts(outcome, command))


def _parts(outcome: Outcome, command: str) -> Iterator[RenderableType]:
    headline, style = _HEADLINES[outcome.result]
    took = f" in {units.duration(outcome.duration_s)}, {units.many(outcome.api_calls, 'API call')}"
    yield Text.assemble((headline, style), "" if outcome.result is Result.NOTHING else took)
    for name, fleet in outcome.fleets.items():
        enough = "green" if fleet.ready >= fleet.size else "yellow"
        ready = (f"{fleet.ready:,} of {fleet.size:,} ready", enough)
        yield Text.assemble("  ", (name, "bold cyan"), "  ", ready, f" · {', '.join(_done(fleet))}")
    block = Table.grid(padding=(0, 2, 0, 0))
    block.add_column(style="dim", no_wrap=True)
    block.add_column(overflow="fold")
    for label, text, colour in _items(outcome, command):
        block.add_row(label, Text(text, colour))
    if block.row_count:
        yield Padding(block, (0, 0, 0, 2), expand=False)


def _done(fleet: FleetOutcome) -> Iterator[str]:
    yield f"{fleet.created:,} created"
    yield f"{fleet.destroyed:,} destroyed"
    for count, what in ((fleet.registered, "registered"), (fleet.deregistered, "deregistered")):
        if count:
            yield f"{count:,} {what}"


def _items(outcome: Outcome, command: str) -> Iterator[tuple[str, str, str]]:
    for event in _unplanned(outcome.events):
        yield "unplanned", f"ended {', '.join(event.instances)} of {event.fleet}: {event.message}", "yellow"
    for error, count in _grouped(outcome.errors):
        times = f" (×{count})" if count > 1 else ""
        yield "error", f"{error.code} ({error.scope}): {error.message}{times}", "red"
    for left in outcome.remaining:
        yield "remains", left, "yellow"
    if outcome.result in _NEXT:
        yield "next", _NEXT[outcome.result], ""
        yield "", f"{command} status, {command} plan", "bold"


def _unplanned(events: tuple[Event, ...]) -> list[Event]:
    return [event for event in events if not event.planned and event.kind is EventKind.TERMINATING]


def _grouped(errors: tuple[Failure, ...]) -> Iterator[tuple[Failure, int]]:
    """Yield each different error once, with how often it came."""
    counts: dict[Failure, int] = {}
    for error in errors:
        counts[error] = counts.get(error, 0) + 1
    yield from list(counts.items())[:_AT_MOST]
    if len(counts) > _AT_MOST:
        rest = len(counts) - _AT_MOST
        yield Failure(code="more", scope="", message=f"{units.many(rest, 'other error')}: --json lists them all"), 1
