"""Bakes in real VMs: what a recipe's own script does wrong, and a disk that gets full, leave a clear word only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from local_vms import OURS, cleared, local, needs_qemu, one_vm, pretended

import vmpattern as vmp
from vmpattern.driver import CaptureRequest
from vmpattern.errors import QuotaExceeded
from vmpattern.model import BakeResult, BakeState, ImageId, InstanceId, Result
from vmpattern.operations import images
from vmpattern_local import parts

FILE = one_vm("""\
base = "alpine"
provision = "provision.sh"
run = "/bin/sh"
""")
GARBAGE = """\
#!/bin/sh
head -c 200000 /dev/urandom
printf '\\377\\376 \\033[2J\\nthe last words\\n'
exit 7
"""
NEVER_ENDS = "#!/bin/sh\necho 'it goes on'\nwhile :; do sleep 1; done\n"
SLOW_TO_BOOT_S = 60.0


@pytest.fixture
def folder(tmp_path: Path):
    (tmp_path / "vmpattern.toml").write_text(FILE)
    with cleared(tmp_path):
        yield tmp_path


def baked(folder: Path, script: str, **options: float) -> BakeResult:
    (folder / "provision.sh").write_text(script)
    (result,) = vmp.bake(vmp.load(folder / "vmpattern.toml"), locks=folder, **options).results
    return result


def left(folder: Path) -> list[str]:
    """Name what lies where VMs, images and staged data do."""
    places = (folder / "local" / kind for kind in ("vms", "images", "staged"))
    return [path.name for place in places for path in place.glob("*") if path.name != "lock"]


@needs_qemu
def test_a_script_that_prints_garbage_and_fails_is_told_by_its_last_words(folder: Path) -> None:
    result = baked(folder, GARBAGE)

    assert (BakeState.FAILED, None) == (result.state, result.image)
    assert "the last words\nvmpattern: the provisioning script ended with status 7" in result.console
    assert [] == left(folder)


@needs_qemu
def test_a_script_that_never_ends_is_ended_at_the_deadline(folder: Path) -> None:
    result = baked(folder, NEVER_ENDS, deadline_s=SLOW_TO_BOOT_S)

    assert BakeState.FAILED is result.state
    assert "wasn't done within" in result.message
    assert "it goes on" in result.console
    assert [] == left(folder)


@needs_qemu
def test_what_a_script_left_running_does_not_keep_its_image_from_being_made(folder: Path) -> None:
    result = baked(folder, "#!/bin/sh\n(trap '' TERM; while :; do sleep 1; done) &\nsleep 300 &\n")

    assert BakeState.BAKED is result.state
    assert [result.image] == left(folder)


@needs_qemu
def test_an_interruption_while_an_image_is_booted_to_see_what_it_holds_deletes_it(folder: Path) -> None:
    """The script powers off by itself: the builder stops without its last words, and without a start program."""
    (folder / "provision.sh").write_text("#!/bin/sh\necho off\npoweroff\nsleep 30\n")
    stop = vmp.StopSwitch()

    def ask(event: vmp.Event) -> None:
        if "booted to see what it holds" in event.message:
            stop.ask()

    (result,) = vmp.bake(vmp.load(folder / "vmpattern.toml"), locks=folder, on_event=ask, stop=stop).results

    assert BakeState.INTERRUPTED is result.state
    assert "wasn't verified yet and was deleted" in result.message
    assert [] == left(folder)


@needs_qemu
def test_what_a_killed_bake_left_is_run_by_no_apply_and_found_wrong_by_the_next(folder: Path) -> None:
    (folder / "provision.sh").write_text("#!/bin/sh\necho off\npoweroff\nsleep 30\n")
    killed(folder, "bake", at="booted to see what it holds")
    plan = vmp.plan(deployment := vmp.load(folder / "vmpattern.toml"), vmp.observe(deployment))
    (image,) = [use.image for use in images(deployment)[0]]
    stop = vmp.StopSwitch()

    def ask(event: vmp.Event) -> None:
        if "is there, and isn't verified yet" in event.message:
            stop.ask()

    outcome = vmp.apply(plan, locks=folder / "state/vmpattern/locks", on_event=ask, stop=stop)

    assert not image.is_usable
    assert ["web"] == [bake.service for bake in plan.bakes]
    assert Result.INTERRUPTED is outcome.result
    # A folder that was half made when it was killed is cleared by the next launch.
    assert [] == [name for name in left(folder) if not name.startswith(".new-")]


@needs_qemu
def test_an_image_whose_smoke_test_was_killed_is_verified_before_anything_runs_from_it(folder: Path) -> None:
    (folder / "provision.sh").write_text("#!/bin/sh\ntrue\n")
    killed(folder, "bake", "--smoke", at="to see whether it")
    plan = vmp.plan(deployment := vmp.load(folder / "vmpattern.toml"), vmp.observe(deployment))
    (result,) = vmp.bake(deployment, locks=folder / "state/vmpattern/locks").results
    (image,) = [use.image for use in images(deployment)[0]]

    assert ["web"] == [bake.service for bake in plan.bakes]
    assert (BakeState.BAKED, True) == (result.state, image.is_usable)
    assert [image.id] == left(folder)


def killed(folder: Path, *words: str, at: str) -> None:
    """Kill a command as soon as it prints these words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vmpattern", *words],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": str(folder / "state")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while at not in process.stderr.readline():
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)


def test_a_disk_that_gets_full_while_an_image_is_made_leaves_no_part_of_it(tmp_path: Path) -> None:
    base = tmp_path / "local/bases/disk-0123"
    base.mkdir(parents=True)
    for name in ("disk.qcow2", "kernel", "initrd"):
        (base / name).write_text(name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in (parts.SYSTEM, parts.IMAGES):
        (programs / name).write_text("#!/bin/sh\necho 'qemu-img: No space left on device' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    driver = local(tmp_path, programs=str(programs))
    with pretended(tmp_path, image=base.name, builder=True) as vm:
        (vm.folder / "disk.qcow2").write_text("overlay")
        vm.runs.kill()
        vm.runs.wait(30)
        id = InstanceId(vm.record.id)

        with pytest.raises(QuotaExceeded, match="make room"):
            driver.capture(
                CaptureRequest(builder=id, deployment="shop", service="s", digest="d", base=ImageId(base.name))
            )
        assert () == driver.images(OURS)
        assert [vm.record.id] == left(tmp_path)
