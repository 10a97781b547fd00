from typing import Any

import attrs
import pytest
from situations import NOW, deployment, fleet, instance
from stage import Stage

from vmpattern.forecast import plan
from vmpattern.model import (
    Deployment,
    Health,
    Instance,
    InstanceId,
    MachineType,
    Market,
    Membership,
    Observation,
    Phase,
    Placement,
    Revision,
    Standing,
)
from vmpattern.planner.survey import FleetSurvey, survey
from vmpattern.simulation import EC2_LIKE


@pytest.fixture(scope="module")
def settled() -> tuple[Deployment, Observation]:
    """A fleet of two that runs, and what is observed of it."""
    stage = Stage()
    wanted = stage.deployment(fleet(2))
    stage.apply(wanted)
    return wanted, stage.observe(wanted)


BALANCED = deployment(fleet(2, balanced=True))
Settled = tuple[Deployment, Observation]


def changed(observation: Observation, **facts: Any) -> Observation:
    demo = attrs.evolve(observation.clouds["demo"], **facts)
    return attrs.evolve(observation, clouds={"demo": demo})


def first(observation: Observation) -> Instance:
    return observation.instances()[0]


def with_first(observation: Observation, **facts: Any) -> Observation:
    one, *rest = observation.instances()
    return changed(observation, instances=(attrs.evolve(one, **facts), *rest))


def of_web(wanted: Deployment, observation: Observation) -> FleetSurvey:
    return survey(wanted, observation)["web"]


def test_a_fleet_as_asked_for_is_ready(settled: Settled) -> None:
    told = of_web(*settled)

    assert (2, 2, 0) == (told.desired, told.ready, told.out_of_date)


def test_every_instance_is_told_with_its_state(settled: Settled) -> None:
    assert [("ready", True, Health.HEALTHY)] * 2 == [
        (row.state, row.in_date, row.health) for row in of_web(*settled).rows
    ]


def test_a_price_is_the_sum_of_all(settled: Settled) -> None:
    assert 0.04 == of_web(*settled).price_per_hour


def test_an_unknown_price_makes_the_sum_unknown(settled: Settled) -> None:
    wanted, observation = settled
    odd = MachineType(name="odd", vcpus=1, memory_mib=512, zones=("a",), prices={Market.SPOT: 0.1})
    seen = changed(
        with_first(observation, machine_type="odd"),
        machine_types=(*observation.clouds["demo"].machine_types, odd),
    )

    assert of_web(wanted, seen).price_per_hour is None


def test_a_changed_image_is_out_of_date(settled: Settled) -> None:
    assert 2 == of_web(deployment(fleet(2), image="img-2"), settled[1]).out_of_date


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        pytest.param("failed", {"phase": Phase.STOPPED}, id="failed, when it stopped by itself"),
        pytest.param("kept", {"kept_until": NOW * 2}, id="kept, when it is kept"),
        pytest.param("ending", {"phase": Phase.TERMINATING}, id="ending, when it ends"),
    ],
)
def test_an_instance_is_told_as(state: str, facts: dict[str, Any], settled: Settled) -> None:
    wanted, observation = settled
    told = of_web(wanted, with_first(observation, **facts))

    assert [state] == [row.state for row in told.rows if row.instance.id == first(observation).id]


def test_an_instance_that_was_just_launched_is_starting(settled: Settled) -> None:
    wanted, observation = settled
    young = attrs.evolve(
        first(observation), id=InstanceId("i-young"), phase=Phase.PENDING, health=Health.UNKNOWN, launched_at=NOW
    )
    told = of_web(wanted, changed(observation, instances=(young,)))

    assert ["starting"] == [row.state for row in told.rows]


def test_an_instance_that_is_healthy_but_younger_than_min_ready_is_starting(settled: Settled) -> None:
    wanted, observation = settled
    found = of_web(wanted, with_first(observation, launched_at=observation.at - 1.0))

    assert (1, ["ready", "starting"], False) == (found.ready, sorted(row.state for row in found.rows), found.reached)


