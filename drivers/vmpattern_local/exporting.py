"""Images as folders for other clouds: a whole disk, and what the cloud boots it with."""

import secrets
import shutil
from pathlib import Path

from vmpattern.errors import Invalid
from vmpattern_local import cloudboot, files
from vmpattern_local.disks import INITRD, KERNEL, Source
from vmpattern_local.parts import Qemu
from vmpattern_local.process import DISK

COMMAND_LINE = "cmdline"
TIMEOUT_S = 1800.0
"""How long it may take to pack a disk."""


def export(source: Source, folder: Path, qemu: Qemu) -> None:
    """Make a folder of an image: disk, kernel, first file system and command line; the same image gives the same.

    Raises:
        Invalid: there is such a folder already.
        DriverError: there is no room, or the image is damaged; nothing is left behind.
    """
    if folder.exists():
        raise Invalid(f"{folder} is there already: name another folder, or remove it", code="Exists", field="folder")
    new = folder.with_name(f".new-{secrets.token_hex(6)}")
    new.mkdir(parents=True, mode=0o700)
    try:
        # Packed, since it is sent; and without what may lie under it.
        command = (qemu.images, "convert", "-c", "-O", "qcow2", source.disk.absolute(), DISK)
        qemu.run(*command, folder=new, what=f"{folder} can't be made", timeout_s=TIMEOUT_S)
        shutil.copyfile(source.kernel, new / KERNEL)
        files.write(new / INITRD, cloudboot.first_files(source.initrd.read_bytes()))
        files.write(new / COMMAND_LINE, cloudboot.COMMAND_LINE.encode())
        new.rename(folder)
    finally:
        files.remove(new)
