"""`vmpattern drivers`: the capability table. `vmpattern drivers check`: is the contract kept?"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import click

from vmpattern.cli.command import App, Branch, Command
from vmpattern.cli.failures import FAILED, WrongUsage

if TYPE_CHECKING:
    from vmpattern.cli.capability import Ability
    from vmpattern.model import Options
    from vmpattern.testing import Report


@click.group("drivers", cls=Branch, invoke_without_command=True)
def command(app: App) -> int:
    """Show the installed drivers and what each can do.

    What depends on a driver's settings is told for the file's clouds, if there is a file.
    """
    from vmpattern.cli.capability import abilities, render_abilities

    found = list(abilities(app.engine, app.deployment() if app.file.exists() else None))
    if app.json:
        from vmpattern.serialization import to_json

        app.document({"drivers": {able.driver: _document(able, to_json(able.capabilities)) for able in found}})
    else:
        console = app.console()
        console.print(render_abilities(found, width=console.width if console.is_terminal else None), soft_wrap=True)
    return 0


def _document(able: "Ability", capabilities: object) -> dict[str, object]:
    return {"capabilities": capabilities, **({"error": able.error} if able.error else {})}


@command.command("check", cls=Command)
@click.argument("driver", metavar="NAME")
@click.option(
    "--options", multiple=True, metavar="KEY=VALUE", help="A setting of the cloud, as under [clouds.NAME] of a file."
)
@click.option("--zone", help="Where to launch.")
@click.option("--machine-type", metavar="TYPE", help="What to launch: the smallest will do.")
@click.option("--image", metavar="ID", help="What to launch it from.")
@click.option("--most", type=click.IntRange(min=1), help="How many instances may run at a time.")
@click.option("--clause", "clauses", multiple=True, metavar="ID", help="Only this clause, or all of a part, as launch.")
@click.option("-y", "--yes", is_flag=True, help="Go ahead without asking.")
def check(app: App, driver: str, options: tuple[str, ...], clauses: tuple[str, ...], yes: bool, **given: object) -> int:
    """Check a driver against the contract, clause by clause.

    This launches real instances, in deployments of its own, and ends them. Exit status 1 if a MUST is broken or
    something was left behind.
    """
    from vmpattern.cli.checking import checking, chosen, render_summary, report_to_json
    from vmpattern.report import units
    from vmpattern.testing import kit_for, run

    told = {name: value for name, value in given.items() if value is not None}
    kit = kit_for(driver, settings=_settings(options), given=told, factory=app.engine.driver)
    some = chosen(clauses)
    if kit.may_cost and not yes:
        app.confirm(
            f"This launches up to {units.many(kit.most, 'instance')} at a time in {kit.zone}, which may cost money."
        )
    with checking(app, len(some)) as on_result:
        report, interrupted = _run(app, lambda: run(kit, clauses=some, on_result=on_result, driver=driver))
    if report is None:
        return interrupted
    app.document(report_to_json(report))
    app.show(render_summary(report))
    return 0 if report.ok else FAILED


def _run(app: App, work: "Callable[[], Report]") -> "tuple[Report | None, int]":
    """Return the report, or None and the exit status after Ctrl-C, SIGTERM or SIGHUP.

    A second one leaves what the first would have ended.
    """
    from vmpattern.cli.interrupt import raising

    with raising() as interruption:
        return _report(app, work), interruption.status


def _report(app: App, work: "Callable[[], Report]") -> "Report | None":
    try:
        return work()
    except KeyboardInterrupt as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            app.tell("Left at once: instances of deployments named kit-... may be left.", style="bold yellow")
        else:
            app.tell("Interrupted; what the check had launched was ended.", style="yellow")
        return None


def _settings(options: tuple[str, ...]) -> "Options":
    """Read KEY=VALUE, where the value is TOML, or a text if it isn't."""
    import tomllib

    from immutabledict import immutabledict

    settings: dict[str, object] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise WrongUsage(f"--options takes KEY=VALUE, found {option}")
        try:
            settings[key] = tomllib.loads(f"it = {value}")["it"]
        except RecursionError:
            raise WrongUsage(f"--options {key}: the value is nested too deeply") from None
        except ValueError:
            settings[key] = value
    return cast("Options", immutabledict(settings))