def test_a_fleet_that_is_as_asked_for_lacks_nothing(settled: Settled) -> None:
    found = of_web(*settled)

    assert (True, ()) == (found.reached, found.remaining)


def test_what_a_fleet_lacks_is_said_in_words(settled: Settled) -> None:
    found = of_web(deployment(fleet(3), image="img-2"), settled[1])

    assert ("0 of 3 in date and ready, 2 out of date",) == found.remaining


def test_what_ends_is_neither_out_of_date_nor_paid_for(settled: Settled) -> None:
    _, observation = settled
    told = of_web(deployment(fleet(2), image="img-2"), with_first(observation, phase=Phase.TERMINATING))

    assert (1, 0.02) == (told.out_of_date, told.price_per_hour)


def test_rows_are_sorted_by_zone_and_age(settled: Settled) -> None:
    wanted, observation = settled
    backwards = changed(observation, instances=tuple(reversed(observation.instances())))

    assert of_web(wanted, observation).rows == of_web(wanted, backwards).rows


def test_a_cloud_that_cannot_be_read_is_noted(settled: Settled) -> None:
    wanted, observation = settled
    told = of_web(wanted, changed(observation, instances=(), error="no answer"))

    assert "demo couldn't be read: no answer" in told.notes


NO_SUCH_ZONE = "fleets.web.placements[0].zones: demo has no zone x; expected some of a, b, c"
MISTAKEN = attrs.evolve(fleet(2), placements=[Placement(cloud="demo", zones=("x",))])


def test_where_a_plan_is_refused_status_calls_no_instance_old_and_gives_the_reason(settled: Settled) -> None:
    told = of_web(deployment(MISTAKEN), settled[1])
    unknown = "it isn't known which instances are up to date"

    assert (None, [None, None]) == (told.out_of_date, [row.in_date for row in told.rows])
    assert (f"{unknown}, and an apply is refused: {NO_SUCH_ZONE}",) == told.notes
    assert (f"2 of 2 ready, {unknown}: {NO_SUCH_ZONE}",) == told.remaining


def test_a_fleet_without_instances_that_cannot_be_resolved_is_not_as_asked_for() -> None:
    wanted = deployment(MISTAKEN)
    told = of_web(wanted, Stage().observe(wanted))

    assert (False, 0) == (told.reached, told.out_of_date)


def test_a_fleet_that_the_file_has_no_more_is_told_last(settled: Settled) -> None:
    told = survey(deployment(fleet(1, name="zoo")), settled[1])

    assert ["zoo", "web"] == list(told)


def test_a_fleet_that_the_file_has_no_more_stands_as_in_its_plan(settled: Settled) -> None:
    wanted = deployment(fleet(1, name="zoo"))
    told, planned = survey(wanted, settled[1])["web"], plan(wanted, settled[1]).fleets["web"]

    assert (0, 2, 2, ["ready"] * 2, ("the file has no fleet web any more",)) == (
        told.desired,
        told.ready,
        told.out_of_date,
        [row.state for row in told.rows],
        told.notes,
    )
    assert (planned.ready, planned.remaining) == (told.ready, told.remaining)


def test_a_file_without_services_hides_nobody(settled: Settled) -> None:
    empty = attrs.evolve(settled[0], services={}, fleets={})

    assert 2 == len(survey(empty, settled[1])["web"].rows)


def test_what_a_balancer_says_against_an_instance_is_told(settled: Settled) -> None:
    _, observation = settled
    shunned = Standing(Membership.UNHEALTHY, "Target.Timeout: Request timed out")
    told = of_web(BALANCED, changed(observation, members={first(observation).id: shunned}))

    assert {first(observation).id: ("unhealthy", shunned.reason)} == {
        row.instance.id: (row.state, row.complaint) for row in told.rows if row.complaint
    }


