from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict
from situations import deployment, fleet, instance
from stage import Stage

from vmpattern.access import StopSwitch, VirtualRuntime
from vmpattern.access.leases import fleets_locked
from vmpattern.errors import Locked, Refused, SpecError, StalePlan, UnknownDriver
from vmpattern.forecast import plan
from vmpattern.model import Cloud, Deployment, Event, Observation, Phase, Plan, Result, Rollout, Secret, Share
from vmpattern.operations import apply, observe
from vmpattern.reconcile.staleness import check_fresh
from vmpattern.simulation import EPOCH

# -- is a plan still true?


@pytest.fixture(scope="module")
def made() -> tuple[Plan, Observation]:
    """A plan that replaces the instances of one fleet of two, and what it was made from."""
    stage = Stage("eu", "lab")
    fleets = (fleet(2, clouds=("eu", "lab")), fleet(1, name="api", clouds=("eu",)))
    stage.apply(stage.deployment(*fleets))
    changed = stage.deployment(*fleets, image="img-2")
    observation = stage.observe(changed)
    return plan(changed, observation), observation


def changed(observation: Observation, **clouds: Mapping[str, Any]) -> Observation:
    """Return the observation with other facts of some clouds."""
    return attrs.evolve(
        observation,
        clouds={name: attrs.evolve(cloud, **clouds.get(name, {})) for name, cloud in observation.clouds.items()},
    )


def test_a_plan_is_fresh_while_nothing_has_moved(made: tuple[Plan, Observation]) -> None:
    assert check_fresh(*made) is None  # type: ignore[func-returns-value]


