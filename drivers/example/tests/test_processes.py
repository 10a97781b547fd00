"""What the kit can't know: processes that outlive their launcher, that don't want to end, and whose supervisor dies."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import IO

import attrs
import pytest

from vmpattern.driver import LaunchRequest, Selector
from vmpattern.errors import Denied, OutOfCapacity, SpecError
from vmpattern.model import ImageId, Instance, LaunchKey, Market, Phase, Revision
from vmpattern_example import ExampleDriver, ExampleOptions
from vmpattern_example.host import ALIVE, WATCHED, Host

IMAGES = {
    "rests": "exec sleep 1000",
    "refuses": "trap '' TERM; echo up; while :; do sleep 0.05; done",
    "tells": "env; exec sleep 1000",
    "leaves": "sleep 1000 & echo bye",
    "names": "echo $PPID $$; exec sleep 1000",
}
REQUEST = LaunchRequest(
    key=LaunchKey("k1"),
    count=1,
    deployment="shop",
    fleet="web",
    revision=Revision("r1"),
    zone="here",
    machine_type="process",
    market=Market.ON_DEMAND,
    image=ImageId("rests"),
)
LAUNCHES = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_processes import REQUEST, connected
connected(Path(sys.argv[1])).launch(REQUEST)
"""
PATIENCE_S = 20.0


def connected(folder: Path, host: Host | None = None, **options: object) -> ExampleDriver:
    made = ExampleOptions(images=IMAGES, path="cloud", grace=timedelta(seconds=0.3), **options)
    return ExampleDriver(made, cloud="mine", directory=folder, host=host)


def asked(image: str, **changes: object) -> LaunchRequest:
    return attrs.evolve(REQUEST, image=ImageId(image), **changes)


def rows(driver: ExampleDriver) -> tuple[Instance, ...]:
    return driver.instances(Selector("shop"))


def phases(driver: ExampleDriver) -> list[Phase]:
    return [row.phase for row in rows(driver)]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.02)


def is_free(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def printed(driver: ExampleDriver) -> str:
    (row,) = rows(driver)
    until(lambda: driver.console(row.id).endswith("\n"))
    return driver.console(row.id)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, and its processes with it."""
    yield tmp_path
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(tmp_path / "cloud")


def test_an_instance_outlives_the_process_that_launched_it(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", LAUNCHES, folder], check=True)

    assert [Phase.RUNNING] == phases(connected(folder))


def test_processes_that_launch_with_one_key_at_once_get_one_instance(folder: Path) -> None:
    launching = [subprocess.Popen([sys.executable, "-c", LAUNCHES, folder]) for _ in range(3)]

    assert ([0, 0, 0], 1) == ([one.wait() for one in launching], len(rows(connected(folder))))


def test_what_refuses_to_end_is_killed(folder: Path) -> None:
    driver = connected(folder)
    driver.launch(asked("refuses"))
    printed(driver)
    driver.terminate([row.id for row in rows(driver)])

    until(lambda: not rows(driver))


def test_what_ends_by_itself_is_stopped_with_all_that_it_started(folder: Path) -> None:
    driver = connected(folder)
    driver.launch(asked("leaves"))

    until(lambda: phases(driver) == [Phase.STOPPED])


def test_what_has_stopped_is_gone_once_it_is_ended(folder: Path) -> None:
    driver = connected(folder)
    driver.launch(asked("leaves"))
    until(lambda: phases(driver) == [Phase.STOPPED])
    driver.terminate([row.id for row in rows(driver)])

    assert [] == phases(driver)


def test_a_process_whose_folder_is_removed_ends(folder: Path) -> None:
    driver = connected(folder)
    driver.launch(REQUEST)
    (row,) = rows(driver)

    with (folder / "cloud" / row.name / ALIVE).open("rb") as lock:
        assert not is_free(lock)
        shutil.rmtree(folder / "cloud")
        until(lambda: is_free(lock))


@pytest.fixture
def orphaned(folder: Path) -> Iterator[ExampleDriver]:
    """A driver of which the only instance has lost its supervisor."""
    driver = connected(folder)
    driver.launch(asked("names"))
    supervisor, service = map(int, printed(driver).split())
    (row,) = rows(driver)
    os.kill(supervisor, signal.SIGKILL)
    with (folder / "cloud" / row.name / WATCHED).open("rb") as lock:
        until(lambda: is_free(lock))  # a signal is sent before it is obeyed
    yield driver
    os.kill(service, signal.SIGKILL)


def test_what_has_lost_its_supervisor_still_runs(orphaned: ExampleDriver) -> None:
    assert [Phase.RUNNING] == phases(orphaned)


def test_nobody_says_of_what_has_lost_its_supervisor_that_it_will_end(orphaned: ExampleDriver) -> None:
    with pytest.raises(Denied, match="nobody supervises"):
        orphaned.terminate([row.id for row in rows(orphaned)])


class Crashing(Host):
    """A host whose caller is interrupted between making the record and starting the process."""

    def start(self, name: str, command: str, env: Mapping[str, str], *, grace_s: float) -> None:
        raise KeyboardInterrupt


def test_a_launch_that_was_cut_short_is_seen_and_is_completed_by_the_same_request(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        connected(folder, Crashing(folder / "cloud")).launch(REQUEST)
    driver = connected(folder)
    before = rows(driver)
    report = driver.launch(REQUEST)

    assert ([Phase.PENDING], [before[0].id]) == ([row.phase for row in before], [row.id for row in report.adopted])
    assert [Phase.RUNNING] == phases(driver)


def test_a_service_gets_its_own_environment_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "1")
    driver = connected(folder)
    driver.launch(asked("tells", port=8080, env={"GREETING": "hello"}))
    lines = set(printed(driver).splitlines())
    (row,) = rows(driver)

    assert {"GREETING=hello", "PORT=8080", f"ADDRESS={row.address}"} <= lines
    assert "OF_THE_CALLER=1" not in lines


def test_a_secret_is_in_no_file(folder: Path) -> None:
    driver = connected(folder)
    driver.launch(asked("rests", env={"PASSWORD": "hush-4711"}))
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert [] == [path for path in files if b"hush-4711" in path.read_bytes()]
    assert files


def test_where_there_is_room_for_fewer_the_rest_is_told(folder: Path) -> None:
    report = connected(folder, capacity=2).launch(asked("rests", count=3))

    assert (2, [OutOfCapacity]) == (len(report.created), [type(error) for error in report.failures])


@pytest.mark.parametrize(
    ("options", "paths"),
    [({"zones": ()}, ["zones"]), ({"capacity": 0, "price": 0.0}, ["capacity", "price"])],
)
def test_options_that_can_not_be_are_all_told(folder: Path, options: Mapping[str, object], paths: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        connected(folder, **options)

    assert paths == [problem.path for problem in caught.value.problems]
