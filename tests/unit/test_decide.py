import math
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, strategies as st
from immutabledict import immutabledict
from situations import NEW, NOW, OLD, OLDER, Scene, fleet, slot

from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import (
    Capabilities,
    Health,
    InstanceId,
    LaunchKey,
    Membership,
    Options,
    Phase,
    Place,
    Revision,
    Rollout,
    Share,
    Standing,
)
from vmpattern.planner import Decision, Drain, FleetAction, Keep, Launch, Register, Terminate
from vmpattern.simulation import EC2_LIKE

OLDS = ("o1", "o2", "o3", "o4", "o5", "o6")
NEWS = ("n1", "n2", "n3", "n4", "n5", "n6")
ABC = (slot("a"), slot("b"), slot("c"))
IMMUTABLE = attrs.evolve(EC2_LIKE, mutable_labels=False)
NO_KEEPING = Rollout(keep_failed=0)


def launched(decision: Decision) -> list[tuple[int, int]]:
    """Return slot number and count of every launch."""
    return [(act.slot, act.count) for act in decision.actions if isinstance(act, Launch)]


def kinds(actions: Sequence[FleetAction]) -> list[str]:
    return [type(act).__name__ for act in actions]


# -- surge and unavailable

ROLLOUTS = [
    pytest.param([(0, 3)], (), Scene(fleet(3)), id="a fleet of none is launched whole"),
    pytest.param([(0, 1)], (), Scene(fleet(3), named=OLDS).ready(*OLDS[:3], revision=OLD), id="surge launches first"),
    pytest.param(
        [],
        ("o1",),
        Scene(fleet(3), named=OLDS).ready(*OLDS[:3], revision=OLD).ready("n1"),
        id="one ready more lets the oldest go",
    ),
    pytest.param(
        [],
        (),
        Scene(fleet(3), named=OLDS).ready(*OLDS[:3], revision=OLD).starting("n1"),
        id="one that starts lets nobody go",
    ),
    pytest.param(
        [],
        ("o1",),
        Scene(fleet(3, surge=0, unavailable=1), named=OLDS).ready(*OLDS[:3], revision=OLD),
        id="unavailable ends first",
    ),
    pytest.param(
        [(0, 1)],
        (),
        Scene(fleet(3, surge=0, unavailable=1), named=OLDS).ready("o1", "o2", revision=OLD),
        id="unavailable launches when there is room",
    ),
    pytest.param(
        [(0, 1)],
        ("o1",),
        Scene(fleet(3, surge=1, unavailable=1), named=OLDS).ready(*OLDS[:3], revision=OLD),
        id="surge and unavailable together do both at once",
    ),
    pytest.param(
        [],
        ("x1",),
        Scene(fleet(2), named=("x1", "o1"))
        .ready("x1", revision=OLDER, launched_at=NOW - 2000.0)
        .ready("o1", revision=OLD)
        .ready("n1"),
        id="three revisions roll forward, the oldest first",
    ),
    pytest.param([(0, 2)], (), Scene(fleet(5)).ready(*NEWS[:3]), id="scaling up launches what is missing"),
    pytest.param(
        [],
        ("n2", "n3"),
        Scene(fleet(1), named=NEWS).ready(*NEWS[:3]),
        id="scaling down ends the youngest",
    ),
    pytest.param(
        [], ("n1", "n2"), Scene(fleet(0), named=NEWS).ready("n1").starting("n2"), id="a fleet of none ends everything"
    ),
    pytest.param(
        [],
        ("n4",),
        Scene(fleet(3), named=NEWS).ready(*NEWS[:3]).starting("n4"),
        id="scaling down ends what isn't ready before what is",
    ),
    pytest.param(
        [],
        (),
        Scene(fleet(1), named=()).ready(*NEWS[:3]),
        id="a healthy instance in date that no plan names stays",
    ),
    pytest.param(
        [],
        (),
        Scene(fleet(3), named=()).ready(*OLDS[:3], revision=OLD).ready("n1"),
        id="an old instance that no plan names stays",
    ),
]


