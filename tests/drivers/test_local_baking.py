"""Bakes in real VMs: what a recipe's own script does wrong, and a disk that gets full, leave a clear word only."""

from pathlib import Path

import pytest
from local_vms import OURS, cleared, local, needs_qemu, one_vm, pretended

import vmpattern as vmp
from vmpattern.driver import CaptureRequest
from vmpattern.errors import QuotaExceeded
from vmpattern.model import BakeResult, BakeState, ImageId, InstanceId
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