def test_an_instance_that_its_balancer_does_not_have_is_joining(settled: Settled) -> None:
    _, observation = settled
    there = {first(observation).id: Standing(Membership.HEALTHY)}
    told = of_web(BALANCED, changed(observation, members=there))

    assert (1, ["joining", "ready"]) == (told.ready, sorted(row.state for row in told.rows))


def test_while_a_balancer_cannot_be_read_nothing_is_known_of_its_members(settled: Settled) -> None:
    _, observation = settled
    unsure = {row.id: Standing(Membership.UNKNOWN, "no") for row in observation.instances()}
    told = of_web(BALANCED, changed(observation, members=unsure, unread_balancers={"web": "no (Denied, cloud)"}))

    assert (0, [("unknown", Health.UNKNOWN)] * 2) == (told.ready, [(row.state, row.health) for row in told.rows])
    assert "its balancer in demo can't be read, so whether its instances serve isn't known: no (Denied, cloud)" in (
        told.notes
    )


def test_instances_with_a_fleet_s_former_name_are_its_own_and_out_of_date(settled: Settled) -> None:
    _, observation = settled
    told = survey(deployment(attrs.evolve(fleet(2), name="shop", was="web")), observation)

    assert (["shop"], 2, 2) == (list(told), told["shop"].ready, told["shop"].out_of_date)


def test_an_empty_cloud_has_nothing_ready(settled: Settled) -> None:
    wanted, observation = settled
    told = of_web(wanted, changed(observation, instances=()))

    assert (2, 0, (), 0.0) == (told.desired, told.ready, told.rows, told.price_per_hour)


def test_an_instance_in_no_zone_of_ours_is_out_of_date(settled: Settled) -> None:
    wanted, observation = settled
    stray = instance("i-stray", zone="x", revision=first(observation).revision)

    assert [False] == [row.in_date for row in of_web(wanted, changed(observation, instances=(stray,))).rows]


def test_a_plan_names_the_revision_where_nothing_else_differs(settled: Settled) -> None:
    wanted, observation = settled
    reasons = plan(wanted, with_first(observation, revision=Revision("zz"))).fleets["web"].reasons

    assert [("revision", "zz", 1)] == [(reason.field, reason.before, reason.count) for reason in reasons]


SPOT = Placement(cloud="demo", zones=("a",), market=Market.SPOT)
ON_DEMAND = Placement(cloud="demo", zones=("a",))
MIXED = attrs.evolve(fleet(4), placements=(SPOT, ON_DEMAND))


@pytest.mark.parametrize(
    ("reasons", "change", "image"),
    [
        pytest.param([("services.shop.image", "img-1", "img-2", 4)], {}, "img-2", id="another-image"),
        pytest.param([("fleets.web.size", 4, 2, 2)], {"size": 2}, "img-1", id="a-smaller-size"),
        pytest.param(
            [("fleets.web.placements[0].market", "spot", "on-demand", 2)],
            {"placements": (ON_DEMAND,)},
            "img-1",
            id="no-spot-market-any-more",
        ),
        pytest.param(
            [("fleets.web.placements[0].zones", "a", "c", 2)],
            {"placements": (attrs.evolve(SPOT, zones=("c",)), ON_DEMAND)},
            "img-1",
            id="another-zone-for-one-market",
        ),
    ],
)
def test_a_plan_compares_each_instance_with_the_placement_it_is_nearest_to(
    reasons: list[tuple[str, object, object, int]], change: dict[str, Any], image: str
) -> None:
    there = Stage(capabilities=attrs.evolve(EC2_LIKE, markets=frozenset(Market)))
    there.apply(there.deployment(MIXED))

    told = there.plan(there.deployment(attrs.evolve(MIXED, **change), image=image)).fleets["web"].reasons

    assert reasons == [(one.field, one.before, one.after, one.count) for one in told]
