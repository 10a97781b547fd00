"""`vmpattern apply`: carry out a plan."""

from functools import partial
from pathlib import Path

import click

from vmpattern.cli.carry import carry_out, forecast
from vmpattern.cli.command import Acting, App
from vmpattern.cli.failures import WrongUsage


@click.command("apply", cls=Acting)
@click.argument("plan_file", metavar="[PLAN.json]", required=False, type=click.Path(path_type=Path))
@click.option("-y", "--yes", is_flag=True, help="Go ahead without asking.")
@click.option("--refresh", is_flag=True, help="Resolve anew what was resolved before: newest images, cheapest types.")
def command(app: App, plan_file: Path | None, yes: bool, refresh: bool) -> int:
    """Show the plan, ask, and carry it out with live progress.

    With PLAN.json, which `vmpattern plan -o` wrote, just that plan is carried out; it is refused if instances came or
    went since. Ctrl-C launches no more and lets what is in flight end; a second one leaves at once.
    """
    ask = None if yes else lambda plan: app.confirm("Carry out this plan?")
    if plan_file is None:
        make = partial(forecast, app, app.deployment(), refresh=refresh)
        return carry_out(app, make(), ask=ask, again=make)
    from vmpattern.cli.planfile import read_plan

    if refresh or app.fleets:
        raise WrongUsage(f"{plan_file} is a finished plan: --refresh and --fleet go with `vmpattern plan`")
    return carry_out(app, read_plan(plan_file), ask=ask)
