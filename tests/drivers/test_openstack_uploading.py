"""Disks of this machine become images once, by their content, and what can't be one is told before anything is sent."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from local_vms import wait
from loopback import Answer, Asked, Bad, loopback
from oslab import driver, ended, forward, needs_lab, some_request

from vmpattern.driver import Selector
from vmpattern.errors import Invalid, OutcomeUnknown
from vmpattern.model import Phase
from vmpattern_openstack import OpenStackDriver
from vmpattern_openstack.disks import COMMAND_LINE, DISK, GIB, INITRD, KERNEL, read
from vmpattern_openstack.uploading import SHA256

HEADER_BYTES = 512
DEPLOYMENT = "uploads"
LINE = "console=ttyS0 quiet"
Row = Mapping[str, object]


def qcow2(size: int, *, backing: int = 0) -> bytes:
    """Return the header of a disk of so many bytes, and something after it that no other disk has."""
    words = (b"QFI\xfb", (3).to_bytes(4), backing.to_bytes(8), bytes(4), (16).to_bytes(4), size.to_bytes(8))
    return b"".join(words).ljust(HEADER_BYTES, b"\0") + os.urandom(16)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "web.qcow2"
    path.write_bytes(qcow2(5 * GIB + 1))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the local driver exports it, with a kernel and a first file system that no other has."""
    path = tmp_path / "exported"
    path.mkdir()
    (path / DISK).write_bytes(qcow2(GIB))
    for name in (KERNEL, INITRD):
        (path / name).write_bytes(os.urandom(100))
    (path / COMMAND_LINE).write_text(f"{LINE}\n")
    return path


@pytest.fixture
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver()) as made:
        yield made


@pytest.fixture
def uploaded(cloud: OpenStackDriver) -> Iterator[Callable[[Path], list[Row]]]:
    """Tell which images there are of the files at a path, sorted by format; they end with the test."""
    asked: set[Path] = set()

    def rows(path: Path) -> list[Row]:
        asked.add(path)
        found = read(path)
        boot = found.boot
        digests = {boot.kernel.sha256, boot.initrd.sha256, boot.sha256} if boot else {found.file.sha256}
        every = cloud.calls("list images").get("image", "/images", {"limit": "1000", "sort": "disk_format:asc"})
        assert isinstance(every["images"], list)
        return [row for row in every["images"] if row.get(SHA256) in digests]

    yield rows
    for id in {row["id"] for path in asked for row in rows(path)}:
        cloud.calls("remove an image", mutating=True).change("image", "DELETE", f"/images/{id}")


@contextlib.contextmanager
def cut_off(*, after: int) -> Iterator[OpenStackDriver]:
    """Connect with the lab through what breaks off one upload, after so many whole ones."""
    left = [after]

    def cut(asked: Asked) -> Answer | Bad:
        if not asked.path.endswith("/file"):
            return forward(asked)
        left[0] -= 1
        return Bad.CLOSE if left[0] < 0 else forward(asked)

    with loopback(cut) as proxy, contextlib.closing(driver(proxy=proxy.url)) as made:
        yield made


def test_a_qcow2_disk_is_as_large_as_a_server_sees_it(disk: Path) -> None:
    found = read(disk).file

    assert ("qcow2", 6) == (found.format, found.gib)


def test_any_other_file_is_a_raw_disk(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"QFI\xfb")
    found = read(path).file

    assert ("raw", 1) == (found.format, found.gib)


def test_a_disk_on_top_of_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "overlay.qcow2"
    path.write_bytes(qcow2(GIB, backing=0x150))

    with pytest.raises(Invalid, match="is on top of another file: make one of both with  qemu-img convert"):
        read(path)


def test_a_disk_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nothing can't be read: No such file or directory"):
        read(tmp_path / "nothing")


def test_a_folder_that_lacks_something_is_told_what(folder: Path) -> None:
    for name in (KERNEL, COMMAND_LINE):
        (folder / name).unlink()

    with pytest.raises(Invalid, match="isn't that of an exported image: kernel and cmdline is missing"):
        read(folder)


@pytest.mark.parametrize("name", [DISK, KERNEL, INITRD, COMMAND_LINE])
def test_a_folder_is_known_by_everything_in_it(folder: Path, name: str) -> None:
    before = read(folder)
    with (folder / name).open("ab") as file:
        file.write(b"more")
    after = read(folder)
    assert before.boot is not None
    assert after.boot is not None

    assert before.boot.sha256 != after.boot.sha256


