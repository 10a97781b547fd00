"""How an apply ended, for people: what was done, what went wrong, and what to do next."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from vmpattern.cli import words
from vmpattern.model import Event, EventKind, Failure, Outcome, Result

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


def _parts(outcome: Outcome, command: str) -> Iterator[Text]:
    words_, style = _HEADLINES[outcome.result]
    calls = words.many(outcome.api_calls, "API call")
    yield Text.assemble((words_, style), f" in {words.duration(outcome.duration_s)}, {calls}")
    for name, fleet in outcome.fleets.items():
        enough = "green" if fleet.ready >= fleet.size else "yellow"
        done = f" · {fleet.created:,} created, {fleet.destroyed:,} destroyed"
        ready = (f"{fleet.ready:,} of {fleet.size:,} ready", enough)
        yield Text.assemble("  ", (name, "bold cyan"), "  ", ready, done)
    for event in _unplanned(outcome.events):
        yield _item("unplanned", f"ended {', '.join(event.instances)} of {event.fleet}: {event.message}", "yellow")
    for error, count in _grouped(outcome.errors):
        times = f" (×{count})" if count > 1 else ""
        yield _item("error", f"{error.code} ({error.scope}): {error.message}{times}", "red")
    for left in outcome.remaining:
        yield _item("remains", left, "yellow")
    if outcome.result in _NEXT:
        yield _item("next", f"{_NEXT[outcome.result]}. `{command} status` shows it, `{command} plan` what is left", "")


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
        yield Failure(code="more", scope="", message=f"{rest} other errors: --json lists them all"), 1


def _item(label: str, text: str, style: str) -> Text:
    return Text.assemble("  ", (f"{label:<9}", "dim"), "  ", (text, style))