@pytest.mark.parametrize(("launches", "ended", "scene"), ROLLOUTS)
def test_what_is_done_at_once(launches: list[tuple[int, int]], ended: tuple[str, ...], scene: Scene) -> None:
    assert (launches, ended) == (launched(scene.decide()), scene.ended())


def test_a_launch_waits_for_room_under_the_surge() -> None:
    scene = Scene(fleet(3), named=()).ready(*OLDS[:4], revision=OLD)

    assert ("room under the surge",) == scene.decide().waiting_for


def test_a_launch_in_flight_counts_against_the_room() -> None:
    scene = Scene(fleet(3)).ready(*OLDS[:3], revision=OLD)
    scene.index.launch_sent(LaunchKey("k1"), 0, 1)

    assert [] == launched(scene.decide())


def test_a_termination_without_answer_counts_against_the_room() -> None:
    scene = Scene(fleet(3, surge=0, unavailable=1)).ready(*OLDS[:3], revision=OLD)
    scene.index.update([InstanceId("o1")], NOW, ending_sent=True)

    assert [] == launched(scene.decide())


def test_a_termination_that_was_accepted_makes_room() -> None:
    scene = Scene(fleet(3, surge=0, unavailable=1)).ready(*OLDS[:3], revision=OLD)
    scene.index.update([InstanceId("o1")], NOW, ending_sent=True, ending=True)

    assert [(0, 1)] == launched(scene.decide())


def test_a_kept_failure_takes_no_room() -> None:
    scene = Scene(fleet(2)).ready("o1", "o2", revision=OLD).starting("n1", kept_until=NOW + 60.0)

    assert [(0, 1)] == launched(scene.decide())


@given(
    st.integers(0, 6),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 3),
)
def test_no_decision_breaks_its_limits(size: int, surge: int, unavailable: int, old: int, new: int, boots: int) -> None:
    if surge == unavailable == 0:
        surge = 1
    scene = Scene(fleet(size, surge=surge, unavailable=unavailable), named=None)
    scene.ready(*OLDS[:old], revision=OLD).ready(*NEWS[:new]).starting(*(f"s{number}" for number in range(boots)))
    decision, live, ready = scene.decide(), old + new + boots, old + new
    after = live + sum(count for _, count in launched(decision))
    left = ready - sum(id[0] != "s" for id in scene.ended())

    assert after <= max(live, size + surge)
    assert left >= min(ready, size - unavailable)


# -- zones and clouds


def test_launches_spread_over_zones() -> None:
    assert [(0, 2), (1, 2), (2, 2)] == launched(Scene(fleet(6), slots=ABC).decide())


def test_the_emptiest_zone_is_filled_first() -> None:
    scene = Scene(fleet(6), slots=ABC).ready(*OLDS[:4], revision=OLD).ready("n1", zone="a").ready("n2", zone="b")

    assert [(2, 1)] == launched(scene.decide())


def test_surplus_of_a_zone_goes_when_the_others_have_theirs() -> None:
    scene = (
        Scene(fleet(3), slots=ABC, named=None).ready("n1", "n2", zone="a").ready("n3", zone="b").ready("n4", zone="c")
    )

    assert ("n2",) == scene.ended()


def test_a_blocked_zone_leaves_its_share_to_the_others() -> None:
    scene = Scene(fleet(6), slots=ABC)
    scene.index.block(Scope(ScopeKind.ZONE, zone="b"), "demo", NOW + 120.0)

    assert [(0, 3), (2, 3)] == launched(scene.decide())


