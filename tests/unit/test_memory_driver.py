"""The memory driver's options, and the world that it makes of them."""

from datetime import timedelta
from pathlib import Path

import pytest
from immutabledict import immutabledict
from simulated import OURS, ids, request

from vmpattern.driver import Balancer, Console, DriverFactory, Prober, Timekeeper, Watcher, connect
from vmpattern.errors import QuotaExceeded, SpecError
from vmpattern.model import Cloud, Idempotency, Market, Phase
from vmpattern.simulation import EPOCH, FaultKind
from vmpattern_memory import MachineTypeOptions, MemoryDriver, MemoryOptions

HERE = Path()


def driver(**options: object) -> MemoryDriver:
    return MemoryDriver(MemoryOptions(**options), directory=HERE)


@pytest.mark.parametrize("protocol", [Prober, Balancer, Console, Watcher, Timekeeper])
def test_it_has_every_optional_protocol(protocol) -> None:
    assert isinstance(driver(), protocol)


def test_it_can_be_connected_by_a_file() -> None:
    options = immutabledict(
        zones=("x", "y"), boot="5s", faults=immutabledict({"slow-boot": 0.5}), capacity=immutabledict({"x/small": 1})
    )
    with connect(Cloud(name="demo", driver="memory", options=options)) as made:
        rows = made.machine_types()

    assert ("x", "y") == rows[0].zones


def test_its_rows_bear_the_files_name_for_the_cloud() -> None:
    made = MemoryDriver(MemoryOptions(), cloud="demo", directory=HERE)

    assert ["demo"] == [row.cloud for row in made.launch(request()).created]


def test_every_world_begins_at_the_same_moment() -> None:
    assert EPOCH == driver().clock.now()


def test_one_object_is_one_world() -> None:
    first, second = driver(), driver()
    first.launch(request())

    assert (1, 0) == (len(first.instances(OURS)), len(second.instances(OURS)))


def test_time_passes_only_when_it_is_moved() -> None:
    made = driver(boot=timedelta(seconds=5))
    made.launch(request())
    before = made.instances(OURS)[0].phase
    made.advance(EPOCH + 5.0)

    assert (Phase.PENDING, Phase.RUNNING) == (before, made.instances(OURS)[0].phase)


def test_its_pace_is_the_speed() -> None:
    assert (100.0, 0.0) == (driver().pace, driver(speed=0.0).pace)


def test_options_shape_the_cloud() -> None:
    made = driver(
        zones=("x",),
        boot=timedelta(seconds=1),
        ready=timedelta(seconds=2),
        terminate=timedelta(seconds=3),
        staleness=timedelta(seconds=4),
        idempotency=Idempotency.INSTANCE,
    )
    latencies = made.capabilities.latencies

    assert (1.0, 2.0, 3.0) == (latencies.boot_s, latencies.ready_s, latencies.terminate_s)
    assert (4.0, Idempotency.INSTANCE) == (made.capabilities.staleness_s, made.capabilities.idempotency)
    assert {("x",)} == {kind.zones for kind in made.machine_types()}


def test_the_quota_and_the_capacity_hold() -> None:
    made = driver(quota=3, capacity={"a/medium": 2, "b": 0})

    counts = [len(made.launch(request(key, 5, zone=zone)).created) for key, zone in (("k1", "a"), ("k2", "c"))]

    assert [2, 1] == counts
    with pytest.raises(QuotaExceeded):
        made.launch(request("k3", zone="c"))


def test_machine_types_of_ones_own_replace_the_usual() -> None:
    made = driver(machine_types={"tiny": MachineTypeOptions(vcpus=1, memory="512MiB", price=0.001)})
    (kind,) = made.machine_types()

    assert ("tiny", 1, 512, 0.001, None) == (
        kind.name,
        kind.vcpus,
        kind.memory_mib,
        kind.price(Market.ON_DEMAND),
        kind.price(Market.SPOT),
    )


def test_faults_are_drawn_by_the_seed() -> None:
    def fates(seed: int) -> list[str]:
        made = driver(faults={FaultKind.NEVER_READY: 0.5}, seed=seed)
        launched = ids(made.launch(request("k1", 40)))
        made.advance(EPOCH + 100.0)
        return [id for id, word in made.probe(launched, None).items() if word.value == "healthy"]

    assert fates(1) == fates(1) != fates(2)


@pytest.mark.parametrize(
    ("options", "path", "told"),
    [
        pytest.param({"path": ""}, "path", "the name of a file", id="no path"),
        pytest.param({"zones": ()}, "zones", "at least one", id="no zones"),
        pytest.param({"zones": ("a", "a")}, "zones", "twice", id="a zone twice"),
        pytest.param({"zones": ("a/b",)}, "zones", "isn't a zone's name", id="no zone's name"),
        pytest.param({"speed": -1.0}, "speed", "found -1", id="time runs backward"),
        pytest.param({"speed": float("inf")}, "speed", "0 for at once", id="an endless speed"),
        pytest.param({"quota": -1}, "quota", "found -1", id="a negative quota"),
        pytest.param({"capacity": {"z": 1}}, "capacity.z", "zones: a, b, c", id="capacity of no zone"),
        pytest.param({"capacity": {"a/tiny": 1}}, "capacity.a/tiny", "there are: small", id="capacity of no type"),
        pytest.param({"capacity": {"a": -1}}, "capacity.a", "found -1", id="a negative capacity"),
        pytest.param({"faults": {FaultKind.DIES: 2.0}}, "faults.dies-after-ready", "from 0 to 1", id="a wrong rate"),
        pytest.param(
            {"machine_types": {"t": MachineTypeOptions(vcpus=1, memory="4 GB")}},
            "machine_types.t.memory",
            '"4GiB"',
            id="a wrong unit",
        ),
        pytest.param(
            {"machine_types": {"t": MachineTypeOptions(vcpus=0, memory="4GiB")}},
            "machine_types.t.vcpus",
            "at least 1",
            id="no vCPU",
        ),
        pytest.param(
            {"machine_types": {"t": MachineTypeOptions(vcpus=1, memory="4GiB", price=0.0)}},
            "machine_types.t.price",
            "leave out if unknown",
            id="for free",
        ),
    ],
)
def test_a_wrong_option_is_told_by_its_name(options, path, told) -> None:
    with pytest.raises(SpecError) as caught:
        MemoryOptions(**options)

    (problem,) = caught.value.problems
    assert path == problem.path
    assert told in problem.message


def test_the_class_is_its_own_factory() -> None:
    factory: DriverFactory[MemoryOptions] = MemoryDriver

    assert MemoryOptions is factory.Options
