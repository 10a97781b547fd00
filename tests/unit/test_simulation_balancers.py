"""Balancers inside a simulated world."""

import pytest
from hypothesis import given
from immutabledict import immutabledict
from simulated import BALANCER, OURS, cloud, ids, request, scripts, wait

from vmpattern.errors import Invalid, NotFound
from vmpattern.model import InstanceId, Membership, Phase
from vmpattern.simulation import SimulatedCloud


def served(count: int = 1):
    world = cloud()
    launched = ids(world.launch(request("k1", count)))
    wait(world, 60.0)
    world.register(BALANCER, launched)
    return world, launched


def memberships(world: SimulatedCloud) -> list[Membership]:
    return [standing.membership for standing in world.members(BALANCER).values()]


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        pytest.param(0.0, Membership.UNHEALTHY, id="booting"),
        pytest.param(20.0, Membership.UNHEALTHY, id="not serving yet"),
        pytest.param(30.0, Membership.HEALTHY, id="serving"),
    ],
)
def test_a_member_is_as_well_as_its_probe(after_s, expected) -> None:
    world = cloud()
    (id,) = ids(world.launch(request()))
    world.register(BALANCER, [id])
    wait(world, after_s)

    assert {id: expected} == {id: standing.membership for id, standing in world.members(BALANCER).items()}


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        pytest.param(0.0, "the VM isn't running", id="booting"),
        pytest.param(20.0, "its health check fails", id="not serving yet"),
        pytest.param(30.0, "", id="serving"),
    ],
)
def test_a_member_that_gets_no_requests_has_a_reason(after_s, expected) -> None:
    world = cloud()
    (id,) = ids(world.launch(request()))
    world.register(BALANCER, [id])
    wait(world, after_s)

    assert expected == world.members(BALANCER)[id].reason


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        pytest.param(0.0, [Membership.DRAINING], id="drains"),
        pytest.param(9.9, [Membership.DRAINING], id="for drain_s"),
        pytest.param(10.0, [], id="and leaves"),
    ],
)
def test_a_deregistered_member_drains(after_s, expected) -> None:
    world, launched = served()
    world.deregister(BALANCER, launched)
    wait(world, after_s)

    assert expected == memberships(world)


def test_deregistering_again_does_not_begin_anew() -> None:
    world, launched = served()
    world.deregister(BALANCER, launched)
    wait(world, 9.0)
    world.deregister(BALANCER, launched)
    wait(world, 1.0)

    assert {} == world.members(BALANCER)


def test_registering_again_takes_a_member_back_for_good() -> None:
    world, launched = served()
    world.deregister(BALANCER, launched)
    wait(world, 5.0)
    world.register(BALANCER, launched)
    wait(world, 100.0)

    assert [Membership.HEALTHY] == memberships(world)


def test_a_member_that_was_taken_back_drains_anew_in_full() -> None:
    world, launched = served()
    for _ in range(2):
        world.deregister(BALANCER, launched)
        wait(world, 5.0)
        world.register(BALANCER, launched)
    world.deregister(BALANCER, launched)
    wait(world, 9.0)

    assert [Membership.DRAINING] == memberships(world)


def test_an_ending_member_is_unhealthy_and_an_ended_one_has_left() -> None:
    world, launched = served()
    world.terminate(launched)
    ending = memberships(world)
    wait(world, 20.0)

    assert ([Membership.UNHEALTHY], {}) == (ending, world.members(BALANCER))


def test_balancers_do_not_share_members() -> None:
    world, _ = served()

    assert {} == world.members(immutabledict(name="back"))


def test_deregistering_what_is_no_member_is_success() -> None:
    world, launched = served()
    world.deregister(immutabledict(name="back"), [*launched, InstanceId("i-unknown")])

    assert {} == world.members(immutabledict(name="back"))


def test_registering_what_is_not_there_adds_nobody() -> None:
    world, launched = served()
    other = immutabledict(name="back")
    with pytest.raises(NotFound):
        world.register(other, [*launched, InstanceId("i-unknown")])

    assert {} == world.members(other)


@pytest.mark.parametrize("options", [{}, {"name": ""}, {"name": 3}, {"port": 80}], ids=str)
def test_a_balancer_without_a_name_is_invalid(options) -> None:
    with pytest.raises(Invalid) as caught:
        cloud().members(immutabledict(options))

    assert "balancer.name" == caught.value.field


@given(scripts())
def test_members_are_instances_that_have_not_ended(script) -> None:
    world = cloud()
    script.play(world)
    there = {row.id for row in world.instances(OURS) if row.phase is not Phase.TERMINATED}

    assert set(world.members(BALANCER)) <= there