def test_a_fleet_whose_every_zone_is_blocked_waits_for_the_first_to_open() -> None:
    scene = Scene(fleet(1), slots=ABC[:2])
    scene.index.block(Scope(ScopeKind.ZONE, zone="a"), "demo", NOW + 120.0)
    scene.index.block(Scope(ScopeKind.ZONE, zone="b"), "demo", NOW + 60.0)
    decision = scene.decide()

    assert ((), NOW + 60.0) == (decision.actions, decision.wake_at)


def test_ordered_placements_fall_back_when_the_first_is_blocked() -> None:
    scene = Scene(fleet(2, place=Place.ORDERED), slots=[slot("a"), slot("b", placement=1, rank=1)])
    scene.index.block(Scope(ScopeKind.ZONE, zone="a"), "demo", NOW + 120.0)

    assert [(1, 2)] == launched(scene.decide())


TWO = (slot(cloud="eu"), slot(cloud="lab", placement=1))


def unread(scene: Scene, cloud: str = "lab") -> Scene:
    """Let a cloud never have been read."""
    state = scene.index.clouds[cloud]
    state.seen, state.settled, state.fresh_until = False, False, -math.inf
    return scene


def test_a_cloud_never_read_keeps_its_share() -> None:
    assert [(0, 2)] == launched(unread(Scene(fleet(4, clouds=("eu", "lab")), slots=TWO)).decide())


def test_a_cloud_never_read_counts_as_live() -> None:
    scene = unread(Scene(fleet(4, clouds=("eu", "lab")), slots=TWO)).ready("o1", "o2", revision=OLD, cloud="eu")

    assert [(0, 1)] == launched(scene.decide())


def test_a_cloud_never_read_counts_as_not_ready() -> None:
    scene = unread(Scene(fleet(4, clouds=("eu", "lab")), slots=TWO, named=None))
    scene.ready("o1", "o2", revision=OLD, cloud="eu").ready("n1", cloud="eu")

    assert () == scene.ended()


def test_a_fleet_with_a_cloud_never_read_is_not_done() -> None:
    scene = unread(Scene(fleet(4, clouds=("eu", "lab")), slots=TWO)).ready("n1", "n2", cloud="eu")

    assert not scene.decide().done


@pytest.mark.parametrize(
    ("settled", "fresh_until"),
    [
        pytest.param(False, NOW + 15.0, id="before lists far enough apart were seen"),
        pytest.param(True, NOW - 1.0, id="when its last list is old"),
    ],
)
def test_nothing_is_launched_in_a_cloud(settled: bool, fresh_until: float) -> None:
    scene = Scene(fleet(3))
    scene.index.clouds["demo"].settled, scene.index.clouds["demo"].fresh_until = settled, fresh_until

    assert [] == launched(scene.decide())


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(Scene(fleet(1), named=None).ready("n1", "n2"), id="surplus"),
        pytest.param(Scene(fleet(1), named=None).ready("n1").ready("o1", revision=OLD), id="what is out of date"),
        pytest.param(Scene(fleet(1)).sick("n1", ours=True), id="failures"),
        pytest.param(Scene(fleet(1)).starting("n1", phase=Phase.STOPPED, ours=True), id="what stopped"),
    ],
)
def test_an_old_reading_ends_nobody_whatever_it_shows(scene: Scene) -> None:
    scene.index.clouds["demo"].fresh_until = NOW - 1.0

    assert () == scene.ended()


# -- what is broken


