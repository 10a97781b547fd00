"""An instance from launch to gone, well and ill, as lists, probes and consoles show it."""

import math

import pytest
from simulated import OURS, capabilities, cloud, ids, request, wait

from vmpattern import naming
from vmpattern.driver import Balancer, Console, Driver, Prober, Selector, Timekeeper, Watcher
from vmpattern.errors import Invalid, NotFound, OutOfCapacity, Unsupported
from vmpattern.model import Health, HealthCheck, ImageId, Phase
from vmpattern.simulation import EPOCH, FaultKind, Faults, SimulatedCloud, Window

CHECK = HealthCheck()


def seen(world):
    """What list and probe say of the only instance."""
    (row,) = world.instances(OURS)
    return row.phase, row.health, world.probe([row.id], CHECK)[row.id]


BOOTING = (Phase.PENDING, Health.UNKNOWN, Health.UNKNOWN)
STARTING = (Phase.RUNNING, Health.UNKNOWN, Health.UNHEALTHY)
MUTE = (Phase.RUNNING, Health.UNKNOWN, Health.UNKNOWN)
SERVING = (Phase.RUNNING, Health.HEALTHY, Health.HEALTHY)
SICK = (Phase.RUNNING, Health.UNHEALTHY, Health.UNHEALTHY)
ENDING = (Phase.TERMINATING, Health.UNKNOWN, Health.UNKNOWN)
ENDED = (Phase.TERMINATED, Health.UNKNOWN, Health.UNKNOWN)


@pytest.mark.parametrize("protocol", [Prober, Balancer, Console, Watcher, Timekeeper])
def test_it_has_every_optional_protocol(protocol) -> None:
    driver: Driver = SimulatedCloud()

    assert isinstance(driver, protocol)


def test_a_launched_instance_bears_what_was_asked_for() -> None:
    world = cloud(name="demo")
    asked = request("k9", previous="r0", inputs="i123", zone="b")
    (row,) = world.launch(asked).created

    for field in ("key", "deployment", "fleet", "revision", "zone", "machine_type", "market", "image", "inputs"):
        assert getattr(asked, field) == getattr(row, field)
    assert ("demo", "r0", EPOCH, naming.instance_id(asked.key, 0)) == (row.cloud, row.previous, row.launched_at, row.id)
    assert f"web-{row.id[2:]}" == row.name
    assert row.address.startswith("10.")


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        pytest.param(19.9, BOOTING, id="boots"),
        pytest.param(20.0, STARTING, id="runs after boot_s"),
        pytest.param(29.9, STARTING, id="isn't ready at once"),
        pytest.param(30.0, SERVING, id="serves after ready_s more"),
        pytest.param(1e6, SERVING, id="stays so"),
    ],
)
def test_an_instance_boots_runs_and_serves(after_s, expected) -> None:
    world = cloud()
    world.launch(request())
    wait(world, after_s)

    assert expected == seen(world)


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        pytest.param(0.0, ENDING, id="ends at once"),
        pytest.param(19.9, ENDING, id="takes its time"),
        pytest.param(20.0, ENDED, id="has ended after terminate_s"),
        pytest.param(79.9, ENDED, id="is shown for a minute more"),
    ],
)
def test_a_terminated_instance_ends(after_s, expected) -> None:
    world = cloud()
    running = ids(world.launch(request()))
    wait(world, 100)
    world.terminate(running)
    wait(world, after_s)

    assert expected == seen(world)


def test_an_ended_instance_leaves_the_list_after_a_minute() -> None:
    world = cloud()
    world.terminate(ids(world.launch(request())))
    wait(world, 80.0)

    assert () == world.instances(OURS)


def test_terminating_again_does_not_begin_anew() -> None:
    world = cloud()
    ended = ids(world.launch(request()))
    world.terminate(ended)
    wait(world, 15.0)
    world.terminate(ended)
    wait(world, 5.0)

    assert ENDED == seen(world)


def test_terminating_what_is_not_there_is_success() -> None:
    cloud().terminate([naming.instance_id(request().key, 0)])


def test_an_instance_can_end_while_it_boots() -> None:
    world = cloud()
    world.terminate(ids(world.launch(request())))
    wait(world, 20.0)

    assert ENDED == seen(world)


def test_the_provider_says_nothing_where_it_has_no_health() -> None:
    world = cloud(can=capabilities(native_health=False))
    world.launch(request())
    wait(world, 30.0)

    assert (Phase.RUNNING, Health.UNKNOWN, Health.HEALTHY) == seen(world)


def fault(kind: FaultKind) -> Faults:
    return Faults({kind: 1.0})


@pytest.mark.parametrize(
    ("world", "times", "expected"),
    [
        pytest.param(
            cloud(fault(FaultKind.SLOW_BOOT)), (199.0, 1.0), (BOOTING, STARTING), id="a slow boot takes 200 s"
        ),
        pytest.param(cloud(fault(FaultKind.NEVER_READY)), (1e5,), (STARTING,), id="some never get ready"),
        pytest.param(cloud(fault(FaultKind.HEALTH_UNKNOWN)), (1e5,), (MUTE,), id="of some nobody ever learns it"),
        pytest.param(cloud(bad_images={"img-1"}), (1e5,), (STARTING,), id="a bad image never gets ready"),
        pytest.param(
            cloud(fault(FaultKind.FLAPPING)), (119.0, 1.0, 30.0, 90.0), (SERVING, SICK, SERVING, SICK), id="some flap"
        ),
        pytest.param(cloud(fault(FaultKind.FLAPPING)), (30.0 + 10 * 120,), (SERVING,), id="flapping comes to an end"),
        pytest.param(cloud(fault(FaultKind.DIES)), (30.0, 301.0, 1e5), (SERVING, SICK, SICK), id="some die when ready"),
    ],
)
def test_faults_shape_a_life(world, times, expected) -> None:
    world.launch(request())
    shown = []
    for after_s in times:
        wait(world, after_s)
        shown.append(seen(world))

    assert expected == tuple(shown)


