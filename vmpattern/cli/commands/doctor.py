"""`vmpattern doctor`: can the clouds be reached, and have they what the file names?"""

from typing import TYPE_CHECKING

import click

from vmpattern.cli.command import App, Command
from vmpattern.cli.failures import FAILED

if TYPE_CHECKING:
    from rich.text import Text

    from vmpattern.cli.checkup import Check


@click.command("doctor", cls=Command)
def command(app: App) -> int:
    """Check that each cloud's driver loads and answers, and has the zones, machine types and balancers of the file.

    Reads only. Exit status 1 if something is wrong.
    """
    import attrs

    from vmpattern.cli.checkup import Check, check_up

    deployment = app.deployment()
    checks: list[Check] = []
    for check in check_up(deployment, app.engine.connect):
        checks.append(check)
        if not app.json:
            app.show(_line(check))
    wrong = sum(not check.ok for check in checks)
    app.document({"ok": not wrong, "checks": [attrs.asdict(check) for check in checks]})
    if not wrong:
        app.tell(f"All {len(checks)} checks passed.", style="green")
        return 0
    app.tell(f"{wrong} of {len(checks)} checks failed.", style="red")
    return FAILED


def _line(check: "Check") -> "Text":
    from rich.text import Text

    mark = ("✓", "green") if check.ok else ("✗", "bold red")
    place = check.cloud or "here"
    line = Text.assemble(
        mark, "  ", (f"{place}  ", "bold cyan"), f"{check.what}: ", (check.answer, "" if check.ok else "red")
    )
    return line if check.ok else line.append(f"\n     do: {check.todo}", "yellow")