@pytest.mark.parametrize(
    ("ended", "scene"),
    [
        pytest.param(
            ("n1",), Scene(fleet(3, rollout=NO_KEEPING)).sick("n1", ours=True, witnesses=1), id="launched by this plan"
        ),
        pytest.param(("n1",), Scene(fleet(3)).sick("n1"), id="condemned by two witnesses"),
        pytest.param((), Scene(fleet(3)).sick("n1", witnesses=1), id="nobody on one witness's word"),
        pytest.param(
            ("o1",),
            Scene(fleet(3), named=["o1"]).sick("o1", revision=OLD),
            id="named, and condemned by two witnesses",
        ),
        pytest.param(
            (),
            Scene(fleet(3), named=OLDS).ready("o2", revision=OLD).sick("o1", revision=OLD, witnesses=1).starting("n1"),
            id="nobody named who may yet be serving",
        ),
        pytest.param(
            ("o1",),
            Scene(fleet(1), named=OLDS).sick("o1", revision=OLD, witnesses=1).ready("n1"),
            id="named, and not missed while enough others are ready",
        ),
        pytest.param(
            ("n1",),
            Scene(fleet(3), named=["n1"]).starting("n1", phase=Phase.STOPPED),
            id="named, and stopped by itself",
        ),
    ],
)
def test_of_the_broken_is_ended(ended: tuple[str, ...], scene: Scene) -> None:
    assert ended == scene.ended()


def test_a_second_witness_is_waited_for() -> None:
    decision = Scene(fleet(3)).sick("n1", witnesses=1).decide()

    assert "a second witness against n1" in decision.waiting_for


def test_what_no_plan_named_is_ended_as_unplanned() -> None:
    acts = [act for act in Scene(fleet(3)).sick("n1").decide().actions if isinstance(act, Terminate)]

    assert [Terminate("demo", (InstanceId("n1"),), planned=False)] == acts


def test_healing_stops_when_the_blast_budget_is_spent() -> None:
    assert ("n1", "n2", "n3", "n4", "n5") == Scene(fleet(6)).sick(*NEWS).ended()


def test_healing_goes_on_when_the_window_has_moved() -> None:
    scene = Scene(fleet(6)).sick("n1")
    scene.index.destroyed(5, NOW - 100.0)
    decision = scene.decide()

    assert ((), ("the blast budget",), NOW + 500.0) == (
        tuple(act for act in decision.actions if isinstance(act, Terminate)),
        decision.waiting_for,
        decision.wake_at,
    )


def test_what_the_plan_named_needs_no_blast_budget() -> None:
    scene = Scene(fleet(6), named=["o1"]).sick("o1", revision=OLD)
    scene.index.destroyed(5, NOW - 100.0)

    assert ("o1",) == scene.ended()


def test_a_broken_instance_is_replaced_at_once() -> None:
    scene = Scene(fleet(3)).ready("n1", "n2").sick("n3")

    assert [(0, 1)] == launched(scene.decide())


@pytest.mark.parametrize("witnesses", [1, 2])
@pytest.mark.parametrize("ours", [True, False])
def test_six_of_whom_three_are_new_and_one_of_these_is_ill_go_on(witnesses: int, ours: bool) -> None:
    scene = Scene(fleet(6, rollout=Rollout(max_failures=Share(2))), named=OLDS[:3]).ready(*OLDS[:3], revision=OLD)
    scene.ready("n1", "n2", ours=ours).sick("n3", witnesses=witnesses, ours=ours)

    assert [(0, 1)] == launched(scene.decide())


@pytest.mark.parametrize("ours", [True, False])
def test_six_of_whom_one_was_ill_and_replaced_go_on(ours: bool) -> None:
    scene = Scene(fleet(6), named=OLDS[:3]).ready(*OLDS[:3], revision=OLD).ready("n1", "n2", "n4", "n5", ours=ours)

    assert ("o1",) == scene.ended()


def test_what_certainly_serves_nobody_makes_up_for_none_that_may_be_serving() -> None:
    """Old ones that never were healthy: two are called unhealthy by two witnesses, a third one by one."""
    scene = Scene(fleet(2), named=OLDS[:3])
    for number, id in enumerate(OLDS[:3]):
        row = scene._instance(id, number, {"revision": OLD})
        word = Health.UNKNOWN if id == OLDS[2] else Health.UNHEALTHY
        scene._see(attrs.evolve(row, health=word), NOW - 50.0, Health.UNHEALTHY)

    assert OLDS[:2] == scene.ended()


# -- keeping failures


