"""Listing, ending and labelling: nothing short is taken for whole, nothing of others is touched."""

import threading

import pytest
from gce.clouds import request
from gce.emulator import Emulator
from gce.faults import Fault, Where
from gce.guests import power_off
from gce.refusal import Refusal

from vmpattern import naming
from vmpattern.driver import Selector
from vmpattern.errors import DriverError, Invalid, NotFound, OutcomeUnknown, Transient
from vmpattern.model import InstanceId, Phase
from vmpattern_gcp import GcpDriver

SHOP = Selector("shop")
ALL = "compute.instances.aggregatedList"
BUILDER = {"fleet": naming.BUILDERS, "script": "#!/bin/sh\necho done\npoweroff\n"}


def test_a_zone_that_can_t_be_reached_is_an_error(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.launch(request())
    emulator.world.unreachable.add("europe-west1-d")
    with pytest.raises(Transient) as caught:
        gcp.instances(SHOP)

    assert ("UNREACHABLE", "zone europe-west1-d") == (caught.value.code, str(caught.value.scope))


def test_a_list_reads_no_metadata(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request()).created
    gcp.instances(SHOP)

    assert (True, False) == (row.name in emulator.last_answer, "metadata" in emulator.last_answer)


def test_a_list_is_one_call(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.launch(request(40))
    emulator.calls.clear()
    gcp.instances(SHOP)

    assert {ALL: 1} == dict(emulator.calls)


def phase(gcp: GcpDriver) -> Phase:
    (row,) = gcp.instances(SHOP)
    return row.phase


def test_a_service_that_stops_is_ending(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.launch(request())
    (path, _), *_ = emulator.world.instances()
    power_off(emulator.world, path)

    assert Phase.TERMINATING == phase(gcp)


def test_a_builder_that_stops_by_itself_runs_until_it_has_stopped(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.launch(request(**BUILDER))
    emulator.world.clock.advance(emulator.world.delays.script_s)
    stopping = phase(gcp)
    emulator.world.clock.advance(60)

    assert (Phase.RUNNING, Phase.STOPPED) == (stopping, phase(gcp))


def test_a_builder_that_is_ended_is_ending(gcp: GcpDriver) -> None:
    (row,) = gcp.launch(request(**BUILDER)).created
    gcp.terminate([row.id])

    assert Phase.TERMINATING == phase(gcp)


def test_an_end_is_two_calls_for_any_number(gcp: GcpDriver, emulator: Emulator) -> None:
    made = gcp.launch(request(100)).created
    emulator.requests = 0
    gcp.terminate([row.id for row in made])

    assert 2 == emulator.requests


def test_a_new_vm_of_the_same_name_isn_t_ended_in_the_place_of_the_old(gcp: GcpDriver, emulator: Emulator) -> None:
    (old,) = gcp.launch(request()).created
    gcp.terminate([old.id])
    emulator.world.clock.advance(60)
    emulator.world.forget_requests()
    (new,) = gcp.launch(request()).created
    gcp.terminate([old.id])

    assert (old.name, [(new.id, True)]) == (new.name, [(row.id, row.phase.is_live) for row in gcp.instances(SHOP)])


def test_a_vm_that_no_list_shows_yet_is_ended(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request()).created
    (path, vm), *_ = emulator.world.instances()
    emulator.world.unlisted.add(path)
    gcp.terminate([row.id])

    assert "STOPPING" == vm["status"]


def test_one_that_can_t_be_ended_is_told(gcp: GcpDriver, emulator: Emulator) -> None:
    made = gcp.launch(request(3)).created
    emulator.world.faults.append(Fault("compute.instances.delete", refusal=Refusal(403, "forbidden", "not you")))

    with pytest.raises(DriverError, match="not you"):
        gcp.terminate([row.id for row in made])


def test_a_batch_without_an_answer_is_unknown(gcp: GcpDriver, emulator: Emulator) -> None:
    made = gcp.launch(request(3)).created
    emulator.world.faults.append(Fault("compute.instances.delete", where=Where.NO_ANSWER))

    with pytest.raises(OutcomeUnknown):
        gcp.terminate([row.id for row in made])


def test_a_label_changed_by_somebody_else_meanwhile_is_tried_again_by_the_caller(
    gcp: GcpDriver, emulator: Emulator
) -> None:
    (row,) = gcp.launch(request()).created
    refused = Refusal(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed")
    emulator.world.faults.append(Fault("compute.instances.setLabels", refusal=refused))
    with pytest.raises(Transient):
        gcp.label([row.id], {naming.KEPT_UNTIL: "1"})
    gcp.label([row.id], {naming.KEPT_UNTIL: "1"})

    assert [1.0] == [row.kept_until for row in gcp.instances(SHOP)]


def test_labels_set_at_the_same_time_are_never_lost_silently(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request()).created
    outcomes: list[str] = []

    def label(value: str) -> None:
        try:
            gcp.label([row.id], {f"other-{value}": value})
            outcomes.append(value)
        except Transient:
            pass

    threads = [threading.Thread(target=label, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (_, vm), *_ = emulator.world.instances()

    assert sorted(outcomes) == sorted(value for name, value in vm["labels"].items() if name.startswith("other-"))


def test_a_label_of_the_launch_can_t_be_changed(gcp: GcpDriver) -> None:
    (row,) = gcp.launch(request()).created

    with pytest.raises(Invalid, match="vmpattern-revision"):
        gcp.label([row.id], {naming.REVISION: "x"})


def test_a_label_of_what_is_gone_is_not_found(gcp: GcpDriver) -> None:
    with pytest.raises(NotFound):
        gcp.label([InstanceId("europe-west1-b/4711")], {naming.KEPT_UNTIL: "1"})
