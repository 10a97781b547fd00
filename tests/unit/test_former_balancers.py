"""Deciding for fleets that get a balancer, change it, or lose it: who is registered, who is taken out, and when."""

import attrs
import pytest
from immutabledict import immutabledict
from situations import NOW, OLD, Scene, fleet, instance

from vmpattern.model import Fleet, Health, InstanceId, Membership, Options, Standing
from vmpattern.planner import Deregister, Drain, Register, State, Terminate

FRONT: Options = immutabledict(name="front")
BACK: Options = immutabledict(name="back")
HEALTHY, UNHEALTHY, DRAINING, ABSENT, UNKNOWN = (
    Membership.HEALTHY,
    Membership.UNHEALTHY,
    Membership.DRAINING,
    Membership.ABSENT,
    Membership.UNKNOWN,
)


def ids(*names: str) -> tuple[InstanceId, ...]:
    return tuple(map(InstanceId, names))


def see(scene: Scene, id: str, *, own: Membership = ABSENT, former: dict[Options, Membership], **facts) -> Scene:
    """Put an instance that is healthy and proven, with where it stands in its fleet's balancer and in former ones."""
    row = instance(id, launched_at=NOW - 1000.0, **facts)
    scene.index.see(row, NOW - 500.0, probed=Health.HEALTHY, standing=Standing(own), former=former)
    scene.index.advance(NOW)
    return scene


def changed(size: int = 2, **facts) -> Scene:
    """A fleet whose balancer is `front`, and was `back`."""
    return Scene(fleet(size, balanced=True, **facts), named=("o1", "o2", "n1", "n2"))


def unbalanced(size: int = 2, wanted: Fleet | None = None) -> Scene:
    """A fleet that has no balancer any more."""
    return Scene(wanted or fleet(size), named=("o1", "o2", "n1", "n2"))


def test_what_is_healthy_when_first_seen_joins_at_once() -> None:
    scene = Scene(fleet(1, balanced=True))
    scene.index.see(instance("n1"), NOW, probed=Health.HEALTHY)

    assert (Register("demo", ids("n1")),) == scene.decide().actions


def test_what_is_just_healthy_proves_itself_before_it_joins() -> None:
    scene = Scene(fleet(1, balanced=True))
    scene.index.see(instance("n1", launched_at=NOW - 10.0), NOW, probed=Health.HEALTHY)

    assert () == scene.decide().actions


def test_with_another_balancer_instances_are_registered_first() -> None:
    scene = changed()
    for id in ("n1", "n2"):
        see(scene, id, former={BACK: HEALTHY})

    assert (Register("demo", ids("n1", "n2")),) == scene.decide().actions


def test_what_is_healthy_behind_the_new_balancer_leaves_the_old_one() -> None:
    scene = changed()
    for id in ("n1", "n2"):
        see(scene, id, own=HEALTHY, former={BACK: HEALTHY})

    assert (Deregister("demo", ids("n1", "n2"), BACK),) == scene.decide().actions


@pytest.mark.parametrize("own", [UNHEALTHY, UNKNOWN])
def test_nothing_leaves_the_old_balancer_before_enough_are_healthy_behind_the_new_one(own: Membership) -> None:
    scene = changed()
    see(scene, "n1", own=HEALTHY, former={BACK: HEALTHY})
    see(scene, "n2", own=own, former={BACK: HEALTHY})

    assert () == scene.decide().actions


def test_a_fleet_with_members_in_an_old_balancer_is_not_done() -> None:
    scene = see(unbalanced(1), "n1", former={BACK: HEALTHY})
    working = scene.decide()
    see(scene, "n1", former={BACK: DRAINING})

    assert (False, True) == (working.done, scene.decide().done)


def test_without_a_balancer_everything_leaves_the_old_one() -> None:
    scene = unbalanced()
    for id in ("n1", "n2"):
        see(scene, id, former={BACK: UNHEALTHY})

    assert (Deregister("demo", ids("n1", "n2"), BACK),) == scene.decide().actions


