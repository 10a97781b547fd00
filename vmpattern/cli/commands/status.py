"""`vmpattern status`: every instance."""

import time
from typing import TYPE_CHECKING

import click

from vmpattern.cli.command import App, Command
from vmpattern.cli.failures import FAILED, WrongUsage

if TYPE_CHECKING:
    from vmpattern.model import Deployment, Observation
    from vmpattern.planner.survey import FleetSurvey

INTERVAL_S = 5.0


@click.command("status", cls=Command)
@click.option("--watch", is_flag=True, help="Show it anew every few seconds, until Ctrl-C.")
def command(app: App, watch: bool) -> int:
    """Show every instance: phase, health, revision, place, type, address, age and price.

    Where the terminal is narrow, the least important columns are left out; --json has them all. Exit status: 0 if
    everything is as the file asks for, else 1.
    """
    from vmpattern.planner import overlaps
    from vmpattern.report.status import render_status, status_to_json

    if watch:
        if app.json:
            raise WrongUsage("--watch goes on and --json is one document: leave one of them away")
        return _watch(app)
    surveys, observation = _survey(app, app.deployment())
    if app.json:
        app.document(status_to_json(surveys, observation))
    else:
        console = app.console()
        width = console.width if console.is_terminal else None
        console.print(render_status(surveys, observation, width=width), soft_wrap=width is None)
    sound = all(cloud.error is None for cloud in observation.clouds.values()) and not overlaps(observation)
    return 0 if sound and all(survey.reached for survey in surveys.values()) else FAILED


def _survey(app: App, deployment: "Deployment") -> "tuple[dict[str, FleetSurvey], Observation]":
    observation = app.engine.observe(deployment, check=False)
    surveys = app.engine.survey(deployment, observation)
    return {name: surveys[name] for name in surveys if not app.fleets or name in app.fleets}, observation


def _watch(app: App) -> int:
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.text import Text

    from vmpattern.report import units
    from vmpattern.report.status import render_status

    deployment = app.deployment()
    console = app.console()

    def view() -> RenderableType:
        surveys, observation = _survey(app, deployment)
        title = Text(f"{deployment.name} at {units.moment(observation.at)}, every {INTERVAL_S:g} s; Ctrl-C ends", "dim")
        return Group(title, Text(), render_status(surveys, observation, width=console.width))

    try:
        with Live(view(), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(INTERVAL_S)
                live.update(view(), refresh=True)
    except KeyboardInterrupt:
        return 0
