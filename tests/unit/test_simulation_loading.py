"""Worlds made from what was observed, to forecast from."""

import attrs
import pytest
from hypothesis import given
from immutabledict import immutabledict
from simulated import BALANCER, LATENCIES, OURS, capabilities, cloud, ids, request, scripts, wait

from vmpattern.model import (
    CloudObservation,
    Health,
    HealthCheck,
    Idempotency,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    Membership,
    Phase,
    Revision,
    Standing,
)
from vmpattern.simulation import CloudSpec, SimulatedCloud

AT = 5_000_000.0
OLD_S = LATENCIES.boot_s + LATENCIES.ready_s + 100.0
ID = InstanceId("i-1")


def row(phase: Phase = Phase.RUNNING, *, age_s: float = OLD_S, **changes: object) -> Instance:
    usual = Instance(
        id=ID,
        cloud="eu",
        deployment="shop",
        fleet="web",
        revision=Revision("r1"),
        key=LaunchKey("k1"),
        zone="a",
        machine_type="medium",
        image=ImageId("ami-1"),
        phase=phase,
        launched_at=AT - age_s,
    )
    return attrs.evolve(usual, **changes)  # type: ignore[arg-type]


def observed(*rows: Instance, **changes: object) -> CloudObservation:
    usual = CloudObservation(
        name="eu", at=AT, capabilities=capabilities(), instances=rows, machine_types=CloudSpec().machine_types
    )
    return attrs.evolve(usual, **changes)  # type: ignore[arg-type]


def probe(world: SimulatedCloud) -> Health:
    return world.probe([ID], HealthCheck())[ID]


def test_it_begins_when_it_was_observed() -> None:
    assert AT == SimulatedCloud.from_observation(observed()).clock.now()


def test_it_sells_and_can_do_what_was_observed() -> None:
    can = capabilities(max_batch=7, idempotency=Idempotency.NONE)
    world = SimulatedCloud.from_observation(observed(capabilities=can))

    assert (can, CloudSpec().machine_types) == (world.capabilities, world.machine_types())


def test_it_takes_every_image_and_every_balancer() -> None:
    world = SimulatedCloud.from_observation(observed())
    launched = ids(world.launch(request(image="ami-0abc")))
    world.register(immutabledict(target_group="x"), launched)

    assert set(launched) == set(world.members(immutabledict(target_group="x")))


@pytest.mark.parametrize(
    ("health", "probed", "expected"),
    [
        pytest.param(Health.HEALTHY, Health.UNKNOWN, Health.HEALTHY, id="well by the provider"),
        pytest.param(Health.UNHEALTHY, Health.UNKNOWN, Health.UNHEALTHY, id="ill by the provider"),
        pytest.param(Health.HEALTHY, Health.UNHEALTHY, Health.UNHEALTHY, id="the probe knows better: ill"),
        pytest.param(Health.UNHEALTHY, Health.HEALTHY, Health.HEALTHY, id="the probe knows better: well"),
        pytest.param(Health.UNKNOWN, Health.UNKNOWN, Health.HEALTHY, id="well by nobody's word"),
    ],
)
def test_a_running_instance_stays_as_well_as_it_is(health, probed, expected) -> None:
    world = SimulatedCloud.from_observation(observed(row(health=health), probed={ID: probed}))
    before = probe(world)
    wait(world, 1000.0)

    assert (expected, expected) == (before, probe(world))


def test_a_booting_instance_boots_on_from_its_launch() -> None:
    world = SimulatedCloud.from_observation(observed(row(Phase.PENDING, age_s=12.0)))

    assert AT + 8.0 == world.next_at()


def test_an_instance_that_should_have_booted_long_since_does_so_at_once() -> None:
    world = SimulatedCloud.from_observation(observed(row(Phase.PENDING, age_s=500.0)))

    assert AT == world.next_at()


