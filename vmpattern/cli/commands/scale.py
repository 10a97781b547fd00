"""`vmpattern scale`: another size for one fleet."""

from functools import partial

import click

from vmpattern.cli.carry import carry_out, forecast
from vmpattern.cli.command import Acting, App, known_fleet
from vmpattern.cli.failures import WrongUsage
from vmpattern.model.fleet import MOST_INSTANCES


@click.command("scale", cls=Acting)
@click.argument("fleet_name", metavar="FLEET")
@click.argument("size", metavar="SIZE", type=click.IntRange(min=0, max=MOST_INSTANCES))
@click.option("-y", "--yes", is_flag=True, help="Go ahead without asking.")
def command(app: App, fleet_name: str, size: int, yes: bool) -> int:
    """Give FLEET another size: the same plan and apply. The file keeps its own size, so change it there, too."""
    if app.fleets not in ((), (fleet_name,)):
        raise WrongUsage(f"scale changes {fleet_name} only: leave --fleet away")
    deployment = app.deployment()
    known_fleet(deployment, fleet_name)
    written = deployment.fleets[fleet_name].size
    make = partial(forecast, app, deployment.resized({fleet_name: size}), fleets=(fleet_name,))
    ask = None if yes else lambda plan: app.confirm(f"Give {fleet_name} the size {size}?")
    status = carry_out(app, make(), ask=ask, again=make)
    if written != size:
        app.tell(f"{app.file} still says {written}: the next apply goes back to that.", style="yellow")
    return status