def test_what_is_leaving_the_old_balancer_is_not_sent_there_twice() -> None:
    scene = see(unbalanced(1), "n1", former={BACK: HEALTHY})
    scene.index.update(ids("n1"), NOW, release_sent=True)

    assert () == scene.decide().actions


def test_of_several_old_balancers_one_after_the_other_is_left() -> None:
    scene = see(unbalanced(1), "n1", former={BACK: HEALTHY, FRONT: HEALTHY})
    first = scene.decide().actions
    see(scene, "n1", former={BACK: DRAINING, FRONT: HEALTHY})

    assert (Deregister("demo", ids("n1"), BACK), Deregister("demo", ids("n1"), FRONT)) == (
        *first,
        *scene.decide().actions,
    )


def test_calls_to_old_balancers_count_as_calls_in_flight() -> None:
    scene = see(unbalanced(1), "n1", former={BACK: HEALTHY})
    scene.index.in_flight = scene.fleet.rollout.max_in_flight

    assert ((), True) == (scene.decide().actions, "a call to return" in scene.decide().waiting_for)


def test_what_goes_is_drained_from_the_old_balancer_before_it_is_ended() -> None:
    scene = unbalanced(0)
    see(scene, "o1", former={BACK: HEALTHY}, revision=OLD)

    assert (Drain("demo", ids("o1"), BACK),) == scene.decide().actions


def test_what_goes_and_is_behind_both_balancers_is_drained_from_both() -> None:
    scene = changed(0)
    see(scene, "o1", own=HEALTHY, former={BACK: HEALTHY}, revision=OLD)
    first = scene.decide().actions
    scene.index.update(ids("o1"), NOW, draining_at=NOW, approved=True)

    assert (Drain("demo", ids("o1"), FRONT), Deregister("demo", ids("o1"), BACK)) == (*first, *scene.decide().actions)


@pytest.mark.parametrize(
    ("ended", "former"),
    [
        pytest.param((), {BACK: DRAINING}, id="not while the old balancer lets go of it"),
        pytest.param(("o1",), {}, id="when no balancer has it any more"),
    ],
)
def test_what_goes_is_ended(ended: tuple[str, ...], former: dict[Options, Membership]) -> None:
    scene = see(unbalanced(0), "o1", former={BACK: HEALTHY}, revision=OLD)
    scene.index.update(ids("o1"), NOW, draining_at=NOW, approved=True)
    see(scene, "o1", former=former, revision=OLD)

    assert ended == scene.ended()


def test_what_goes_is_not_ended_while_it_is_taken_out_of_an_old_balancer() -> None:
    scene = see(unbalanced(0), "o1", former={BACK: HEALTHY}, revision=OLD)
    scene.index.update(ids("o1"), NOW, draining_at=NOW, approved=True, drained=True, release_sent=True)
    waiting = scene.ended()
    scene.index.update(ids("o1"), NOW, release_sent=False)

    assert ((), ("o1",)) == (waiting, scene.ended())


def test_what_was_just_sent_away_from_an_old_balancer_is_not_ended_in_the_same_decision() -> None:
    scene = unbalanced(1)
    for id in ("n1", "n2"):
        see(scene, id, former={BACK: HEALTHY})
    acts = scene.decide().actions

    assert (Deregister("demo", ids("n1", "n2"), BACK),) == acts


def test_what_is_kept_leaves_the_old_balancer_without_joining_the_new_one() -> None:
    scene = see(changed(1), "n1", own=HEALTHY, former={})
    see(scene, "n2", former={BACK: UNHEALTHY}, kept_until=NOW + 100.0)

    assert (Deregister("demo", ids("n2"), BACK),) == scene.decide().actions


def test_an_in_date_member_that_drained_before_this_run_is_registered_again() -> None:
    scene = see(changed(1), "n1", own=DRAINING, former={})
    see(scene, "n1", own=DRAINING, former={})

    assert (Register("demo", ids("n1")),) == scene.decide().actions


