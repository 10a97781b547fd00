"""Disks of this machine become images once, by their content, and what can't be one is told before anything is sent."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback import Answer, Asked, Bad, loopback
from oslab import driver, forward, needs_lab

from vmpattern.errors import Invalid, OutcomeUnknown
from vmpattern.model import ImageId
from vmpattern_openstack import OpenStackDriver
from vmpattern_openstack.answers import GlanceImage
from vmpattern_openstack.uploading import GIB, SHA256, read_disk

HEADER_BYTES = 512


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
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver()) as made:
        yield made


@pytest.fixture
def uploaded(disk: Path, cloud: OpenStackDriver) -> Iterator[Callable[[], list[GlanceImage]]]:
    """Tell which images of the disk there are; they are deleted with the test."""

    def rows() -> list[GlanceImage]:
        wanted = {SHA256: read_disk(disk).sha256}
        return cloud.calls("look for images").every(GlanceImage, "image", "/images", wanted, key="images")

    yield rows
    for row in rows():
        cloud.calls("remove an image", mutating=True).change("image", "DELETE", f"/images/{row.id}")


def test_a_qcow2_disk_is_as_large_as_a_server_sees_it(disk: Path) -> None:
    found = read_disk(disk)

    assert ("qcow2", 6) == (found.format, found.gib)


def test_any_other_file_is_a_raw_disk(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"QFI\xfb")

    assert ("raw", 1) == (read_disk(path).format, read_disk(path).gib)


def test_a_disk_on_top_of_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "overlay.qcow2"
    path.write_bytes(qcow2(GIB, backing=0x150))

    with pytest.raises(Invalid, match="is on top of another file: make one of both with  qemu-img convert"):
        read_disk(path)


def test_a_disk_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nothing can't be read: No such file or directory"):
        read_disk(tmp_path / "nothing")


@needs_lab
def test_a_disk_is_uploaded_once_and_can_be_launched_from(
    disk: Path, cloud: OpenStackDriver, uploaded: Callable[[], list[GlanceImage]]
) -> None:
    ids = {cloud.upload(disk, name="web-disk") for _ in range(2)}

    assert [("active", 6)] == [(row.status, row.min_disk) for row in uploaded()]
    assert {cloud.resolve("web-disk")} == ids


@needs_lab
def test_an_upload_that_was_cut_short_is_completed_by_the_next(
    disk: Path, cloud: OpenStackDriver, uploaded: Callable[[], list[GlanceImage]]
) -> None:
    def cut(asked: Asked) -> Answer | Bad:
        return Bad.CLOSE if asked.path.endswith("/file") else forward(asked)

    with (
        loopback(cut) as proxy,
        contextlib.closing(driver(proxy=proxy.url)) as cut_off,
        pytest.raises(OutcomeUnknown),
    ):
        cut_off.upload(disk, name="web-disk")
    (begun,) = uploaded()
    id = cloud.upload(disk, name="web-disk")

    assert "queued" == begun.status
    assert [(id, "active")] == [(ImageId(row.id), row.status) for row in uploaded()]
