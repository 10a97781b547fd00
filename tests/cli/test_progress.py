"""Progress counts what happened, and shows it on a terminal and elsewhere."""

import io

import cli_values as values
from rich.console import Console

from vmpattern.cli.progress import render_progress, watching
from vmpattern.model import EventKind
from vmpattern.report.tables import Column, table
from vmpattern.report.tracker import Tracker

STORY = (
    values.event(EventKind.LAUNCHING, 0, count=2),
    values.event(EventKind.LAUNCHED, 1, "i-new0", "i-new1", count=2),
    values.event(EventKind.READY, 61, "i-new0", count=1),
    values.event(EventKind.TERMINATING, 62, "i-old0", count=1),
    values.event(EventKind.TERMINATED, 63, "i-old0", count=1),
)


def tracked() -> Tracker:
    tracker = Tracker(values.rolling(), began_at=0.0)
    for event in STORY:
        tracker.note(event)
    return tracker


def test_instances_are_counted_once_each() -> None:
    fleet = tracked().fleets["shop"]

    assert (1, 1, 1) == (fleet.arrived, fleet.starting, len(fleet.ended))
    assert (6, 7) == (fleet.ready, fleet.total)
    assert fleet.share_done == 2 / 12


def test_a_retry_says_nothing_about_counts() -> None:
    tracker = tracked()
    tracker.note(values.event(EventKind.RETRYING, 64, ready=0, total=0))

    assert tracker.fleets["shop"].ready == 6


def test_the_live_view_fits_eighty_columns(golden) -> None:
    console = Console(file=io.StringIO(), width=80, highlight=False, force_terminal=False)
    console.print(render_progress(tracked(), waited_s=3, stopping=True))

    golden("progress.txt", console.file.getvalue())


def test_without_a_terminal_each_event_is_a_line() -> None:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    with watching(console, values.rolling(), stop=bool, verbose=False) as on_event:
        for event in STORY:
            on_event(event)

    assert ["launched", "ready", "terminated"] == [line.split()[2] for line in console.file.getvalue().splitlines()]


def test_columns_that_do_not_fit_are_left_out_by_order() -> None:
    columns = [Column("a", 0, (("x" * 10, ""),)), Column("b", 2, (("y" * 10, ""),)), Column("c", 1, (("z" * 5, ""),))]

    assert ["  a           c", "  xxxxxxxxxx  zzzzz"] == [line.plain for line in table(columns, width=24)]
    assert next(table(columns, width=None)).plain == "  a           b           c"
