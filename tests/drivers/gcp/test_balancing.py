"""Balancers: members of unmanaged groups, their health, and draining, which Google forgets."""

import pytest
from gce.clouds import request
from gce.emulator import Emulator
from gce.faults import Fault
from gce.fronts import furnish_front
from gce.refusal import Refusal
from immutabledict import immutabledict

from vmpattern.errors import Invalid, NotFound, Transient
from vmpattern.model import OUTSIDE, InstanceId, Membership, Standing
from vmpattern_gcp import GcpDriver
from vmpattern_gcp.answers import HealthState
from vmpattern_gcp.balancing import standing

FRONT = immutabledict(backend_service="front")
REGIONAL = immutabledict(backend_service="inside", region="europe-west1")


def launched(gcp: GcpDriver, count: int = 1, **changes: object) -> list[InstanceId]:
    return [row.id for row in gcp.launch(request(count, **changes)).created]


def settle(emulator: Emulator) -> None:
    emulator.world.clock.advance(5)


@pytest.mark.parametrize("balancer", [FRONT, REGIONAL], ids=["global", "regional"])
def test_members_have_the_word_of_the_health_check(gcp: GcpDriver, emulator: Emulator, balancer) -> None:
    furnish_front(emulator.world, balancer["backend_service"], region=balancer.get("region"))
    well, ill = launched(gcp, 2)
    gcp.register(balancer, [well, ill])
    settle(emulator)
    (path,) = (path for path, one in emulator.world.instances() if ill.endswith(one["id"]))
    emulator.world.unhealthy.add(path)

    address = emulator.world.find(path)[1]["networkInterfaces"][0]["networkIP"]
    told = gcp.members(balancer)

    assert Standing(Membership.HEALTHY) == told[well]
    assert Standing(Membership.UNHEALTHY, f"UNHEALTHY at {address}:80") == told[ill]


def test_each_zone_has_its_group(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    ids = launched(gcp) + launched(gcp, zone="europe-west1-c")
    gcp.register(FRONT, ids)
    settle(emulator)

    assert [1, 1] == sorted(len(members) for members in emulator.world.members.values())


def test_members_that_aren_t_ours_are_left_alone(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    (id,) = launched(gcp)
    gcp.register(FRONT, [id])
    settle(emulator)
    (_, vm), *_ = emulator.world.instances()
    vm["labels"] = {}

    assert {} == gcp.members(FRONT)


def test_what_was_taken_out_drains_as_long_as_the_backend_service_says(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front", draining_s=90)
    (id,) = launched(gcp)
    gcp.register(FRONT, [id])
    settle(emulator)
    gcp.deregister(FRONT, [id])
    words = []
    for seconds in (5, 80, 10):
        emulator.world.clock.advance(seconds)
        words.append(gcp.members(FRONT).get(id, OUTSIDE).membership)

    assert [Membership.DRAINING, Membership.DRAINING, Membership.ABSENT] == words


def test_without_draining_nothing_is_labelled(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front", draining_s=0)
    (id,) = launched(gcp)
    gcp.register(FRONT, [id])
    settle(emulator)
    gcp.deregister(FRONT, [id])

    assert 0 == emulator.calls["compute.instances.setLabels"]


def test_what_drains_and_is_registered_again_is_a_member(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front", draining_s=90)
    (id,) = launched(gcp)
    gcp.register(FRONT, [id])
    settle(emulator)
    gcp.deregister(FRONT, [id])
    settle(emulator)
    gcp.register(FRONT, [id])
    settle(emulator)

    assert Membership.HEALTHY is gcp.members(FRONT)[id].membership


def test_a_member_added_by_another_caller_meanwhile_is_for_the_caller_to_look_at_again(
    gcp: GcpDriver, emulator: Emulator
) -> None:
    furnish_front(emulator.world, "front")
    (id,) = launched(gcp)
    refused = Refusal(400, "memberAlreadyExists", "Instance is already a member")
    emulator.world.faults.append(Fault("compute.instanceGroups.addInstances", refusal=refused))

    with pytest.raises(Transient):
        gcp.register(FRONT, [id])


def test_a_balancer_that_isn_t_there_is_told(gcp: GcpDriver) -> None:
    with pytest.raises(NotFound, match="no backend service global/backendServices/front"):
        gcp.members(FRONT)


def test_a_zone_without_a_group_is_told(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    path = f"projects/{emulator.world.project}/global/backendServices/front"
    del emulator.world.find(path)[1]["backends"][0]
    (id,) = launched(gcp)

    with pytest.raises(Invalid, match="no instance group in europe-west1-b"):
        gcp.register(FRONT, [id])


def test_two_groups_in_a_zone_are_refused(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    path = f"projects/{emulator.world.project}/global/backendServices/front"
    backends = emulator.world.find(path)[1]["backends"]
    backends.append(backends[0])

    with pytest.raises(Invalid, match="two groups in europe-west1-b"):
        gcp.members(FRONT)


def test_a_misspelt_option_of_a_balancer_is_told(gcp: GcpDriver) -> None:
    with pytest.raises(Invalid, match="did you mean backend_service"):
        gcp.members(immutabledict(backend_servce="front"))


def test_who_isn_t_there_can_t_be_registered(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")

    with pytest.raises(NotFound):
        gcp.register(FRONT, [InstanceId("europe-west1-b/4711")])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(HealthState(health_state="HEALTHY"), Standing(Membership.HEALTHY), id="healthy"),
        pytest.param(
            HealthState(health_state="UNHEALTHY", ip_address="10.0.0.3", port=80, annotations={"zone": "b\nc"}),
            Standing(Membership.UNHEALTHY, "UNHEALTHY at 10.0.0.3:80, zone: b c"),
            id="what Google notes of it is told",
        ),
        pytest.param(
            HealthState(health_state="UNHEALTHY", ip_address="10.0.0.3", port=80, annotations={"key": "x" * 130}),
            Standing(Membership.UNHEALTHY, "UNHEALTHY at 10.0.0.3:80, key: …"),
            id="but nothing that may be a secret",
        ),
    ],
)
def test_where_a_member_stands(state: HealthState, expected: Standing) -> None:
    assert expected == standing(state)


def test_backend_services_with_a_group_in_common_share_it(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    furnish_front(emulator.world, "back")
    project = f"projects/{emulator.world.project}/global/backendServices"
    apart = gcp.shares(FRONT, immutabledict(backend_service="back"))
    back = emulator.world.find(f"{project}/back")[1]
    back["backends"] = [*back["backends"][1:], emulator.world.find(f"{project}/front")[1]["backends"][0]]

    assert (False, True) == (apart, gcp.shares(FRONT, immutabledict(backend_service="back")))


def test_a_backend_service_that_is_gone_shares_nothing(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")

    assert not gcp.shares(immutabledict(backend_service="gone"), FRONT)
