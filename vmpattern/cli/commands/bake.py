"""`vmpattern bake`: the images of services."""

from typing import TYPE_CHECKING

import click

from vmpattern.cli.command import Acting, App
from vmpattern.cli.failures import FAILED, WrongUsage

if TYPE_CHECKING:
    from vmpattern.model import BakeOutcome


@click.command("bake", cls=Acting)
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--refresh", is_flag=True, help="Bake again what was made from a base that has moved since.")
@click.option("--smoke", is_flag=True, help="Boot an instance of each image, and see whether it serves.")
@click.option("--keep-builder", is_flag=True, help="Leave a builder that failed, for inspection.")
def command(app: App, services: tuple[str, ...], refresh: bool, smoke: bool, keep_builder: bool) -> int:
    """Make the images of SERVICE, or of all services that have a recipe, in every cloud where their fleets may run.

    What is there already isn't made again. An apply bakes what it needs by itself. Ctrl-C, SIGTERM or SIGHUP ends the
    builders and deletes what isn't verified yet; a second one leaves at once.
    """
    from vmpattern.cli.bakes import bakes_to_json, render_bakes, watching_bakes

    deployment = app.deployment()
    if services and app.fleets:
        raise WrongUsage("bake takes services or the fleets that run them: leave one of them away")
    chosen = services or tuple(dict.fromkeys(deployment.fleets[name].service for name in app.fleets))
    with watching_bakes(app) as (on_event, stop, interruption):
        outcome = app.engine.bake(
            deployment,
            chosen,
            refresh=refresh,
            smoke=smoke,
            keep_builder=keep_builder,
            on_event=on_event,
            stop=stop,
        )
    app.document(bakes_to_json(outcome))
    if not app.json:
        app.show(render_bakes(outcome, deployment, command=app.command))
    return _status(outcome, interruption.status)


def _status(outcome: "BakeOutcome", interrupted: int) -> int:
    from vmpattern.model import BakeState

    if any(result.state is BakeState.INTERRUPTED for result in outcome.results):
        return interrupted
    return 0 if outcome.ok else FAILED
