"""`vmpattern apply`: carry out a plan."""

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

    With PLAN.json, which `vmpattern plan -o` wrote, just that plan is carried out; it is refused if what runs has moved
    since. Ctrl-C launches no more and lets what is in flight end; a second one leaves at once.
    """
    if plan_file is None:
        plan = forecast(app, app.deployment(), refresh=refresh)
    else:
        from vmpattern.cli.planfile import read_plan

        if refresh or app.fleets:
            raise WrongUsage(f"{plan_file} is a finished plan: --refresh and --fleet go with `vmpattern plan`")
        plan = read_plan(plan_file)
    return carry_out(app, plan, ask=None if yes else lambda: app.confirm("Carry out this plan?"))
