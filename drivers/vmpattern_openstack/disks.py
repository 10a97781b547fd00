"""Disks of this machine as they are before an upload: looked at, and digested.

A disk that can't boot by itself lies in a folder with its kernel, its first file system and its command line, as the
local driver exports images.
"""

import contextlib
import hashlib
import os
from collections.abc import Generator
from io import BufferedReader
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.errors import Invalid

DISK, KERNEL, INITRD, COMMAND_LINE = "disk.qcow2", "kernel", "initrd", "cmdline"
"""The files of such a folder."""

QCOW2 = b"QFI\xfb"
HEADER_BYTES = 32
GIB = 2**30


@attrs.frozen(kw_only=True)
class File:
    """A file that becomes an image: its format as Glance calls it, the GiB that a server needs, and its digest."""

    path: Path
    format: str
    gib: int = 0
    sha256: str


@attrs.frozen(kw_only=True)
class Boot:
    """What boots a disk that can't do so by itself; `sha256` is a digest of all that and the disk."""

    kernel: File
    initrd: File
    command_line: str
    sha256: str


@attrs.frozen(kw_only=True)
class Disk:
    """A whole disk."""

    file: File
    boot: Boot | None = None


def read(path: Path) -> Disk:
    """Look at a disk, or at the folder of a disk and what boots it, and digest all of it.

    Raises:
        Invalid: a file can't be read or is missing, or the disk is only what differs from another file.
    """
    if not path.is_dir():
        return Disk(file=_read_disk(path))
    if missing := [name for name in (DISK, KERNEL, INITRD, COMMAND_LINE) if not (path / name).is_file()]:
        text = f"the folder {path} isn't that of an exported image: {' and '.join(missing)} is missing"
        raise Invalid(text, code="NoDisk", field="disk")
    disk = _read_disk(path / DISK)
    kernel, initrd = _read(path / KERNEL, format="aki"), _read(path / INITRD, format="ari")
    with _readable(path / COMMAND_LINE) as file:
        line = file.read().decode().strip()
    whole = naming.digest(disk.sha256, kernel.sha256, initrd.sha256, line, size=64)
    return Disk(file=disk, boot=Boot(kernel=kernel, initrd=initrd, command_line=line, sha256=whole))


def _read_disk(path: Path) -> File:
    with _readable(path) as file:
        head, size = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
    is_qcow2 = head.startswith(QCOW2) and len(head) == HEADER_BYTES
    if is_qcow2:
        if int.from_bytes(head[8:16]):
            text = f"the disk {path} is on top of another file: make one of both with  qemu-img convert -O qcow2"
            raise Invalid(text, code="BackingFile", field="disk")
        size = int.from_bytes(head[24:32])
    return attrs.evolve(_read(path, format="qcow2" if is_qcow2 else "raw"), gib=-(-size // GIB))


def _read(path: Path, *, format: str) -> File:
    with _readable(path) as file:
        return File(path=path, format=format, sha256=hashlib.file_digest(file, "sha256").hexdigest())


@contextlib.contextmanager
def _readable(path: Path) -> Generator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise Invalid(f"{path} can't be read: {error.strerror}", code="NoDisk", field="disk") from None
    except UnicodeDecodeError:
        raise Invalid(f"{path} isn't text", code="NoDisk", field="disk") from None
