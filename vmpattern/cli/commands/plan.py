"""`vmpattern plan`: what would change."""

from pathlib import Path

import click

from vmpattern.cli.carry import forecast
from vmpattern.cli.command import App, Command
from vmpattern.cli.failures import FAILED

CHANGES = 2


@click.command("plan", cls=Command)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan for `vmpattern apply`."
)
@click.option("--refresh", is_flag=True, help="Resolve anew what was resolved before: newest images, cheapest types.")
def command(app: App, output: Path | None, refresh: bool) -> int:
    """Show what would change and why, where, how long it takes, how low the ready count goes and what it costs.

    Reads the clouds and changes nothing. Exit status: 0 everything is as asked for, 2 an apply would make it so,
    1 it isn't as asked for, and an apply wouldn't get there.
    """
    from vmpattern.cli.planfile import check_target, write_plan
    from vmpattern.report.plan import render_plan

    if output is not None:
        check_target(output)
    plan = forecast(app, app.deployment(), refresh=refresh)
    if output is not None:
        write_plan(plan, output)
    if app.json:
        from vmpattern.serialization import plan_to_json

        app.document(plan_to_json(plan))
    else:
        app.show(render_plan(plan, full=app.verbose))
    if output is not None:
        then = f" Carry out just this:  vmpattern apply {output}" if plan.acts else " There is nothing to do."
        then = " No apply begins it." if not plan.forecast.converges else then
        app.tell(f"Saved as {output}.{then}")
    elif plan.acts:
        app.tell(f"Carry it out:  {app.command} apply")
    if not plan.succeeds:
        return FAILED
    return CHANGES if plan.changes else 0
