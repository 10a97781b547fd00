import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from vmpattern.access.leases import fleets_locked
from vmpattern.errors import Locked

HOLDER = textwrap.dedent(
    """
    import pathlib, sys
    from vmpattern.access.leases import fleets_locked
    folder, *fleets = sys.argv[1:]
    with fleets_locked("shop", fleets, folder=pathlib.Path(folder)):
        print("held", flush=True)
        sys.stdin.readline()
    """
)


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def hold(processes: ExitStack, folder: Path, *fleets: str) -> "subprocess.Popen[str]":
    """Start another process that holds the locks of these fleets until it is told to let go, and wait until it does."""
    command = [sys.executable, "-c", HOLDER, str(folder), *fleets]
    process = processes.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    processes.callback(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def is_free(folder: Path, *fleets: str, deployment: str = "shop", wait_s: float = 0.0) -> bool:
    try:
        with fleets_locked(deployment, fleets, folder=folder, wait_s=wait_s):
            return True
    except Locked:
        return False


def test_another_process_is_refused_while_one_holds_the_fleet(processes: ExitStack, tmp_path: Path) -> None:
    hold(processes, tmp_path, "web")

    with pytest.raises(Locked, match="another apply on this machine is changing fleet web of shop"):
        fleets_locked("shop", ["web"], folder=tmp_path).__enter__()


def test_a_fleet_is_free_when_its_process_has_let_go(processes: ExitStack, tmp_path: Path) -> None:
    process = hold(processes, tmp_path, "web")
    process.communicate("\n", timeout=10.0)

    assert is_free(tmp_path, "web")


def test_a_fleet_is_free_when_its_process_was_killed(processes: ExitStack, tmp_path: Path) -> None:
    process = hold(processes, tmp_path, "web")
    process.kill()
    process.wait(10.0)

    assert is_free(tmp_path, "web")


@pytest.mark.parametrize(
    ("free", "deployment", "fleet"),
    [
        pytest.param(True, "shop", "api", id="another fleet"),
        pytest.param(True, "shop-test", "web", id="the fleet of that name of another deployment"),
        pytest.param(False, "shop", "web", id="but not the fleet itself"),
    ],
)
def test_who_holds_a_fleet_leaves_free(
    free: bool, deployment: str, fleet: str, processes: ExitStack, tmp_path: Path
) -> None:
    hold(processes, tmp_path, "web")

    assert free is is_free(tmp_path, fleet, deployment=deployment)


def test_who_cannot_have_all_holds_none(processes: ExitStack, tmp_path: Path) -> None:
    hold(processes, tmp_path, "web")
    is_free(tmp_path, "api", "web")

    assert is_free(tmp_path, "api")


def test_locks_are_taken_in_one_order_whatever_the_order_of_fleets(processes: ExitStack, tmp_path: Path) -> None:
    hold(processes, tmp_path, "api")
    with pytest.raises(Locked, match="fleet api"):
        fleets_locked("shop", ["web", "api"], folder=tmp_path).__enter__()

    assert not (tmp_path / "shop.web.lock").exists()


def test_who_waits_long_enough_gets_the_fleet(processes: ExitStack, tmp_path: Path) -> None:
    process = hold(processes, tmp_path, "web")
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()

    assert is_free(tmp_path, "web", wait_s=10.0)


def test_a_fleet_is_free_when_its_holder_failed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oops"), fleets_locked("shop", ["web"], folder=tmp_path):
        raise ValueError("oops")

    assert is_free(tmp_path, "web")


def test_the_folder_is_made_when_it_is_missing(tmp_path: Path) -> None:
    assert is_free(tmp_path / "state" / "locks", "web")