def test_the_first_failure_of_a_plan_is_kept_for_a_look() -> None:
    decision = Scene(fleet(3)).sick("n1", ours=True).decide()

    assert Keep("demo", InstanceId("n1"), NOW + 3600.0) == decision.actions[0]


@pytest.mark.parametrize(
    ("ended", "scene"),
    [
        pytest.param(
            ("n2",), Scene(fleet(30)).sick("n1", "n2", ours=True), id="further ones than keep_failed are ended"
        ),
        pytest.param(
            ("n1",),
            Scene(fleet(30)).starting("n0", kept_until=NOW + 60.0).sick("n1", ours=True),
            id="one is ended while another is kept",
        ),
        pytest.param(("n1",), Scene(fleet(3)).sick("n1"), id="what another plan launched is ended"),
        pytest.param(
            ("n1",),
            Scene(fleet(3), capabilities=IMMUTABLE).sick("n1", ours=True),
            id="one is ended where labels can't be changed",
        ),
        pytest.param(
            ("n1",),
            Scene(fleet(3)).starting("n1", ours=True, kept_until=NOW),
            id="one is ended when its time is over",
        ),
    ],
)
def test_of_failures(ended: tuple[str, ...], scene: Scene) -> None:
    assert ended == scene.ended()


@pytest.mark.parametrize(
    ("acts", "fact"),
    [
        pytest.param([], "keep_sent", id="is left alone while its label is on its way"),
        pytest.param(["Terminate"], "keep_refused", id="is ended when its label was refused"),
    ],
)
def test_a_failure_that_shall_be_kept(acts: list[str], fact: str) -> None:
    scene = Scene(fleet(3)).sick("n1", ours=True)
    scene.index.update([InstanceId("n1")], NOW, **{fact: True})

    assert acts == [kind for kind in kinds(scene.decide().actions) if kind != "Launch"]


def test_nothing_is_launched_anywhere_while_a_cloud_that_was_seen_has_not_settled() -> None:
    scene = Scene(fleet(2, clouds=("demo", "lab")), slots=[slot(), slot(cloud="lab", placement=1)])
    scene.index.clouds["lab"].settled = False
    decision = scene.decide()

    assert ((), ("a second look at lab",)) == (decision.actions, decision.waiting_for)


# -- behind a balancer

FRONT: Options = immutabledict(name="front")


def test_what_is_proven_joins_its_balancer() -> None:
    scene = Scene(fleet(1, balanced=True)).ready("n1")

    assert (Register("demo", (InstanceId("n1"),)),) == scene.decide().actions


def test_what_is_joining_is_not_registered_twice() -> None:
    scene = Scene(fleet(1, balanced=True)).ready("n1")
    scene.index.update([InstanceId("n1")], NOW, register_sent=True)

    assert () == scene.decide().actions


@pytest.mark.parametrize("revision", [OLD, NEW], ids=["out of date", "broken"])
def test_nothing_is_ended_while_nobody_knows_whether_it_is_a_member(revision: Revision) -> None:
    scene = Scene(fleet(1, surge=0, unavailable=1, balanced=True), named=OLDS).sick("o1", revision=revision)
    acted = kinds(scene.decide().actions)
    scene.index.update([InstanceId("o1")], NOW, register_sent=True)

    assert (["Terminate"], []) == (acted, kinds(scene.decide().actions))


def test_a_member_is_drained_before_it_is_ended() -> None:
    scene = Scene(fleet(1, balanced=True), named=OLDS).ready("o1", revision=OLD, member=True).ready("n1", member=True)

    assert (Drain("demo", (InstanceId("o1"),), FRONT),) == scene.decide().actions


def test_the_last_ready_member_of_a_balancer_is_never_drained() -> None:
    scene = Scene(fleet(1, surge=1, unavailable=1, balanced=True), named=OLDS).ready("o1", revision=OLD, member=True)

    assert ["Launch"] == kinds(scene.decide().actions)


