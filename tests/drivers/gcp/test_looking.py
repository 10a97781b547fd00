"""Looking at VMs from outside: consoles from an offset, and use of processors in one call."""

import pytest
from gce.clouds import request
from gce.emulator import Emulator

from vmpattern.errors import NotFound
from vmpattern.model import InstanceId
from vmpattern_gcp import GcpDriver


def test_a_console_shows_what_was_printed(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request(script="echo hello")).created
    emulator.world.clock.advance(60)

    assert gcp.console(row.id).endswith("hello\n")


def test_a_console_is_read_from_an_offset_on(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request(script="echo hello")).created
    before = len(gcp.console(row.id))
    emulator.world.clock.advance(60)

    assert "hello\n" == gcp.console(row.id, start=before)


def test_a_long_console_is_read_piece_by_piece(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request()).created
    (path, _), *_ = emulator.world.instances()
    emulator.world.consoles[path] = "".join(f"line {number}\n" for number in range(9000))
    emulator.world.console_piece = 10_000

    assert emulator.world.consoles[path] == gcp.console(row.id)


def test_nobody_has_no_console(gcp: GcpDriver) -> None:
    with pytest.raises(NotFound):
        gcp.console(InstanceId("europe-west1-b/4711"))


def test_the_use_of_a_fleet_is_one_call(gcp: GcpDriver, emulator: Emulator) -> None:
    ids = [row.id for row in gcp.launch(request(40)).created]
    emulator.calls.clear()
    used = gcp.usage(ids)

    assert ({"monitoring.projects.timeSeries.list": 1}, 40) == (dict(emulator.calls), len(used))


def test_use_is_told_in_vcpus_of_the_last_minute(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request(machine_type="n2-standard-4")).created
    use = gcp.usage([row.id])[row.id]

    assert (1.0, 60.0, emulator.world.clock.now()) == (use.cpu, use.period_s, use.at)
