"""Launching on an emulator: how many calls, what is remembered, what came to nothing, and why."""

from collections import Counter

import attrs
import pytest
from gce.clouds import driver, request
from gce.emulator import Emulator
from gce.faults import STOCKOUT, Fault, OperationError, Where
from gce.quotas import allow
from immutabledict import immutabledict

from vmpattern.driver import Selector
from vmpattern.errors import Invalid, KeyConflict, KeySpent, OutcomeUnknown, OutOfCapacity, QuotaExceeded
from vmpattern.model import InstanceId
from vmpattern_gcp import GcpDriver
from vmpattern_gcp.names import vm_names

INSERT, BULK = "compute.instances.insert", "compute.instances.bulkInsert"
WAIT, LIST = "compute.zoneOperations.wait", "compute.instances.list"


def test_one_vm_costs_two_calls(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.launch(request())

    assert Counter({INSERT: 1, WAIT: 1}) == emulator.calls


def test_two_hundred_vms_cost_four_calls(gcp: GcpDriver, emulator: Emulator) -> None:
    report = gcp.launch(request(200))

    assert (200, Counter({BULK: 1, WAIT: 1, LIST: 2})) == (len(report.created), emulator.calls)


def test_what_bulk_insertion_makes_has_the_names_of_the_key(gcp: GcpDriver) -> None:
    report = gcp.launch(request(3))

    assert vm_names("web", request().key, 3) == sorted(row.name for row in report.created)


def test_names_of_the_longest_fleet_are_names(gcp: GcpDriver) -> None:
    report = gcp.launch(request(2, fleet="f" + "o-" * 19 + "-"))

    assert 2 == len(report.created)


def test_a_stockout_of_some_leaves_the_others(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.room["europe-west1-b/e2-small"] = 2
    report = gcp.launch(request(5))

    assert (2, ["ZONE_RESOURCE_POOL_EXHAUSTED"] * 3) == (len(report.created), [one.code for one in report.failures])


def test_a_stockout_names_its_zone_and_machine_type(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.room["europe-west1-b"] = 0
    with pytest.raises(OutOfCapacity) as caught:
        gcp.launch(request(5))

    assert "machine-type e2-small on-demand europe-west1-b" == str(caught.value.scope)


def test_a_stockout_is_over_when_there_is_room_again(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.room["europe-west1-b"] = 0
    with pytest.raises(OutOfCapacity):
        gcp.launch(request())
    emulator.world.room.clear()

    assert 1 == len(gcp.launch(request()).created)


def test_a_quota_stops_everything(gcp: GcpDriver, emulator: Emulator) -> None:
    allow(emulator.world, "CPUS", 1)

    with pytest.raises(QuotaExceeded, match="CPUS"):
        gcp.launch(request(2))


def test_every_error_of_an_operation_is_told_and_the_gravest_is_raised(gcp: GcpDriver, emulator: Emulator) -> None:
    errors = (STOCKOUT, OperationError("QUOTA_EXCEEDED", "Quota 'SSD_TOTAL_GB' exceeded."))
    emulator.world.faults.append(Fault(INSERT, where=Where.OPERATION, errors=errors))
    with pytest.raises(QuotaExceeded) as caught:
        gcp.launch(request())

    assert "does not have enough resources" in caught.value.message


def test_a_replayed_launch_of_a_vm_that_has_ended_is_spent(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request()).created
    gcp.terminate([row.id])
    emulator.world.clock.advance(60)

    with pytest.raises(KeySpent):
        gcp.launch(request())


def test_a_replayed_launch_of_vms_that_have_ended_is_spent(gcp: GcpDriver, emulator: Emulator) -> None:
    made = gcp.launch(request(2)).created
    gcp.terminate([row.id for row in made])
    emulator.world.clock.advance(60)

    with pytest.raises(KeySpent):
        gcp.launch(request(2))


def test_of_a_launch_that_was_cut_short_what_is_missing_is_made(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.room["europe-west1-b"] = 2
    first = gcp.launch(request(5))
    emulator.world.room.clear()
    again = gcp.launch(request(5))

    assert ({row.id for row in first.created}, 3) == ({row.id for row in again.adopted}, len(again.created))


def test_a_vm_that_no_list_shows_yet_is_unknown_not_gone(gcp: GcpDriver, emulator: Emulator) -> None:
    late = vm_names("web", request().key, 2)[0]
    emulator.world.unlisted.add(f"projects/{emulator.world.project}/zones/europe-west1-b/instances/{late}")
    report = gcp.launch(request(2))

    assert (1, 1, ()) == (len(report.created), report.unknown, report.failures)


def test_a_disk_that_was_left_behind_spends_the_key(gcp: GcpDriver, emulator: Emulator) -> None:
    (name,) = vm_names("web", request().key, 1)
    zone = f"projects/{emulator.world.project}/zones/europe-west1-b"
    emulator.world.add("disk", f"{zone}/disks/{name}", status="READY", sizeGb="10")

    with pytest.raises(KeySpent):
        gcp.launch(request())


def test_more_of_a_key_than_before_is_another_request(gcp: GcpDriver) -> None:
    gcp.launch(request(2))

    with pytest.raises(KeyConflict):
        gcp.launch(request(3))


def test_an_insertion_that_doesn_t_end_is_unknown(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.delays = attrs.evolve(emulator.world.delays, insert_s=300.0)

    with pytest.raises(OutcomeUnknown, match="two minutes"):
        gcp.launch(request())


@pytest.mark.parametrize("count", [1, 2])
def test_a_wait_that_fails_leaves_the_launch_unknown(gcp: GcpDriver, emulator: Emulator, count: int) -> None:
    emulator.world.faults.append(Fault(WAIT))

    with pytest.raises(OutcomeUnknown):
        gcp.launch(request(count))


def test_reasons_that_can_t_be_read_leave_the_launch_unknown(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.faults.append(Fault("compute.zoneOperations.list"))
    emulator.world.room["europe-west1-b"] = 1

    with pytest.raises(OutcomeUnknown):
        gcp.launch(request(2))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"zone": "europe-west1-x"}, "zone", id="no such zone"),
        pytest.param({"machine_type": "e2-giant"}, "machine_type", id="no such machine type"),
        pytest.param({"image": "no-such-image"}, "image", id="no such image"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_what_can_never_work_names_its_field(gcp: GcpDriver, count: int, changes, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        gcp.launch(request(count, **changes))

    assert field == caught.value.field


def test_a_subnetwork_that_isn_t_there_is_named(gcp: GcpDriver) -> None:
    with pytest.raises(Invalid) as caught:
        gcp.launch(request(options=immutabledict(subnetwork="nowhere")))

    assert "options.subnetwork" == caught.value.field


def test_secrets_go_to_the_vm_and_nowhere_else(gcp: GcpDriver, emulator: Emulator, url: str) -> None:
    gcp.launch(request(env={"TOKEN": "hush-4711"}))
    (_, vm), *_ = emulator.world.instances()
    rows = driver(emulator, url).instances(Selector("shop"))

    assert "hush-4711" in str(vm["metadata"])
    assert "hush-4711" not in str(rows) + str(vm["labels"]) + vm["description"]


def test_an_id_that_is_none_is_refused(gcp: GcpDriver) -> None:
    with pytest.raises(Invalid):
        gcp.terminate([InstanceId("i-0abc")])