def test_a_last_member_that_has_just_become_well_stays() -> None:
    scene = Scene(fleet(1, surge=1, unavailable=1, balanced=True), named=OLDS).sick("o1", revision=OLD, member=True)
    again = scene.index.rows[InstanceId("o1")].instance
    scene.index.see(again, NOW, probed=Health.HEALTHY, standing=Standing(Membership.HEALTHY))

    assert ["Launch"] == kinds(scene.decide().actions)


@pytest.mark.parametrize(
    ("drained", "age"),
    [
        pytest.param(True, 0.0, id="goes while enough are ready in other clouds"),
        pytest.param(False, 16.0, id="stays while those clouds can't be read"),
    ],
)
def test_the_last_member_in_a_cloud_that_is_left(drained: bool, age: float) -> None:
    wanted = fleet(1, unavailable=1, clouds=("demo", "lab"), balanced=True)
    scene = Scene(wanted, slots=[slot(cloud="lab")], named=OLDS)
    scene.ready("o1", revision=OLD, member=True).ready("n1", cloud="lab", member=True)
    scene.index.clouds["lab"].fresh_until = NOW + 15.0 - age - 1e-3 * (age > 0)

    assert drained is (Drain("demo", (InstanceId("o1"),), FRONT) in scene.decide().actions)


def test_a_member_of_a_fleet_of_none_may_be_the_last() -> None:
    scene = Scene(fleet(0, balanced=True), named=OLDS).ready("o1", revision=OLD, member=True)

    assert (Drain("demo", (InstanceId("o1"),), FRONT),) == scene.decide().actions


def test_of_two_members_that_could_go_one_stays() -> None:
    scene = Scene(fleet(2, surge=0, unavailable=2, balanced=True), named=OLDS)
    scene.ready("o1", "o2", revision=OLD, member=True)

    assert (Drain("demo", (InstanceId("o1"),), FRONT),) == scene.decide().actions


def test_a_broken_member_is_drained_before_it_is_ended() -> None:
    scene = Scene(fleet(3, balanced=True)).ready("n1", "n2", member=True).sick("n3", member=True)

    assert Drain("demo", (InstanceId("n3"),), FRONT) == scene.decide().actions[0]


@pytest.mark.parametrize(
    ("ended", "drained"),
    [
        pytest.param((), False, id="not while its balancer holds it"),
        pytest.param(("o1",), True, id="when its balancer has let it go"),
    ],
)
def test_a_draining_member_is_ended(ended: tuple[str, ...], drained: bool) -> None:
    scene = Scene(fleet(1, balanced=True)).draining("o1", revision=OLD).ready("n1", member=True)
    scene.index.update([InstanceId("o1")], NOW, drained=drained)

    assert ended == scene.ended()


def test_a_draining_member_is_ended_when_it_was_given_time_enough() -> None:
    scene = Scene(fleet(1, balanced=True), named=OLDS).draining("o1", revision=OLD).ready("n1", member=True)
    scene.index.clouds["demo"].fresh_until = NOW + 400.0
    scene.index.advance(NOW + 290.0)
    acts = scene.decide(NOW + 290.0).actions

    assert (Terminate("demo", (InstanceId("o1"),)),) == acts


def test_a_draining_member_is_not_ready() -> None:
    scene = Scene(fleet(2, balanced=True), named=OLDS).draining("o1", revision=OLD)
    scene.ready("o2", revision=OLD, member=True).ready("n1", member=True)

    assert [] == [act for act in scene.decide().actions if isinstance(act, Drain)]


# -- calls


def test_calls_in_flight_leave_no_more_than_the_limit() -> None:
    scene = Scene(fleet(6, rollout=Rollout(max_in_flight=2)), slots=ABC)

    assert ([(0, 2), (1, 2)], ("a call to return",)) == (
        launched(scene.decide()),
        scene.decide().waiting_for,
    )