@needs_lab
def test_a_disk_is_uploaded_once_and_can_be_launched_from(
    disk: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    ids = {cloud.upload(disk, name="web-disk") for _ in range(2)}

    assert [("active", 6)] == [(row["status"], row["min_disk"]) for row in uploaded(disk)]
    assert {cloud.resolve("web-disk")} == ids


@needs_lab
def test_an_upload_that_was_cut_short_is_completed_by_the_next(
    disk: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    with cut_off(after=0) as broken, pytest.raises(OutcomeUnknown):
        broken.upload(disk, name="web-disk")
    (begun,) = uploaded(disk)
    id = cloud.upload(disk, name="web-disk")

    assert "queued" == begun["status"]
    assert [(id, "active")] == [(row["id"], row["status"]) for row in uploaded(disk)]


# -- disks with a kernel ----------------------------------------------------------------------------------------------


@needs_lab
def test_a_folder_becomes_three_images_once(
    folder: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    ids = {cloud.upload(folder, name="web") for _ in range(2)}
    kernel, ramdisk, disk = uploaded(folder)

    assert [("aki", "aki"), ("ari", "ari"), ("qcow2", "bare")] == [
        (row["disk_format"], row["container_format"]) for row in (kernel, ramdisk, disk)
    ]
    assert [hashlib.sha512((folder / name).read_bytes()).hexdigest() for name in (KERNEL, INITRD, DISK)] == [
        row["os_hash_value"] for row in (kernel, ramdisk, disk)
    ]
    assert (kernel["id"], ramdisk["id"], LINE) == (disk["kernel_id"], disk["ramdisk_id"], disk["os_command_line"])
    assert ids == {disk["id"]}


@needs_lab
@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_upload_of_a_folder_that_was_cut_short_is_completed_by_the_next(
    after: int, folder: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    with cut_off(after=after) as broken, pytest.raises(OutcomeUnknown):
        broken.upload(folder, name="web")
    begun = uploaded(folder)
    cloud.upload(folder, name="web")
    rows = uploaded(folder)

    assert [*["active"] * after, "queued"] == [row["status"] for row in begun]
    assert ["active"] * 3 == [row["status"] for row in rows]
    assert {row["id"] for row in begun} <= {row["id"] for row in rows}


@needs_lab
def test_disks_share_a_kernel(
    folder: Path, tmp_path: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / DISK).write_bytes(qcow2(GIB))
    for path in (folder, other):
        cloud.upload(path, name=path.name)
    first, second = uploaded(folder)[-1], uploaded(other)[-1]

    assert first["id"] != second["id"]
    assert first["kernel_id"] == second["kernel_id"]


@needs_lab
def test_a_disk_whose_kernel_is_gone_is_uploaded_anew_with_one(
    folder: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    cloud.upload(folder, name="web")
    kernel = uploaded(folder)[0]["id"]
    cloud.calls("remove a kernel", mutating=True).change("image", "DELETE", f"/images/{kernel}")
    id = cloud.upload(folder, name="web")
    rows = {row["id"]: row for row in uploaded(folder)}

    assert rows[id]["kernel_id"] in rows


@needs_lab
def test_nova_takes_kernel_and_ramdisk_and_a_snapshot_is_not_taken_for_what_was_uploaded(
    folder: Path, cloud: OpenStackDriver, uploaded: Callable[[Path], list[Row]]
) -> None:
    (folder / DISK).write_bytes(os.urandom(100))  # raw, as a snapshot of the lab's is
    id = cloud.upload(folder, name="web")
    kernel, ramdisk, _ = uploaded(folder)
    (made,) = cloud.launch(some_request(cloud, DEPLOYMENT, image=id)).created
    try:
        wait(lambda: [row.phase for row in cloud.instances(Selector(DEPLOYMENT))] == [Phase.RUNNING], "the server")
        with contextlib.closing(driver(cloud="oslab-admin")) as admin:
            server = admin.calls("look at a server").get("compute", f"/servers/{made.id}")["server"]
        snapshot = {"createImage": {"name": "web"}}
        cloud.calls("snapshot", mutating=True).change("compute", "POST", f"/servers/{made.id}/action", snapshot)
        wait(lambda: ["active"] * 4 == [row["status"] for row in uploaded(folder)], "the snapshot")
    finally:
        ended(cloud, DEPLOYMENT)
    cloud.calls("remove an image", mutating=True).change("image", "DELETE", f"/images/{id}")
    before = {row["id"] for row in uploaded(folder)}
    assert isinstance(server, Mapping)

    assert (kernel["id"], ramdisk["id"]) == tuple(server[f"OS-EXT-SRV-ATTR:{one}_id"] for one in ("kernel", "ramdisk"))
    assert cloud.upload(folder, name="web") not in before
