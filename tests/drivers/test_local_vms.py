"""The local driver with real VMs: what goes wrong in a guest, with its process, and with whoever launched it."""

import hashlib
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_vms import OURS, cleared, local, needs_qemu, request, wait

from vmpattern.model import Phase
from vmpattern_local import guest, process
from vmpattern_local.vms import Vms

pytestmark = needs_qemu

GARBAGE = """\
#!/bin/sh
head -c 200000 /dev/urandom
printf '\\377\\376 \\033[2J the last words\\n'
exit 3
"""


@pytest.fixture
def driver(tmp_path: Path):
    with cleared(tmp_path):
        yield local(tmp_path)


def alone(driver) -> Phase:
    (row,) = driver.instances(OURS)
    return row.phase


def test_a_builder_that_fails_and_prints_garbage_stays_up_shows_its_end_and_leaves_nothing(driver, tmp_path) -> None:
    (row,) = driver.launch(request(script=GARBAGE, fleet="_builders")).created
    wait(lambda: "script ended with status 3" in driver.console(row.id), "the end of the script")
    console = driver.console(row.id)

    assert "the last words" in console
    assert len(console) <= 65536
    assert alone(driver) is Phase.RUNNING
    driver.terminate([row.id])
    wait(lambda: not driver.instances(OURS), "the end of the builder")
    assert [] == list((tmp_path / "local/vms").iterdir())


def test_a_vm_whose_process_is_killed_is_stopped_and_leaves_nothing(driver, tmp_path) -> None:
    (row,) = driver.launch(request()).created
    record = Vms(tmp_path / "local").ours(row.id)
    with process.opened(tmp_path / "local/vms" / row.id, record.uuid) as found:
        assert found is not None
        found.kill()
        found.ends_within(30)

    assert alone(driver) is Phase.STOPPED
    driver.terminate([row.id])
    driver.instances(OURS)
    assert [] == list((tmp_path / "local/vms").iterdir())


def test_the_drive_with_the_environment_has_no_name_once_the_vm_runs(driver, tmp_path) -> None:
    (row,) = driver.launch(request(env={"DB": "hush-4711"})).created
    folder = tmp_path / "local/vms" / row.id

    assert not (folder / process.DRIVE).exists()
    assert not [path for path in folder.iterdir() if path.is_file() and b"hush-4711" in path.read_bytes()]


def test_staged_data_reaches_a_builder(driver) -> None:
    data = b"staged\n" * 100_000
    url = driver.stage("payload", data, lifetime_s=3600.0)
    script = f"#!/bin/sh\ncurl -fsS {url} | sha256sum\npoweroff\n"
    (row,) = driver.launch(request(script=script, fleet="_builders")).created
    wait(lambda: alone(driver) is Phase.STOPPED, "the end of the builder")

    assert hashlib.sha256(data).hexdigest() in driver.console(row.id)


def test_the_disk_of_a_vm_is_as_large_as_its_launch_asked_for(driver) -> None:
    (row,) = driver.launch(request(script="#!/bin/sh\ndf -k / | tail -n 1\n", fleet="_builders", disk_gib=3)).created
    wait(lambda: "script ended" in driver.console(row.id), "the end of the script")
    found = re.search(r"/dev/vda +(\d+) ", driver.console(row.id))
    assert found is not None

    assert int(found[1]) > 2.8 * 2**20


def test_a_guest_powers_off_when_it_is_asked_to(driver, tmp_path) -> None:
    (row,) = driver.launch(request()).created
    wait(lambda: " up" in driver.console(row.id), "the guest")
    driver.terminate([row.id])
    wait(lambda: not process.is_alive(tmp_path / "local/vms" / row.id), "the end of the guest")

    assert guest.STOPS in driver.console(row.id)


SUPPORT = str(Path(__file__).parents[1] / "support")
LAUNCH = f"""
import sys
from pathlib import Path
sys.path.insert(0, {SUPPORT!r})
from local_vms import local, request
driver = local(Path(sys.argv[1]))
print(flush=True)
driver.launch(request(sys.argv[2], 2))
"""


def test_a_vm_survives_whoever_launched_it_killed_at_any_moment(driver, tmp_path) -> None:
    pauses = random.Random(7)
    for round in range(4):
        wanted = request(f"k{round}", 2)
        child = subprocess.Popen([sys.executable, "-c", LAUNCH, str(tmp_path), wanted.key], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pauses.uniform(0.0, 0.6))
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        child.stdout.close()
        report = driver.launch(wanted)
        made = {one.id for one in (*report.created, *report.adopted)}

        assert 2 == len(made)
        assert made == {one.id for one in driver.instances(OURS) if one.phase.is_live}
        driver.terminate(sorted(made))
        wait(lambda: not driver.instances(OURS), "the end of the VMs")
    assert [] == list((tmp_path / "local/vms").iterdir())