def test_an_old_member_that_drained_before_this_run_goes() -> None:
    scene = see(changed(1), "o1", own=DRAINING, former={}, revision=OLD)

    assert State.LEAVING is scene.index.rows[InstanceId("o1")].state


def test_a_surplus_member_that_drained_before_this_run_is_ended_after_that() -> None:
    scene = see(changed(0), "n1", own=DRAINING, former={})

    assert (Drain("demo", ids("n1"), FRONT),) == scene.decide().actions


def test_of_a_balancer_that_the_fleet_does_not_declare_nothing_is_believed() -> None:
    scene = see(unbalanced(1), "n1", own=HEALTHY, former={})

    assert (ABSENT, ()) == (scene.index.rows[InstanceId("n1")].membership, scene.decide().actions)


# -- a balancer that can't be read


def blind(size: int, *, lost: bool) -> Scene:
    scene = changed(size)
    state = scene.index.clouds["demo"]
    state.balancer_error, state.balancer_lost = "no", lost
    return see(scene, "n1", own=UNKNOWN, former={})


def test_nothing_is_done_to_members_of_a_balancer_that_cannot_be_read() -> None:
    decision = blind(1, lost=True).decide()

    assert ((), False, True) == (
        decision.actions,
        decision.done,
        "the balancer in demo, which can't be read" in decision.waiting_for,
    )


@pytest.mark.parametrize(
    ("lost", "ended"),
    [pytest.param(False, (), id="for a moment"), pytest.param(True, ("n1",), id="for good")],
)
def test_a_fleet_of_none_waits_for_a_balancer_that_cannot_be_read(lost: bool, ended: tuple[str, ...]) -> None:
    assert ended == blind(0, lost=lost).ended()


def test_the_time_to_drain_is_the_same_for_old_balancers() -> None:
    wanted = fleet(0)
    scene = see(unbalanced(wanted=wanted), "o1", former={BACK: HEALTHY}, revision=OLD)
    scene.index.update(ids("o1"), NOW, draining_at=NOW, approved=True, release_sent=False)
    scene.index.clouds["demo"].fresh_until = NOW + 9e9
    see(scene, "o1", former={BACK: DRAINING}, revision=OLD)
    later = NOW + wanted.rollout.drain_s
    scene.index.advance(later)

    assert (Terminate("demo", ids("o1")),) == scene.decide(later).actions


def test_a_rebuilt_index_knows_who_lingers() -> None:
    scene = see(changed(1), "n1", own=HEALTHY, former={BACK: HEALTHY})

    assert scene.index.lingering == scene.index.rebuilt(NOW).lingering == set(ids("n1"))


def test_what_is_gone_lingers_nowhere() -> None:
    scene = see(changed(1), "n1", own=HEALTHY, former={BACK: HEALTHY})
    scene.index.forget(InstanceId("n1"))

    assert set() == scene.index.lingering


def test_what_is_kept_for_inspection_stays_in_what_it_was_behind() -> None:
    scene = see(changed(1), "n1", own=HEALTHY, former={BACK: HEALTHY})
    scene.index.keep(InstanceId("n1"), NOW + 10.0, NOW)

    assert (BACK,) == scene.index.rows[InstanceId("n1")].lingers_in


def test_a_row_that_stands_elsewhere_now_is_told_apart() -> None:
    scene = see(unbalanced(1), "n1", former={BACK: HEALTHY})
    version = scene.index.version
    see(scene, "n1", former={BACK: HEALTHY})
    same = scene.index.version
    see(scene, "n1", former={})

    assert (True, True) == (same == version, scene.index.version > version)


def test_the_facts_of_a_fleet_are_its_own() -> None:
    wanted = attrs.evolve(fleet(1, balanced=True), name="api")

    assert {"demo": FRONT} == wanted.balancer
