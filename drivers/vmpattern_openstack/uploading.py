"""Disks of this machine as images of Glance's, found by their content: the same disk is uploaded once.

Kernel and first file system of a disk that can't boot by itself become images of their own, which the disk's names.

Source:
    Nova 26.2: `_handle_kernel_and_ramdisk` in compute/api.py, `_set_guest_for_inst_kernel` in virt/libvirt/driver.py
    (read 2026-11).
"""

from collections.abc import Callable, Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Transient
from vmpattern.model import ImageId
from vmpattern_openstack.answers import GlanceImage
from vmpattern_openstack.api import Calls
from vmpattern_openstack.disks import Disk, File
from vmpattern_openstack.images import INSTANCE

SHA256 = "vmpattern-sha256"
"""The image property that tells what was uploaded: of a disk with a kernel, a digest of everything."""

KERNEL_ID, RAMDISK_ID, COMMAND_LINE = "kernel_id", "ramdisk_id", "os_command_line"
"""The image properties by which Nova boots a disk with a kernel from outside."""

KERNEL_FORMATS = ("aki", "ari")
"""Formats of Glance's that are containers, too."""

_NOTHING: Mapping[str, str] = immutabledict()


def upload(begin: Callable[[], Calls], disk: Disk, *, name: str) -> ImageId:
    """Return the image of a disk, which is made unless it is there; an upload that was cut short is completed.

    Args:
        begin: returns the calls for the next file, whose time begins then.

    Raises:
        Transient: somebody is uploading the same.
        OutcomeUnknown: the connection broke; the same again completes it.
    """
    if disk.boot is None:
        return _upload(begin(), disk.file, name=name)
    kernel = _upload(begin(), disk.boot.kernel, name=f"{name}-kernel")
    ramdisk = _upload(begin(), disk.boot.initrd, name=f"{name}-ramdisk")
    booted = attrs.evolve(disk.file, sha256=disk.boot.sha256)
    by = {KERNEL_ID: kernel, RAMDISK_ID: ramdisk}
    return _upload(begin(), booted, name=name, by=by, more={COMMAND_LINE: disk.boot.command_line})


def _upload(
    calls: Calls, file: File, *, name: str, by: Mapping[str, str] = _NOTHING, more: Mapping[str, str] = _NOTHING
) -> ImageId:
    """Return the image of one file, with properties by which it is found and with more."""
    known = {SHA256: file.sha256, "disk_format": file.format, **by}
    rows = calls.every(GlanceImage, "image", "/images", known, key="images")
    # A snapshot of a server has inherited the properties, and isn't what was uploaded.
    states = {row.status: ImageId(row.id) for row in rows if INSTANCE not in row.labels}
    if "active" in states:
        return states["active"]
    if busy := states.keys() & {"saving", "uploading", "importing"}:
        found = busy.pop()
        raise Transient(f"the image {states[found]} of {file.path} is {found} already", code="Uploading")
    id = states.get("queued") or _created(calls, file, {**known, **more, "name": name})
    with file.path.open("rb") as data:
        calls.upload("image", f"/images/{id}/file", data)
    return id


def _created(calls: Calls, file: File, properties: Mapping[str, str]) -> ImageId:
    container = file.format if file.format in KERNEL_FORMATS else "bare"
    form = {**properties, "container_format": container, "min_disk": file.gib}
    return ImageId(str(calls.change("image", "POST", "/images", form)["id"]))
