"""`vmpattern doctor`: can the clouds be reached, and would an apply succeed, by its plan?"""

from typing import TYPE_CHECKING

import click

from vmpattern.cli.command import App, Command
from vmpattern.cli.failures import FAILED

if TYPE_CHECKING:
    from rich.text import Text

    from vmpattern.forecast.doctor import Check


@click.command("doctor", cls=Command)
def command(app: App) -> int:
    """Check that each cloud answers, that secrets lead somewhere, and that an apply would succeed by its plan.

    Reads only; runs no command. Exit status 1 if something is wrong, also wherever `plan` has it.
    """
    import attrs

    from vmpattern.report import units

    deployment = app.deployment()
    checks: list[Check] = []
    for check in app.engine.check_up(deployment, fleets=app.fleets):
        checks.append(check)
        if not app.json:
            app.console().print(_line(check), soft_wrap=True)
    wrong = sum(not check.ok for check in checks)
    app.document({"ok": not wrong, "checks": [attrs.asdict(check) for check in checks]})
    if not wrong:
        every = f"All {len(checks)} checks" if len(checks) > 1 else "The only check"
        app.tell(f"{every} passed.", style="green")
        return 0
    app.tell(f"{wrong} of {units.many(len(checks), 'check')} failed.", style="red")
    return FAILED


def _line(check: "Check") -> "Text":
    from rich.text import Text

    mark = ("✓", "green") if check.ok else ("✗", "bold red")
    place = check.cloud or "here"
    line = Text.assemble(
        mark, "  ", (f"{place}  ", "bold cyan"), f"{check.what}: ", (check.answer, "" if check.ok else "red")
    )
    return line if check.ok else line.append(f"\n     do: {check.todo}", "yellow")
