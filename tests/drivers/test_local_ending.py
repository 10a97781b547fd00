"""Ending VMs of the local driver: asked first, then by force; never what isn't provably the VM."""

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from local_vms import OURS, control, local, pretended

from vmpattern.errors import Invalid, NotFound
from vmpattern.model import InstanceId, Phase
from vmpattern_local import files, guest, process


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 5000.0

    def __call__(self) -> float:
        return self.at


def is_up(vm) -> None:
    (vm.folder / process.CONSOLE).write_text(guest.up(vm.record.uuid))


def phases(driver) -> list[Phase]:
    return [row.phase for row in driver.instances(OURS)]


def test_a_guest_that_is_up_is_asked_to_power_off(tmp_path: Path) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path) as vm, control(vm.folder) as heard:
        is_up(vm)
        driver.terminate([InstanceId(vm.record.id)])

        assert ["qmp_capabilities", "send-key"] == heard
        assert [Phase.TERMINATING] == phases(driver)


def test_what_ignores_that_it_was_asked_is_killed_after_its_grace(tmp_path: Path) -> None:
    clock = Clock()
    driver = local(tmp_path, clock=clock, grace=timedelta(seconds=30))
    with pretended(tmp_path) as vm, control(vm.folder):
        is_up(vm)
        driver.terminate([InstanceId(vm.record.id)])
        clock.at += 29.0
        driver.instances(OURS)
        assert vm.runs.poll() is None
        clock.at += 1.0
        driver.instances(OURS)

        assert -9 == vm.runs.wait(30)


def test_asking_again_does_not_put_the_end_off(tmp_path: Path) -> None:
    clock = Clock()
    driver = local(tmp_path, clock=clock, grace=timedelta(seconds=30))
    with pretended(tmp_path) as vm, control(vm.folder):
        is_up(vm)
        driver.terminate([InstanceId(vm.record.id)])
        clock.at += 30.0
        driver.terminate([InstanceId(vm.record.id)])

        assert -9 == vm.runs.wait(30)


def test_a_guest_that_is_not_up_yet_is_killed_at_once(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm:
        local(tmp_path).terminate([InstanceId(vm.record.id)])

        assert -9 == vm.runs.wait(30)


def test_a_vm_whose_control_socket_is_dead_is_killed_at_once(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm:
        is_up(vm)
        local(tmp_path).terminate([InstanceId(vm.record.id)])

        assert -9 == vm.runs.wait(30)


def test_what_has_ended_is_told_once_and_leaves_no_file(tmp_path: Path) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path) as vm:
        driver.terminate([InstanceId(vm.record.id)])
        vm.runs.wait(30)

        assert [[Phase.TERMINATED], []] == [phases(driver), phases(driver)]
        assert [] == list((tmp_path / "local/vms").iterdir())


def test_closing_sees_to_the_end_of_what_was_asked_to_end(tmp_path: Path) -> None:
    driver = local(tmp_path, grace=timedelta(seconds=0.2))
    with pretended(tmp_path) as vm, pretended(tmp_path) as other, control(vm.folder):
        is_up(vm)
        driver.terminate([InstanceId(vm.record.id)])
        driver.close()

        assert -9 == vm.runs.wait(30)
        assert [other.folder] == list((tmp_path / "local/vms").iterdir())


def test_closing_waits_for_what_was_killed_and_is_not_gone_yet(tmp_path: Path) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path, bears_uuid=False) as vm:
        alive = files.hold(vm.folder / process.ALIVE)  # as long as the system takes down a process without a name
        driver.terminate([InstanceId(vm.record.id)])
        threading.Timer(0.5, os.close, [alive]).start()
        driver.close()

        assert [] == list((tmp_path / "local/vms").iterdir())


def test_a_process_that_dies_leaves_a_stopped_vm(tmp_path: Path) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path) as vm:
        vm.runs.kill()
        vm.runs.wait(30)

        assert [Phase.STOPPED] == phases(driver)


def test_a_stale_number_that_is_now_another_process_is_never_signalled(tmp_path: Path) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path, bears_uuid=False) as vm:
        assert [Phase.STOPPED] == phases(driver)
        driver.terminate([InstanceId(vm.record.id)])
        driver.instances(OURS)

        assert vm.runs.poll() is None
        assert () == driver.instances(OURS)


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "99999999", "1"])
def test_a_damaged_number_ends_nothing(tmp_path: Path, number: str) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path, bears_uuid=False) as vm:
        (vm.folder / process.PID).write_text(number)
        driver.terminate([InstanceId(vm.record.id)])

        assert vm.runs.poll() is None


def test_a_damaged_record_makes_the_list_an_error_that_names_it(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm:
        (vm.folder / "vm.json").write_text("{")

        with pytest.raises(Invalid, match=vm.record.id):
            local(tmp_path).instances(OURS)
        assert vm.runs.poll() is None


@pytest.mark.parametrize("id", ["", ".", "..", "../vms", "a/b", "vm-none"])
def test_an_id_that_leads_nowhere_touches_nothing(tmp_path: Path, id: str) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path):
        driver.terminate([InstanceId(id)])

        with pytest.raises(NotFound):
            driver.console(InstanceId(id))
        assert [Phase.RUNNING] == phases(driver)
