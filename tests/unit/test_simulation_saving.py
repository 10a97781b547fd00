"""Worlds as JSON and back."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from simulated import OURS, all_faults, cloud, request, scripts, specs, wait

from vmpattern.simulation import CloudSpec, SimulatedCloud


def saved(world: SimulatedCloud) -> dict[str, Any]:
    return json.loads(json.dumps(world.to_json()))


@given(scripts(), all_faults(), specs())
def test_a_world_saved_and_loaded_is_saved_alike(script, faults, spec) -> None:
    world = SimulatedCloud(spec, faults=faults)
    script.play(world)
    data = saved(world)

    assert data == saved(SimulatedCloud.from_json(data, spec, faults=faults))


@given(scripts(15), scripts(15), all_faults(), specs())
def test_a_world_saved_and_loaded_goes_on_as_it_would_have(before, after, faults, spec) -> None:
    world = SimulatedCloud(spec, faults=faults)
    before.play(world)
    loaded = SimulatedCloud.from_json(saved(world), spec, faults=faults)

    assert list(map(repr, after.play(world))) == list(map(repr, after.play(loaded)))
    assert (world.calls, world.clock.now(), world.next_at()) == (loaded.calls, loaded.clock.now(), loaded.next_at())


def test_a_loaded_world_bears_the_name_that_it_is_loaded_under() -> None:
    world = cloud(name="demo")
    world.launch(request())
    loaded = SimulatedCloud.from_json(saved(world), attrs.evolve(world.spec, name="lab"))

    assert ["lab"] == [row.cloud for row in loaded.instances(OURS)]


def test_a_saved_world_does_not_grow_with_its_past() -> None:
    world = cloud()
    sizes = []
    for round in range(6):
        for number in range(5):
            report = world.launch(request(f"k{round}-{number}", 5))
            world.terminate([row.id for row in report.created])
        wait(world, 200_000.0)
        sizes.append(len(json.dumps(world.to_json())))

    assert sizes[-1] <= sizes[1] + 50


def test_no_value_of_the_environment_is_saved() -> None:
    world = cloud()
    world.launch(request(env={"TOKEN": "hush-hush"}))

    assert "hush-hush" not in json.dumps(world.to_json())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({**cloud().to_json(), "vms": [{"row": 3}]}, id="no row"),
        pytest.param({**cloud().to_json(), "at": "noon"}, id="no time"),
    ],
)
def test_what_is_no_world_is_refused(data) -> None:
    with pytest.raises(ValueError, match=r"@ \$"):
        SimulatedCloud.from_json(data, CloudSpec())


def test_a_vm_that_was_taken_out_by_hand_is_named() -> None:
    world = cloud()
    id = world.launch(request()).created[0].id
    data = saved(world)
    data["vms"] = [vm for vm in data["vms"] if vm["row"]["id"] != id]

    with pytest.raises(ValueError, match=f'its parts don\'t fit together: the VM {id} is in "changed"'):
        SimulatedCloud.from_json(data, world.spec)


def test_a_vm_that_was_taken_out_by_hand_everywhere_is_gone() -> None:
    world = cloud()
    id = world.launch(request()).created[0].id
    data = saved(world)
    data["vms"] = [vm for vm in data["vms"] if vm["row"]["id"] != id]
    del data["changed"][id]

    assert id not in [row.id for row in SimulatedCloud.from_json(data, world.spec).instances(OURS)]


def test_a_vm_that_is_about_to_leave_the_lists_and_was_taken_out_is_named() -> None:
    data = {**saved(cloud()), "vanishing": [[5.0, "i-1"]]}

    with pytest.raises(ValueError, match='the VM i-1 is in "vanishing"'):
        SimulatedCloud.from_json(data, CloudSpec())


def test_a_vm_that_is_there_twice_is_named() -> None:
    world = cloud()
    id = world.launch(request()).created[0].id
    data = saved(world)
    data["vms"] = [*data["vms"], *data["vms"]]

    with pytest.raises(ValueError, match=f'the VM {id} is in "vms" 2 times'):
        SimulatedCloud.from_json(data, world.spec)