def test_calls_that_are_in_flight_already_count() -> None:
    scene = Scene(fleet(6, rollout=Rollout(max_in_flight=2)), slots=ABC)
    scene.index.in_flight = 1

    assert [(0, 2)] == launched(scene.decide())


def test_a_launch_is_no_larger_than_the_cloud_allows() -> None:
    scene = Scene(fleet(5), capabilities=attrs.evolve(EC2_LIKE, max_batch=2))

    assert [(0, 2), (0, 2), (0, 1)] == launched(scene.decide())


def test_alike_launches_of_one_decision_have_keys_of_their_own() -> None:
    scene = Scene(fleet(4), capabilities=attrs.evolve(EC2_LIKE, max_batch=2))
    keys = {act.key for act in scene.decide().actions if isinstance(act, Launch)}

    assert 2 == len(keys)


def test_a_termination_is_no_larger_than_the_cloud_allows() -> None:
    scene = Scene(fleet(0), named=None, capabilities=Capabilities(max_terminate=2)).ready(*NEWS[:5])
    sizes = [len(act.ids) for act in scene.decide().actions if isinstance(act, Terminate)]

    assert [2, 2, 1] == sizes


# -- ends


@pytest.mark.parametrize(
    ("done", "scene"),
    [
        pytest.param(True, Scene(fleet(2)).ready("n1", "n2"), id="as asked for"),
        pytest.param(False, Scene(fleet(2)).ready("n1").starting("n2"), id="one isn't ready"),
        pytest.param(False, Scene(fleet(2)).ready("n1"), id="one is missing"),
        pytest.param(False, Scene(fleet(2)).ready("n1", "n2", "n3"), id="one is too many"),
        pytest.param(False, Scene(fleet(2)).ready("n1", "n2").ready("o1", revision=OLD), id="one is out of date"),
        pytest.param(False, Scene(fleet(2), slots=ABC[:2]).ready("n1", "n2"), id="both are in one zone of two"),
        pytest.param(False, Scene(fleet(2)).ready("n1", "n2").sick("n3"), id="a failure waits to be ended"),
        pytest.param(
            True, Scene(fleet(2)).ready("n1", "n2").starting("n3", kept_until=NOW + 60.0), id="a failure is kept"
        ),
        pytest.param(True, Scene(fleet(0)), id="none of none"),
    ],
)
def test_a_fleet_is_done_or_not(done: bool, scene: Scene) -> None:
    assert done is scene.decide().done


def test_a_fleet_is_not_done_while_a_call_is_in_flight() -> None:
    scene = Scene(fleet(1)).ready("n1")
    scene.index.in_flight = 1

    assert not scene.decide().done


def test_a_fleet_is_not_done_while_an_instance_is_being_ended() -> None:
    scene = Scene(fleet(1)).ready("n1", "n2")
    scene.index.update([InstanceId("n2")], NOW, ending_sent=True)

    assert not scene.decide().done


def test_who_is_done_does_nothing() -> None:
    assert () == Scene(fleet(2)).ready("n1", "n2").decide().actions


def paused(scene: Scene, failures: int) -> Decision:
    scene.index.failures = failures
    return scene.decide()


@pytest.mark.parametrize(
    ("reason", "size", "failures"),
    [
        pytest.param("", 20, 1, id="not before max_failures"),
        pytest.param("2 of what was launched failed, and max_failures is 2", 20, 2, id="at max_failures"),
        pytest.param("1 of what was launched failed, and max_failures is 1", 3, 1, id="at the first in a small fleet"),
    ],
)
def test_a_fleet_is_paused_after_failures(reason: str, size: int, failures: int) -> None:
    assert reason == paused(Scene(fleet(size)).ready("o1", revision=OLD), failures).paused


def test_too_many_failures_launch_nothing_and_end_nothing_old() -> None:
    scene = Scene(fleet(3), named=OLDS).ready(*OLDS[:3], revision=OLD).ready("n1")

    assert () == paused(scene, 1).actions


