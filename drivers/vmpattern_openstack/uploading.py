"""Disks of this machine as images of Glance's, found by their content: the same disk is uploaded once."""

import hashlib
from pathlib import Path

import attrs

from vmpattern.errors import Invalid, Transient
from vmpattern.model import ImageId
from vmpattern_openstack.answers import GlanceImage
from vmpattern_openstack.api import Calls

SHA256 = "vmpattern-sha256"
"""The image property that tells what was uploaded."""

QCOW2 = b"QFI\xfb"
HEADER_BYTES = 32
GIB = 2**30


@attrs.frozen(kw_only=True)
class Disk:
    """A file that holds a whole disk: its format, and the GiB of the disk as a server sees it, rounded up."""

    path: Path
    format: str
    gib: int
    sha256: str


def read_disk(path: Path) -> Disk:
    """Look at a disk, and digest all of it.

    Raises:
        Invalid: it can't be read, or is only what differs from another file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise Invalid(f"the disk {path} can't be read: {error.strerror}", code="NoDisk", field="disk") from None
    is_qcow2 = head.startswith(QCOW2) and len(head) == HEADER_BYTES
    if is_qcow2:
        if int.from_bytes(head[8:16]):
            text = f"the disk {path} is on top of another file: make one of both with  qemu-img convert -O qcow2"
            raise Invalid(text, code="BackingFile", field="disk")
        size = int.from_bytes(head[24:32])
    return Disk(path=path, format="qcow2" if is_qcow2 else "raw", gib=-(-size // GIB), sha256=sha256)


def upload(calls: Calls, disk: Disk, *, name: str) -> ImageId:
    """Return the image of a disk, which is made unless it is there; one whose upload was cut short is completed.

    Raises:
        Transient: somebody is uploading the same.
        OutcomeUnknown: the connection broke; the same again completes it.
    """
    rows = calls.every(GlanceImage, "image", "/images", {SHA256: disk.sha256}, key="images")
    states = {row.status: ImageId(row.id) for row in rows}
    if "active" in states:
        return states["active"]
    if busy := states.keys() & {"saving", "uploading", "importing"}:
        found = busy.pop()
        raise Transient(f"the image {states[found]} of this disk is {found} already", code="Uploading")
    id = states.get("queued") or _created(calls, disk, name)
    with disk.path.open("rb") as file:
        calls.upload("image", f"/images/{id}/file", file)
    return id


def _created(calls: Calls, disk: Disk, name: str) -> ImageId:
    form = {
        "name": name,
        "disk_format": disk.format,
        "container_format": "bare",
        "min_disk": disk.gib,
        SHA256: disk.sha256,
    }
    return ImageId(str(calls.change("image", "POST", "/images", form)["id"]))
