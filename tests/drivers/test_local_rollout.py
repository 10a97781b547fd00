"""The example of the local driver, as users run it: replaced under load, killed at any moment, ended in the end."""

import importlib.util
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_vms import cleared, free_port, needs_qemu, wait

import vmpattern as vmp
from vmpattern_local import process
from vmpattern_local.vms import Vms

pytestmark = needs_qemu

EXAMPLE = Path(__file__).parents[2] / "examples/local"
PORT = free_port()
URL = f"http://127.0.0.1:{PORT}/"


def load_example():
    """Return the module run.py of the example."""
    spec = importlib.util.spec_from_file_location("local_example", EXAMPLE / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load_example()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    """Three VMs of the example behind their balancer; a test may leave them in any state."""
    place = tmp_path_factory.mktemp("rollout") / "here"
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns(".vmpattern"))
    edit(place, "port = 8430", f"port = {PORT}")
    with cleared(place / ".vmpattern"):
        run.apply(place, [])
        yield place
        run.apply(place, [], size=0)


def edit(folder: Path, before: str, after: str) -> None:
    file = folder / "vmpattern.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def rows(folder: Path) -> list[vmp.Instance]:
    deployment = vmp.load(folder / "vmpattern.toml")
    return [row.instance for row in vmp.survey(deployment, vmp.observe(deployment))["hello"].rows]


def revisions(folder: Path) -> list[str]:
    return [row.revision for row in rows(folder) if row.phase is vmp.Phase.RUNNING]


def test_a_rolling_update_under_load_fails_no_request(folder: Path) -> None:
    with run.Client(URL) as client:
        wait(lambda: client.answers, "the first answer")
        (folder / "hello/version").write_text("2\n")
        run.apply(folder, [])

    assert {"version 1", "version 2"} == set(client.counts)


def test_a_vm_that_is_killed_is_replaced_by_the_next_apply(folder: Path) -> None:
    before = {row.id for row in rows(folder)}
    store = Vms(folder / ".vmpattern/local")
    victim = store.ours(min(before))
    process.kill(store.folder(victim.id), victim.uuid)
    wait(lambda: not process.is_alive(store.folder(victim.id)), "the end of the process")
    run.apply(folder, [])
    after = {row.id for row in rows(folder)}

    assert before - {victim.id} < after
    assert 3 == len(after)


def test_an_apply_that_is_killed_at_any_moment_converges_when_it_is_begun_again(folder: Path) -> None:
    pauses = random.Random(11)
    edit(folder, '"Hello from"', '"Greetings from"')
    command = [sys.executable, "-m", "vmpattern", "-f", str(folder / "vmpattern.toml"), "apply", "--yes"]
    for _ in range(3):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pauses.uniform(5.0, 30.0))
        child.kill()
        child.wait(30)
    run.apply(folder, [])
    found = revisions(folder)

    # What a killed apply had sent away may still be on its way out.
    assert 3 == len(found) == sum(row.phase.is_live for row in rows(folder))
    assert 1 == len(set(found))


def test_nothing_is_left_when_everything_was_ended(folder: Path) -> None:
    run.apply(folder, [], size=0)

    run.check_nothing_is_left(folder, URL)
