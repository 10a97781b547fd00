"""How a check of a driver is shown: a line for each clause, a bar while it goes on, a summary, a document."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from vmpattern.cli.command import App
from vmpattern.cli.failures import WrongUsage
from vmpattern.driver import VERSION
from vmpattern.driver.options import nearest
from vmpattern.report import units
from vmpattern.testing import CLAUSES, Clause, Level, Report, Result, Status

MARKS = {Status.PASSED: ("✓", "green"), Status.SKIPPED: ("·", "dim"), Status.FAILED: ("✗", "bold red")}
ID_WIDTH = max(len(clause.id) for clause in CLAUSES)


def chosen(words: Sequence[str]) -> tuple[Clause, ...]:
    """Return the clauses that are named by id or by part, in the order of the page; all where none is.

    Raises:
        WrongUsage: no clause has such a name.
    """
    parts = {clause.id.rpartition("-")[0] for clause in CLAUSES}
    known = {*parts, *(clause.id for clause in CLAUSES)}
    for word in words:
        if word not in known:
            near = nearest(word, parts if "-" not in word else known)
            raise WrongUsage(f"there is no clause {word}; {near} One alone is named by its id, as launch-1")
    wanted = set(words) or known
    return tuple(clause for clause in CLAUSES if {clause.id, clause.id.rpartition("-")[0]} & wanted)


@contextmanager
def checking(app: App, count: int) -> Generator[Callable[[Result], None], None, None]:
    """Show what came of each clause while the context is open; the value takes the results."""
    console = app.console()
    progress = Progress(
        TextColumn("  "), BarColumn(18), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    )
    task = progress.add_task("", total=count)

    def note(result: Result) -> None:
        console.print(render_result(result))
        progress.advance(task)

    with progress if console.is_terminal else nullcontext():
        yield note


def render_result(result: Result) -> RenderableType:
    """Render what came of a clause: its text, how it is broken, why it was skipped, what was left behind."""
    mark, style = MARKS[result.status]
    if result.status is Status.FAILED and result.clause.level is Level.SHOULD:
        mark, style = "!", "yellow"
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=2)
    row.add_column(width=ID_WIDTH)
    row.add_column(overflow="fold")
    told = Text(result.clause.text, "dim" if result.status is Status.SKIPPED else "")
    if result.reason:
        told.append(f"\n{_reason(result)}", style)
    for one in result.amiss:
        told.append(f"\n{one}", "bold red")
    row.add_row(Text(mark, style), Text(result.clause.id, "bold cyan"), told)
    return row


def _reason(result: Result) -> str:
    return f"skipped, because {result.reason}" if result.status is Status.SKIPPED else result.reason


def render_summary(report: Report) -> RenderableType:
    """Render how many clauses are kept, broken, and couldn't be checked."""
    passed, failed, skipped = (report.count(status) for status in (Status.PASSED, Status.FAILED, Status.SKIPPED))
    lapses = f", {report.lapses} SHOULD not kept" if report.lapses else ""
    counts = (
        f"{units.many(len(report.results), 'clause')} of contract {VERSION}: "
        f"{passed} passed, {failed - report.lapses} failed{lapses}, {skipped} skipped."
    )
    if report.missing:
        counts += f"\nMore is checked where the kit gives: {', '.join(report.missing)}."
    if report.ok and report.is_empty:
        return Text(f"\nNothing of {report.driver} was checked: every clause was skipped.\n{counts}", "yellow")
    if report.ok:
        verdict = "keeps what it was checked for" if skipped else "keeps the contract"
        verdict += ", though not every SHOULD" if report.lapses else ""
        return Text(f"\n{report.driver} {verdict}.\n{counts}", "green")
    broken = ", ".join(result.clause.id for result in report.results if not result.ok)
    verdicts = [f"{report.driver} breaks the contract: {broken}."] if broken else []
    verdicts += [f"{report.driver} declares {name}, and no clause of it could be checked." for name in report.untried]
    return Text("\n".join(["", *verdicts, counts]), "red")


def report_to_json(report: Report) -> dict[str, object]:
    """Return the document of `drivers check --json`."""
    return {
        "driver": report.driver,
        "contract": VERSION,
        "ok": report.ok,
        **{status.value: report.count(status) for status in Status},
        "untried": list(report.untried),
        "missing": list(report.missing),
        "clauses": [
            {
                "id": result.clause.id,
                "level": result.clause.level.value,
                "text": result.clause.text,
                "status": result.status.value,
                "reason": result.reason,
                "amiss": list(result.amiss),
            }
            for result in report.results
        ],
    }
