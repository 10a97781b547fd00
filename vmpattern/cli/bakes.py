"""How bakes are shown: while they go on, how they ended, and as a document."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from vmpattern.access import StopSwitch
from vmpattern.cli.command import App
from vmpattern.cli.interrupt import Interruption, interruptible, write
from vmpattern.cli.progress import ALARMING
from vmpattern.model import BakeOutcome, BakeResult, BakeState, Deployment, Event
from vmpattern.report import units

MARKS = {
    BakeState.PRESENT: ("✓", "green", "is there already"),
    BakeState.BAKED: ("✓", "bold green", "baked"),
    BakeState.FAILED: ("✗", "bold red", "failed"),
    BakeState.INTERRUPTED: ("✗", "bold yellow", "interrupted"),
}
STOPPING = "Stopping: what was launched for it is ended first. Ctrl-C again leaves at once.\n"
LEFT = "\nLeft at once; builders may be left. The next `vmpattern bake` goes on with them, or ends them.\n"


@contextmanager
def watching_bakes(app: App) -> Generator[tuple[Callable[[Event], None], StopSwitch, Interruption], None, None]:
    """Show what happens on standard error while the context is open.

    The value is what takes the events, what a signal asks to stop, and which signal that was.
    """
    console, stop = app.console(err=True), StopSwitch()
    began: list[float] = []

    def note(event: Event) -> None:
        began.append(event.at)
        style = "red" if event.kind in ALARMING else ""
        since = units.stopwatch(max(0.0, event.at - began[0]))
        console.print(Text.assemble((f"{since:>7}", "dim"), "  ", (str(event), style)), soft_wrap=True)

    def first() -> None:
        stop.ask()
        write(2, STOPPING)

    with (
        interruptible(app.interruption, on_first=first, on_second=lambda: write(2, LEFT)) as interruption,
        console.status("Baking") if console.is_terminal else nullcontext(),
    ):
        yield note, stop, interruption


def render_bakes(outcome: BakeOutcome, deployment: Deployment, *, command: str) -> RenderableType:
    """Render a line for each image, with what went wrong; `command` begins the command lines that are proposed."""
    return Group(*_lines(outcome, deployment, command))


def _lines(outcome: BakeOutcome, deployment: Deployment, command: str) -> Iterator[RenderableType]:
    if not outcome.results:
        cause = "No service has a recipe" if deployment.clouds else "The file has no cloud"
        yield Text(f"{cause}: there is nothing to bake.")
    for result in outcome.results:
        yield from _result(result)
    if any(result.state is BakeState.FAILED for result in outcome.results):
        yield Text(f"Fix the errors above, then run:  {command} bake", "yellow")


def _result(result: BakeResult) -> Iterator[RenderableType]:
    mark, style, told = MARKS[result.state]
    took = f" in {units.duration(result.duration_s)}" if result.state is BakeState.BAKED else ""
    line = Text.assemble((mark, style), "  ", (result.service, "bold cyan"), f" in {result.cloud}: ")
    line.append(f"{result.image} {told}{took}" if result.image else told, style if result.image is None else "")
    yield line.append(f"  {result.digest}", "dim")
    if result.message:
        yield Padding(Text(f"{result.code}: {result.message}", "red"), (0, 0, 0, 3), expand=False)
    if result.console:
        yield Padding(Text("the end of its console:", "dim"), (0, 0, 0, 3), expand=False)
        yield Padding(Text(result.console), (0, 0, 0, 5), expand=False)


def bakes_to_json(outcome: BakeOutcome) -> dict[str, object]:
    """Return the document of `bake --json`."""
    return {
        "images": [
            {
                "service": result.service,
                "cloud": result.cloud,
                "digest": result.digest,
                "state": result.state.value,
                "image": result.image,
                "duration_s": result.duration_s,
                "code": result.code,
                "message": result.message,
                "console": result.console,
                "builder": result.builder,
            }
            for result in outcome.results
        ],
        "duration_s": outcome.duration_s,
        "api_calls": outcome.api_calls,
    }