@pytest.mark.parametrize("probed", [Health.UNKNOWN, Health.UNHEALTHY])
def test_an_instance_that_was_just_launched_goes_on_getting_ready(probed) -> None:
    world = SimulatedCloud.from_observation(observed(row(age_s=25.0), probed={ID: probed}))
    before = probe(world)
    world.advance(AT + 5.0)

    assert (Health.UNHEALTHY, Health.HEALTHY) == (before, probe(world))


def test_an_ending_instance_goes_on_ending() -> None:
    world = SimulatedCloud.from_observation(observed(row(Phase.TERMINATING)))
    wait(world, LATENCIES.terminate_s)

    assert [Phase.TERMINATED] == [each.phase for each in world.instances(OURS)]


def test_a_stopped_instance_stays_stopped_and_can_be_ended() -> None:
    world = SimulatedCloud.from_observation(observed(row(Phase.STOPPED)))
    wait(world, 1000.0)
    before = world.instances(OURS)[0].phase
    world.terminate([ID])

    assert (Phase.STOPPED, Phase.TERMINATING) == (before, world.instances(OURS)[0].phase)


def test_labels_stay() -> None:
    world = SimulatedCloud.from_observation(observed(row(kept_until=77.0)))
    wait(world, 100.0)

    assert 77.0 == world.instances(OURS)[0].kept_until


def test_members_stay_where_they_stand() -> None:
    rows = [row(id=InstanceId(f"i-{n}"), health=Health.HEALTHY) for n in range(3)]
    where = {InstanceId("i-0"): Membership.HEALTHY, InstanceId("i-1"): Membership.DRAINING}
    members = {id: Standing(membership) for id, membership in where.items()}
    world = SimulatedCloud.from_observation(observed(*rows), members=[(BALANCER, members)])
    before = {id: standing.membership for id, standing in world.members(BALANCER).items()}
    wait(world, LATENCIES.drain_s)

    assert (where, {"i-0"}) == (before, set(world.members(BALANCER)))


@pytest.mark.parametrize("kind", [Idempotency.BATCH, Idempotency.INSTANCE])
def test_the_keys_of_observed_instances_are_known(kind) -> None:
    world = SimulatedCloud.from_observation(observed(row(), capabilities=capabilities(idempotency=kind)))

    assert (ID,) == tuple(each.id for each in world.launch(request("k1")).adopted)


@pytest.mark.parametrize("kind", Idempotency)
@pytest.mark.parametrize("ended", [0, 1, 4])
def test_no_launch_takes_the_id_of_an_observed_instance(kind, ended) -> None:
    first = cloud(can=capabilities(idempotency=kind))
    launched = ids(first.launch(request("k1", 6)))
    wait(first, 60.0)
    rows = [each for each in first.instances(OURS) if each.id != launched[ended]]
    world = SimulatedCloud.from_observation(
        observed(*rows, at=first.clock.now(), capabilities=capabilities(idempotency=kind))
    )
    report = world.launch(request("k1", 6))

    assert not {each.id for each in report.created} & {each.id for each in rows}
    assert 6 == len(report.created) + len(report.adopted) + len(report.failures)


@given(scripts())
def test_a_copy_of_a_world_without_faults_goes_on_like_it(script) -> None:
    world = cloud()
    script.play(world)
    alive = tuple(each for each in world.instances(OURS) if each.phase in (Phase.PENDING, Phase.RUNNING))
    copy = SimulatedCloud.from_observation(
        CloudObservation(
            name=world.name,
            at=world.clock.now(),
            capabilities=world.capabilities,
            instances=alive,
            machine_types=world.machine_types(),
            probed=world.probe([each.id for each in alive], HealthCheck()),
        )
    )
    for seconds in (3.0, 7.0, 20.0, 100.0):
        wait(world, seconds)
        wait(copy, seconds)
        of_world = {each.id: each for each in world.instances(OURS)}

        assert {each.id: of_world[each.id] for each in alive} == {each.id: each for each in copy.instances(OURS)}