def test_too_many_failures_still_clear_the_broken() -> None:
    scene = Scene(fleet(3, rollout=NO_KEEPING)).ready("o1", revision=OLD).sick("n1", ours=True)

    assert ["Terminate"] == kinds(paused(scene, 1).actions)


def test_too_many_failures_still_end_what_has_drained() -> None:
    scene = Scene(fleet(2, balanced=True), named=OLDS).ready("o2", revision=OLD, member=True)
    scene.draining("o1", revision=OLD).index.update([InstanceId("o1")], NOW, drained=True)

    assert (Terminate("demo", (InstanceId("o1"),)),) == paused(scene, 1).actions


def test_a_fleet_is_paused_only_when_nothing_is_in_flight() -> None:
    scene = Scene(fleet(3)).ready("o1", revision=OLD)
    scene.index.in_flight = 1

    assert "" == paused(scene, 1).paused


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(Scene(fleet(3)), id="no launch"),
        pytest.param(Scene(fleet(1), named=None).ready("n1", "n2"), id="no termination of surplus"),
        pytest.param(Scene(fleet(2), named=None).ready("n1").sick("n2", ours=True), id="no clearing away"),
        pytest.param(Scene(fleet(1, balanced=True)).ready("n1"), id="no registering"),
    ],
)
def test_a_fleet_told_to_stop_begins_nothing(scene: Scene) -> None:
    scene.index.stop_reason = "interrupted"

    assert () == scene.decide().actions


def test_a_fleet_told_to_stop_says_why() -> None:
    scene = Scene(fleet(3))
    scene.index.stop_reason = "interrupted"

    assert "interrupted" == scene.decide().paused


@pytest.mark.parametrize(
    ("stuck", "at"),
    [
        pytest.param("", NOW + 1199.0, id="not before its deadline"),
        pytest.param("no progress for 1200 s", NOW + 1200.0, id="when its deadline is over"),
    ],
)
def test_a_fleet_without_progress_is_stuck(stuck: str, at: float) -> None:
    scene = Scene(fleet(3), named=()).ready(*OLDS[:4], revision=OLD)
    scene.index.clouds["demo"].fresh_until = math.inf

    assert stuck == scene.decide(at).stuck


def test_who_is_stuck_does_nothing_more() -> None:
    scene = Scene(fleet(3), named=None).ready("n1", "n2", "n3", "n4")
    scene.index.clouds["demo"].fresh_until = math.inf

    assert () == scene.decide(NOW + 1200.0).actions


def test_who_is_done_is_never_stuck() -> None:
    scene = Scene(fleet(1)).ready("n1")
    scene.index.clouds["demo"].fresh_until = math.inf

    assert "" == scene.decide(NOW + 9999.0).stuck


def test_a_decision_is_made_again_at_the_deadline_of_progress() -> None:
    scene = Scene(fleet(2)).ready("n1").starting("n2")

    assert NOW + 1200.0 == scene.decide().wake_at


@given(st.permutations([*OLDS[:2], *NEWS[:3]]))
def test_a_decision_is_blind_to_the_order_of_arrival(order: list[str]) -> None:
    def decided(ids: Sequence[str]) -> Decision:
        scene = Scene(fleet(4), slots=ABC, named=None)
        for id in ids:
            zone, revision = "abc"[int(id[1]) % 3], OLD if id[0] == "o" else NEW
            scene.ready(id, zone=zone, revision=revision, launched_at=NOW - 1000.0)
        return scene.decide()

    assert decided([*OLDS[:2], *NEWS[:3]]) == decided(order)


def test_nothing_that_decides_changes_the_index() -> None:
    scene = Scene(fleet(3), slots=ABC, named=None).ready("o1", revision=OLD).ready("n1").sick("n2", ours=True)

    assert scene.decide() == scene.decide()