def test_a_hanging_delete_stays_for_days() -> None:
    world = cloud(fault(FaultKind.DELETE_HANGS))
    world.terminate(ids(world.launch(request())))
    wait(world, 86400.0)

    assert ENDING == seen(world)


def test_an_outage_makes_a_zone_sick_while_it_lasts() -> None:
    world = cloud(Faults(windows=(Window(FaultKind.ZONE_OUTAGE, 100.0, 200.0, "a"),)))
    world.launch(request())
    shown = []
    for at_s in (99.9, 100.0, 199.9, 200.0):
        world.advance(EPOCH + at_s)
        shown.append(seen(world))

    assert [SERVING, SICK, SICK, SERVING] == shown


def test_an_outage_leaves_other_zones_alone() -> None:
    world = cloud(Faults(windows=(Window(FaultKind.ZONE_OUTAGE, 100.0, 200.0, "b"),)))
    world.launch(request())
    wait(world, 150.0)

    assert SERVING == seen(world)


def test_nothing_can_be_launched_in_a_zone_that_is_out() -> None:
    world = cloud(Faults(windows=(Window(FaultKind.ZONE_OUTAGE, 0.0, 200.0, "a"),)))
    with pytest.raises(OutOfCapacity) as caught:
        world.launch(request())

    assert "zone a" == str(caught.value.scope)


def test_outages_by_rate_come_in_spells() -> None:
    world = cloud(Faults({FaultKind.ZONE_OUTAGE: 0.5}, seed=1))
    wait(world, 1.0)
    world.launch(request())
    words = []
    for _ in range(100):
        wait(world, 60.0)
        words.append(seen(world)[1])

    assert {Health.HEALTHY, Health.UNHEALTHY} == set(words[1:])
    assert 20 < sum(word is Health.UNHEALTHY for word in words) < 80


def test_a_calm_world_has_no_more_faults() -> None:
    world = cloud(Faults({FaultKind.THROTTLE: 1.0}, (Window(FaultKind.ZONE_OUTAGE, 0.0, math.inf),)))
    world.calm_down()
    world.launch(request())
    wait(world, 30.0)

    assert SERVING == seen(world)


def test_time_never_goes_back() -> None:
    world = cloud()
    wait(world, 50.0)
    world.advance(EPOCH)

    assert EPOCH + 50.0 == world.clock.now()


def test_a_list_shows_only_what_is_selected() -> None:
    world = cloud()
    mine = world.launch(request("k1", 2)).created
    world.launch(request("k2", fleet="db"))
    world.launch(request("k3", deployment="other"))

    assert mine == world.instances(Selector("shop", "web"))
    assert {"web", "db"} == {row.fleet for row in world.instances(OURS)}


def test_kept_until_is_set_and_removed() -> None:
    world = cloud()
    labelled = ids(world.launch(request()))
    world.label(labelled, {naming.KEPT_UNTIL: "1767229200"})
    before = world.instances(OURS)[0].kept_until
    world.label(labelled, {naming.KEPT_UNTIL: ""})

    assert (1767229200.0, None) == (before, world.instances(OURS)[0].kept_until)


def test_a_label_outlasts_changes_of_phase() -> None:
    world = cloud()
    world.label(ids(world.launch(request())), {naming.KEPT_UNTIL: "5"})
    wait(world, 60.0)

    assert 5.0 == world.instances(OURS)[0].kept_until


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        pytest.param({naming.REVISION: "r2"}, naming.REVISION, id="what is set at launch"),
        pytest.param({naming.KEPT_UNTIL: "soon"}, naming.KEPT_UNTIL, id="no number"),
    ],
)
def test_other_labels_are_refused_by_name(labels, field) -> None:
    world = cloud()
    launched = ids(world.launch(request()))
    with pytest.raises(Invalid) as caught:
        world.label(launched, labels)

    assert field == caught.value.field


def test_labelling_is_all_or_nothing() -> None:
    world = cloud()
    launched = ids(world.launch(request()))
    with pytest.raises(NotFound):
        world.label([*launched, naming.instance_id(request("other").key, 0)], {naming.KEPT_UNTIL: "5"})

    assert world.instances(OURS)[0].kept_until is None


def test_labels_that_cannot_change_are_unsupported() -> None:
    with pytest.raises(Unsupported):
        cloud(can=capabilities(mutable_labels=False)).label([], {})


def test_the_console_tells_why_an_instance_never_gets_ready() -> None:
    world = cloud(bad_images={ImageId("img-bad")})
    (good,) = ids(world.launch(request("k1")))
    (bad,) = ids(world.launch(request("k2", image="img-bad")))
    wait(world, 60.0)

    assert "Started the service" in world.console(good)
    assert "The service failed" in world.console(bad)


def test_no_console_without_an_instance() -> None:
    with pytest.raises(NotFound):
        cloud().console(naming.instance_id(request().key, 0))


def test_probes_leave_out_what_is_not_there() -> None:
    assert {} == cloud().probe([naming.instance_id(request().key, 0)], CHECK)
