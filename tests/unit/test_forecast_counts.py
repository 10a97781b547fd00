"""How many instances are ready and how many exist, in a forecast: what its simulated apply counted."""

from situations import fleet
from stage import Stage

from vmpattern.model import Action, Count, Rollout


def test_what_fails_before_it_is_ready_is_never_counted_as_ready() -> None:
    stage = Stage()
    forecast = stage.plan(stage.deployment(fleet(2, rollout=Rollout(ready_deadline_s=20.0)))).forecast

    assert {0} == {count.ready for count in forecast.counts["web"]}
    assert (0, 1) == (forecast.counts["web"][-1].ready, forecast.counts["web"][-1].total)


def test_a_launch_that_fails_lasts_from_its_call_to_its_deadline() -> None:
    stage = Stage()
    steps = stage.plan(stage.deployment(fleet(1, rollout=Rollout(ready_deadline_s=20.0)))).steps
    (launch,) = (step for step in steps if step.action is Action.LAUNCH)

    assert (29.0, 21.0) == (launch.start_s, launch.duration_s)


def test_a_rollout_is_counted_from_what_was_observed_to_its_end() -> None:
    stage = Stage()
    stage.apply(stage.deployment(fleet(1)))
    counts = stage.plan(stage.deployment(fleet(1), image="img-2")).forecast.counts["web"]

    assert Count(at_s=0.0, ready=1, total=1) == counts[0]
    assert [(1, 1), (1, 2), (1, 1)] == [(count.ready, count.total) for count in counts]


def test_a_fleet_that_does_not_change_has_one_count() -> None:
    stage = Stage()
    wanted = stage.deployment(fleet(2))
    stage.apply(wanted)

    assert (Count(at_s=0.0, ready=2, total=2),) == stage.plan(wanted).forecast.counts["web"]
