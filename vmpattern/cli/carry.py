"""Carrying out a plan: show it, ask, watch it, tell how it ended. Shared by apply, scale and destroy."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from vmpattern.cli.command import App
from vmpattern.cli.failures import FAILED, INTERRUPTED
from vmpattern.errors import Refused, StalePlan

if TYPE_CHECKING:
    from vmpattern.model import Deployment, Outcome, Plan

LEFT = "Left at once; what was in flight may still happen. The next apply goes on from there."

MOST_PLANS = 3
"""Number of plans that a command makes at most while instances go between a plan and its apply."""

WAY_OUT = ": make a new plan"
"""How the message of a stale plan ends."""


def forecast(
    app: App, deployment: "Deployment", *, fleets: tuple[str, ...] | None = None, refresh: bool = False
) -> "Plan":
    """Observe the clouds and forecast an apply, of the fleets of --fleet unless others are named."""
    console, chosen = app.console(err=True), app.fleets if fleets is None else fleets
    with console.status(f"Reading {', '.join(deployment.clouds)}") if console.is_terminal else nullcontext():
        observation = app.engine.observe(deployment)
        return app.engine.plan(deployment, observation, fleets=chosen, refresh=refresh)


def carry_out(
    app: App, plan: "Plan", *, ask: "Callable[[Plan], None] | None", again: "Callable[[], Plan] | None" = None
) -> int:
    """Show the plan, ask unless `ask` is None, carry it out, show how it ended; return the exit status.

    Args:
        again: makes the plan again, for one that this command made itself: where instances went in the meantime, as
            one that failed does, the new plan is shown, asked about and carried out instead.

    Raises:
        Refused: the answer was no, the plan no longer fits, or another apply holds a fleet.
    """
    for _ in range(MOST_PLANS - 1) if again is not None else ():
        try:
            return _carry_out(app, plan, ask)
        except StalePlan as stale:
            if again is None or not stale.only_went:
                raise
            app.interruption.acts = False
            app.interruption.check()
            app.tell(f"{str(stale).removesuffix(WAY_OUT)}: this is a new plan.", style="yellow")
        plan = again()
    return _carry_out(app, plan, ask)


def _carry_out(app: App, plan: "Plan", ask: "Callable[[Plan], None] | None") -> int:
    from vmpattern.report.outcome import render_outcome
    from vmpattern.report.plan import render_plan

    app.show(render_plan(plan, full=app.verbose))
    if plan.changes and not plan.acts:
        raise Refused(
            "\n".join([f"Nothing was changed; the apply would have ended {plan.forecast.ends}.", *plan.notes])
        )
    app.interruption.check()
    if plan.changes and ask is not None:
        ask(plan)
    outcome, interrupted = _apply(app, plan)
    app.show(render_outcome(outcome, command=app.command))
    if app.json:
        from vmpattern.serialization import outcome_to_json

        app.document(outcome_to_json(outcome))
    return exit_status(outcome, interrupted=interrupted)


def exit_status(outcome: "Outcome", *, interrupted: int = INTERRUPTED) -> int:
    """Return 0 for success, `interrupted` for an interruption, else 1."""
    from vmpattern.model import Result

    if outcome.result is Result.INTERRUPTED:
        return interrupted
    return 0 if outcome.ok else FAILED


def _apply(app: App, plan: "Plan") -> "tuple[Outcome, int]":
    """Return the outcome, and the exit status of an interruption."""
    from vmpattern.access import StopSwitch
    from vmpattern.cli.interrupt import interruptible, write
    from vmpattern.cli.progress import STOPPING, watching

    console, stop = app.console(err=True), StopSwitch()

    def first() -> None:
        stop.ask()
        # A live view tells it itself. Elsewhere: no console, whose lock another thread may hold.
        if not console.is_terminal:
            write(2, f"{STOPPING.strip()}\n")

    def second() -> None:
        write(2, f"\n{LEFT}\n")
        if app.json:
            write(1, json.dumps({"error": {"code": "Interrupted", "message": LEFT, "problems": []}}))

    with (
        interruptible(app.interruption, on_first=first, on_second=second) as interruption,
        watching(console, plan, stop=stop, verbose=app.verbose) as on_event,
    ):
        try:
            return app.engine.apply(plan, on_event=on_event, stop=stop), interruption.status
        except StalePlan:
            app.interruption.signal = interruption.signal
            raise