def test_a_plan_is_stale_when_an_instance_came(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    rows = (*before.clouds["eu"].instances, instance("i-new", cloud="eu"))

    with pytest.raises(
        StalePlan, match="fleet web has moved since the plan was made \\(i-new came\\): make a new plan"
    ):
        check_fresh(forecast, changed(before, eu={"instances": rows}))


def test_a_plan_made_without_a_cloud_is_stale_once_that_can_be_read(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    blind = plan(forecast.deployment, changed(before, lab={"instances": (), "machine_types": (), "error": "down"}))

    with pytest.raises(StalePlan, match="couldn't be read, and now it can"):
        check_fresh(blind, before)


def test_a_plan_is_stale_when_an_instance_that_it_names_went(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    gone, *rest = before.clouds["eu"].instances

    with pytest.raises(StalePlan, match=f"{gone.id} went"):
        check_fresh(forecast, changed(before, eu={"instances": tuple(rest)}))


def without(observation: Observation, cloud: str, id: str) -> Observation:
    """Return the observation without one instance."""
    rows = tuple(row for row in observation.clouds[cloud].instances if row.id != id)
    return changed(observation, **{cloud: {"instances": rows}})


def test_a_plan_is_stale_when_an_instance_that_it_keeps_went() -> None:
    stage = Stage()
    stage.apply(stage.deployment(fleet(2)))
    larger = stage.deployment(fleet(3))
    before = stage.observe(larger)
    first = min(row.id for row in before.instances())
    made = plan(larger, before)

    assert () == made.fleets["web"].terminates
    with pytest.raises(StalePlan, match=f"{first} went"):
        check_fresh(made, without(before, "demo", first))


def stale(made: Plan, observation: Observation) -> StalePlan:
    with pytest.raises(StalePlan) as caught:
        check_fresh(made, observation)
    return caught.value


def test_a_stale_plan_says_whether_instances_only_went_in_any_of_its_fleets(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    gone = {name: min(row.id for row in before.instances() if row.fleet == name) for name in ("web", "api")}
    less = before
    for row in before.instances():
        if row.id in gone.values():
            less = without(less, row.cloud, row.id)
    rows = (*less.clouds["eu"].instances, instance("i-new", cloud="eu", fleet="api"))
    went, also_came = stale(forecast, less), stale(forecast, changed(less, eu={"instances": rows}))

    assert (True, False) == (went.only_went, also_came.only_went)
    assert all(f"{id} went" in str(went) for id in gone.values())
    assert f"(i-new came; {gone['api']} went)" in str(also_came)


def test_a_plan_is_stale_when_an_instance_that_it_names_is_ending(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    first, *rest = before.clouds["eu"].instances
    rows = (attrs.evolve(first, phase=Phase.TERMINATING), *rest)

    with pytest.raises(StalePlan, match=f"{first.id} went"):
        check_fresh(forecast, changed(before, eu={"instances": rows}))


def test_many_that_came_are_told_by_three_of_them(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    rows = (*before.clouds["eu"].instances, *(instance(f"i-z{number}", cloud="eu") for number in range(9)))

    with pytest.raises(StalePlan, match=r"i-z0, i-z1, i-z2 \.\.\. came"):
        check_fresh(forecast, changed(before, eu={"instances": rows}))


def test_an_instance_that_ended_meanwhile_did_not_come(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    rows = (*before.clouds["eu"].instances, instance("i-new", cloud="eu", phase=Phase.TERMINATED))

    check_fresh(forecast, changed(before, eu={"instances": rows}))


def test_instances_of_a_cloud_that_cannot_be_read_did_not_go(made: tuple[Plan, Observation]) -> None:
    forecast, before = made

    check_fresh(forecast, changed(before, lab={"instances": (), "error": "no answer"}))


def test_a_plan_is_refused_when_no_cloud_can_be_read(made: tuple[Plan, Observation]) -> None:
    forecast, before = made
    blind = changed(before, eu={"error": "no answer"}, lab={"error": "who are you?"})

    with pytest.raises(Refused, match=r"nothing was touched: eu: no answer; lab: who are you\?"):
        check_fresh(forecast, blind)


# -- the whole way, with a simulated cloud in a file


def world(folder: Path, size: int = 2, *, image: str = "img-1", **options: Any) -> Deployment:
    """Return a deployment whose cloud lives in a file in `folder`."""
    wanted = deployment(fleet(size), image=image)
    cloud = Cloud(
        name="demo",
        driver="memory",
        options=immutabledict({"path": "demo.json", "speed": 0.0, **options}),
        directory=str(folder),
    )
    return attrs.evolve(wanted, clouds={"demo": cloud})


def planned(wanted: Deployment) -> Plan:
    return plan(wanted, observe(wanted))


def test_a_deployment_is_carried_out(tmp_path: Path) -> None:
    outcome = apply(planned(world(tmp_path)), locks=tmp_path)

    assert (Result.COMPLETE, 2) == (outcome.result, outcome.fleets["web"].ready)


def test_what_was_carried_out_is_observed(tmp_path: Path) -> None:
    apply(planned(world(tmp_path)), locks=tmp_path)

    assert 2 == len(observe(world(tmp_path)).instances())


@pytest.mark.parametrize(
    "rollout",
    [
        pytest.param(Rollout(), id="as usual"),
        pytest.param(
            Rollout(max_surge=Share(1), max_unavailable=Share(2), max_in_flight=1), id="one call at a time, either way"
        ),
        pytest.param(Rollout(max_surge=Share(0), max_unavailable=Share(1)), id="no surge"),
    ],
)
def test_an_apply_takes_what_its_plan_said(tmp_path: Path, rollout: Rollout) -> None:
    before, after = (
        attrs.evolve(made, fleets={"web": fleet(2, rollout=rollout)})
        for made in (world(tmp_path), world(tmp_path, image="img-2"))
    )
    apply(planned(before), locks=tmp_path)
    made = planned(after)
    outcome = apply(made, locks=tmp_path)
    forecast, done = made.forecast, outcome.fleets["web"]

    assert (forecast.lowest_ready["web"], forecast.highest_total["web"]) == (done.lowest_ready, done.highest_total)
    assert (forecast.duration_s, forecast.api_calls) == (outcome.duration_s, outcome.api_calls)


def test_a_plan_without_changes_does_nothing(tmp_path: Path) -> None:
    apply(planned(world(tmp_path)), locks=tmp_path)
    outcome = apply(planned(world(tmp_path)), locks=tmp_path)

    assert (Result.NOTHING, (), 2) == (outcome.result, outcome.events, outcome.fleets["web"].ready)


def test_an_apply_looks_before_it_says_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    apply(planned(world(tmp_path)), locks=tmp_path)

    assert 0 < apply(planned(world(tmp_path)), locks=tmp_path).api_calls


def test_a_plan_made_blind_is_not_taken_for_one_without_changes(tmp_path: Path) -> None:
    wanted = world(tmp_path)
    down = {"instances": (), "machine_types": (), "error": "down"}
    blind = plan(wanted, changed(observe(wanted), demo=down))

    assert (True, False) == (blind.changes, blind.acts)
    with pytest.raises(StalePlan, match="now it can"):
        apply(blind, locks=tmp_path)


def test_an_apply_is_refused_while_another_holds_the_fleet(tmp_path: Path) -> None:
    forecast = planned(world(tmp_path))

    with fleets_locked("shop", ["web"], folder=tmp_path), pytest.raises(Locked):
        apply(forecast, locks=tmp_path)


def test_a_plan_is_carried_out_once(tmp_path: Path) -> None:
    forecast = planned(world(tmp_path))
    apply(forecast, locks=tmp_path)

    with pytest.raises(StalePlan, match="came"):
        apply(forecast, locks=tmp_path)


def test_every_event_is_told_in_order(tmp_path: Path) -> None:
    told: list[Event] = []
    outcome = apply(planned(world(tmp_path)), on_event=told.append, locks=tmp_path)

    assert outcome.events == tuple(told)


def test_what_an_observer_raises_frees_the_locks(tmp_path: Path) -> None:
    def raises(event: Event) -> None:
        raise ZeroDivisionError

    forecast = planned(world(tmp_path))
    with pytest.raises(ZeroDivisionError):
        apply(forecast, on_event=raises, locks=tmp_path)

    with fleets_locked("shop", ["web"], folder=tmp_path):
        pass


def test_a_switch_that_was_asked_before_launches_nothing(tmp_path: Path) -> None:
    switch = StopSwitch()
    switch.ask()
    outcome = apply(planned(world(tmp_path)), stop=switch, locks=tmp_path)

    assert (Result.INTERRUPTED, ()) == (outcome.result, observe(world(tmp_path)).instances())


def test_a_switch_that_is_asked_midway_interrupts(tmp_path: Path) -> None:
    switch = StopSwitch()
    forecast = planned(world(tmp_path))
    outcome = apply(forecast, on_event=lambda event: switch.ask(), stop=switch, locks=tmp_path)

    assert Result.INTERRUPTED is outcome.result


def test_a_secret_that_cannot_be_had_is_refused_before_anything_is_launched(tmp_path: Path) -> None:
    wanted = world(tmp_path)
    service = attrs.evolve(wanted.services["shop"], env={"DB": Secret("env:NO_SUCH_VARIABLE")})
    wanted = attrs.evolve(wanted, services={"shop": service})

    with pytest.raises(Refused, match="NO_SUCH_VARIABLE"):
        apply(planned(wanted), locks=tmp_path)

    assert () == observe(world(tmp_path)).instances()


def test_a_secret_is_not_needed_where_nothing_is_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = world(tmp_path)
    service = attrs.evolve(wanted.services["shop"], env={"DB": Secret("env:SHOP_DB")})
    wanted = attrs.evolve(wanted, services={"shop": service})
    monkeypatch.setenv("SHOP_DB", "pa55word")
    apply(planned(wanted), locks=tmp_path)
    monkeypatch.delenv("SHOP_DB")

    assert Result.COMPLETE is apply(planned(wanted.resized({"web": 1})), locks=tmp_path).result


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    wanted = world(tmp_path)
    wanted = attrs.evolve(wanted, clouds={"demo": attrs.evolve(wanted.clouds["demo"], driver="moon")})

    with pytest.raises(UnknownDriver, match="moon"):
        observe(wanted)


def test_a_wrong_option_of_a_cloud_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"clouds\.demo"):
        observe(world(tmp_path, zone="a"))


# -- a cloud whose file is damaged


@pytest.fixture
def damaged(tmp_path: Path) -> Deployment:
    """A deployment with two fleets and two clouds in files, of which `two` was cut short after an apply."""
    demo = world(tmp_path).clouds["demo"]
    two = attrs.evolve(demo, name="two", options=demo.options | {"path": "two.json"})
    fleets = (fleet(2, name="solo"), fleet(1, name="far", clouds=("two",)))
    wanted = attrs.evolve(deployment(*fleets, clouds=("demo", "two")), clouds={"demo": demo, "two": two})
    assert apply(planned(wanted), locks=tmp_path).ok
    (tmp_path / "two.json").write_bytes((tmp_path / "two.json").read_bytes()[:100])
    return wanted


def test_a_damaged_cloud_is_observed_with_its_error_beside_the_others(damaged: Deployment) -> None:
    seen = observe(damaged)

    assert (2, None) == (len(seen.instances()), seen.clouds["demo"].error)
    assert "two.json is damaged" in str(seen.clouds["two"].error)


def test_a_fleet_of_another_cloud_is_carried_out_beside_a_damaged_one(damaged: Deployment, tmp_path: Path) -> None:
    larger = damaged.resized({"solo": 3})
    made = plan(larger, observe(larger), fleets=("solo",))
    outcome = apply(made, locks=tmp_path)

    assert (True, Result.COMPLETE, 3) == (made.acts, outcome.result, outcome.fleets["solo"].ready)


def test_what_needs_a_damaged_cloud_fails_and_all_else_is_done(damaged: Deployment, tmp_path: Path) -> None:
    empty = damaged.resized({"solo": 0, "far": 0})
    outcome = apply(planned(empty), locks=tmp_path)

    assert {"solo": True, "far": False} == {name: one.reached for name, one in outcome.fleets.items()}
    assert any("two.json is damaged" in error.message for error in outcome.errors)


def test_a_cloud_that_is_damaged_while_an_apply_runs_is_an_error_of_the_outcome(tmp_path: Path) -> None:
    def damage(event: Event) -> None:
        (tmp_path / "demo.json").write_text("{")

    outcome = apply(planned(world(tmp_path)), on_event=damage, locks=tmp_path)

    assert Result.FAILED is outcome.result
    assert any("demo.json is damaged" in error.message for error in outcome.errors)


# -- the switch


def test_a_switch_is_off_until_it_is_asked() -> None:
    switch = StopSwitch()

    assert not switch()


def test_a_switch_wakes_who_waits() -> None:
    runtime = VirtualRuntime(EPOCH, pace=0.001)
    switch = StopSwitch()
    switch.wakes(runtime)
    switch.ask()
    runtime.wait(EPOCH + 1000.0)

    assert EPOCH + 1000.0 == runtime.now()


def test_a_switch_may_be_asked_twice() -> None:
    switch = StopSwitch()
    switch.ask()
    switch.ask()

    assert switch()
