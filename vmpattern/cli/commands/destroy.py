"""`vmpattern destroy`: every size 0."""

from functools import partial
from typing import TYPE_CHECKING

import click

from vmpattern.cli.carry import carry_out, forecast
from vmpattern.cli.command import Acting, App

if TYPE_CHECKING:
    from vmpattern.model import Plan


@click.command("destroy", cls=Acting)
@click.option("-y", "--yes", is_flag=True, help="Go ahead without asking.")
def command(app: App, yes: bool) -> int:
    """End every instance of the deployment, or of the fleets that --fleet names. The file and the images stay.

    Builders that a bake left are ended, too, unless --fleet names fleets.
    """
    from vmpattern.report import units

    deployment = app.deployment()
    make = partial(forecast, app, deployment.resized(dict.fromkeys(deployment.fleets, 0)))

    def ask(plan: "Plan") -> None:
        number = sum(fleet.destroy for fleet in plan.fleets.values())
        question = f"This ends {units.many(number, 'instance')} of {', '.join(plan.fleets)}."
        app.confirm(question, answer=deployment.name)

    status = carry_out(app, make(), ask=None if yes else ask, again=make)
    if status == 0 and not app.fleets and (builders := app.engine.end_builders(deployment)):
        app.tell(f"Ended what a bake had left: {', '.join(builders)}.")
    return status
