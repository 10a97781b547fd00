"""The local driver's health checks with real VMs: what takes a connection in a guest's place proves nothing."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_vms import OURS, cleared, local, needs_qemu, request, wait

from vmpattern.model import Health, HealthCheck, InstanceId, Phase
from vmpattern_local import LocalDriver, qmp

pytestmark = needs_qemu

TCP, HTTP = HealthCheck(timeout_s=1.0), HealthCheck(http="/", timeout_s=1.0)
QUIET = "#!/bin/sh\necho listening\nnc -lk -p 8080 -e cat\n"


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[LocalDriver]:
    with cleared(tmp_path):
        yield local(tmp_path)


def alone(driver: LocalDriver) -> Phase:
    (row,) = driver.instances(OURS)
    return row.phase


def test_a_vm_whose_service_does_not_listen_is_never_healthy(driver: LocalDriver) -> None:
    (row,) = driver.launch(request(port=8080)).created
    words: set[Health] = set()

    def is_up() -> bool:
        words.update(driver.probe([row.id], check).get(row.id, Health.UNKNOWN) for check in (TCP, HTTP))
        return " up" in driver.console(row.id)

    wait(lambda: alone(driver) is Phase.RUNNING, "the VM")
    wait(is_up, "its console")
    is_up()

    assert Health.HEALTHY not in words
    assert Health.UNHEALTHY is driver.probe([row.id], TCP)[row.id]


def test_a_service_that_listens_and_says_nothing_is_healthy_until_its_guest_hangs(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (row,) = driver.launch(request(script=QUIET, fleet="_builders", port=8080)).created
    wait(lambda: driver.probe([row.id], TCP).get(row.id) is Health.HEALTHY, "the service")
    folder = tmp_path / "local/vms" / row.id
    paused = qmp._ask(folder, "stop")
    words = {driver.probe([row.id], check)[row.id] for check in (TCP, HTTP)}

    assert paused == {}
    assert {Health.UNHEALTHY} == words


def test_an_open_connection_of_somebody_else_says_nothing(driver: LocalDriver) -> None:
    (row,) = driver.launch(request(script=QUIET, fleet="_builders", port=8080)).created
    wait(lambda: driver.probe([row.id], TCP).get(row.id) is Health.HEALTHY, "the service")
    (row,) = driver.instances(OURS)
    host, port = (row.address or "").split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection((host, int(port))))

        wait(lambda: driver.probe([row.id], TCP)[row.id] is Health.HEALTHY, "the service beside other connections")


def test_who_is_not_there_is_not_answered_for(driver: LocalDriver) -> None:
    assert {} == driver.probe([InstanceId("vm-gone")], TCP)
