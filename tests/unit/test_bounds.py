"""Every run ends, whatever decides and whatever the file says."""

from itertools import count

import attrs
import pytest
from situations import deployment, fleet
from stage import Stage

from vmpattern.access import Session, VirtualRuntime
from vmpattern.errors import Refused
from vmpattern.model import UNENDING, EventKind, Fleet, LaunchKey, Outcome, Plan, Result
from vmpattern.operations import apply
from vmpattern.planner import Decision, FleetIndex, Launch, Terminate, decide
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.reconcile.fleet_run import LAUNCHES_PER_INSTANCE, MORE_LAUNCHES

NUMBERS = count()


def churn(one: Fleet, index: FleetIndex, now: float) -> Decision:
    """Launch one after the other, and terminate whatever is there: never done, and never at a loss."""
    ids = tuple(sorted(row.instance.id for row in index.rows.values() if not row.ending_sent))
    ends = (Terminate("demo", ids[:1]),) if ids else ()
    return Decision((Launch(0, 1, LaunchKey(f"k{next(NUMBERS):031x}")), *ends), wake_at=now + 1.0)


def session(stage: Stage) -> Session:
    return Session(stage.clouds, VirtualRuntime(stage.cloud.clock.now(), (stage.cloud,)))


def churned(size: int) -> tuple[Stage, Outcome]:
    stage = Stage()
    wanted = stage.deployment(fleet(size))
    slots = stage.plan(wanted).fleets["web"].slots
    orders = [FleetOrder(fleet=fleet(size), slots=slots, named=frozenset())]
    return stage, carry_out(wanted, orders, session(stage), decide=churn)


def test_what_comes_and_goes_without_an_end_is_stopped() -> None:
    _, outcome = churned(3)

    assert (Result.PAUSED, [UNENDING]) == (outcome.result, [failure.code for failure in outcome.errors])


def test_it_is_told_how_many_came_and_which_went_last() -> None:
    _, outcome = churned(3)
    told, gone = outcome.errors[0].message, [e for e in outcome.events if e.kind is EventKind.TERMINATED]

    assert "instances were launched for a fleet of 3" in told
    assert gone[-1].instances[0] in told


@pytest.mark.parametrize("size", [1, 4])
def test_launches_are_bounded_by_the_size(size: int) -> None:
    _, outcome = churned(size)
    most = LAUNCHES_PER_INSTANCE * size + MORE_LAUNCHES

    assert most < outcome.fleets["web"].created <= most + 10


def test_a_rollout_that_only_works_is_never_taken_for_one_that_does_not_converge() -> None:
    stage = Stage()
    stage.apply(stage.deployment(fleet(40)))
    outcome = stage.apply(stage.deployment(fleet(40), image="img-2"))

    assert (Result.COMPLETE, ()) == (outcome.result, outcome.errors)


def unending() -> Plan:
    stage = Stage()
    made = stage.plan(deployment(fleet(2)))
    return attrs.evolve(made, forecast=attrs.evolve(made.forecast, ends="unending"), notes=("a and b come and go",))


def test_no_apply_begins_what_does_not_converge() -> None:
    with pytest.raises(Refused, match="a and b come and go"):
        apply(unending())


def test_the_usual_decider_is_used_again_after_a_churning_one() -> None:
    stage, _ = churned(2)
    wanted = stage.deployment(fleet(2))
    slots = stage.plan(wanted).fleets["web"].slots
    orders = [FleetOrder(fleet=fleet(2), slots=slots, named=None)]

    assert Result.COMPLETE is carry_out(wanted, orders, session(stage), decide=decide).result
