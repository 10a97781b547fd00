"""`vmpattern drivers`: the capability table."""

from typing import TYPE_CHECKING

import click

from vmpattern.cli.command import App, Command
from vmpattern.cli.failures import WrongUsage

if TYPE_CHECKING:
    from vmpattern.cli.capability import Ability


@click.command("drivers", cls=Command)
@click.argument("rest", metavar="", nargs=-1)
def command(app: App, rest: tuple[str, ...]) -> int:
    """Show the installed drivers and what each can do.

    What depends on a driver's settings is told for the file's clouds, if there is a file.
    """
    from vmpattern.cli.capability import abilities, render_abilities

    if rest:
        what = "drivers check comes with a later version of vmpattern." if rest[0] == "check" else f"what is {rest[0]}?"
        raise WrongUsage(what)
    found = list(abilities(app.engine, app.deployment() if app.file.is_file() else None))
    if app.json:
        from vmpattern.forms import to_json

        app.document({"drivers": {able.driver: _document(able, to_json(able.capabilities)) for able in found}})
    else:
        console = app.console()
        console.print(render_abilities(found, width=console.width if console.is_terminal else None), soft_wrap=True)
    return 0


def _document(able: "Ability", capabilities: object) -> dict[str, object]:
    return {"capabilities": capabilities, **({"error": able.error} if able.error else {})}
