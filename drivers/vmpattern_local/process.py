"""A VM as a process: started detached, known again by any other process, and ended without mistaking it for another.

Whoever starts a VM holds the lock of its file `alive`, and QEMU inherits it: the lock is held exactly as long as the VM
runs or is being started, whoever has died meanwhile. Its process is known by the VM's UUID on its command line.
"""

import time
from contextlib import AbstractContextManager
from pathlib import Path

import attrs

from vmpattern.errors import DriverError
from vmpattern_local import files, guest, handles
from vmpattern_local.handles import Handle
from vmpattern_local.parts import Qemu
from vmpattern_local.qmp import SOCKET

ALIVE = "alive"
PID = "pid"
DISK = "disk.qcow2"
DRIVE = "drive.tar"
CONSOLE = "console.log"
PAUSE_S = 0.01


@attrs.frozen(kw_only=True)
class Boot:
    """What a VM boots: its kernel and first file system, and what runs its instructions."""

    kernel: Path
    initrd: Path
    accelerator: str


@attrs.frozen(kw_only=True)
class Shape:
    """How large a VM is, and to which of its ports a port of this machine leads."""

    vcpus: int
    memory_mib: int
    port: int


def start(qemu: Qemu, boot: Boot, shape: Shape, *, folder: Path, uuid: str, alive: int, network: str = "") -> None:
    """Start the VM whose disk and drive lie in `folder`; it inherits the descriptor `alive`.

    Raises:
        DriverError: it didn't start.
    """
    # Paths are relative, so that neither their length nor a comma in them matters.
    command = (
        *("-name", folder.name, "-uuid", uuid, *_machine(boot, shape, guest.KERNEL_LINE)),
        *("-drive", f"file={DISK},if=none,id=disk,format=qcow2,discard=unmap,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=disk"),
        *("-drive", f"file={DRIVE},if=none,id=drive,format=raw,readonly=on"),
        *("-device", "virtio-blk-pci,drive=drive"),
        *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:0-:{shape.port}{network}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-chardev", f"file,id=console,path={CONSOLE},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{SOCKET},server=on,wait=off", "-daemonize", "-pidfile", PID),
    )
    qemu.run(qemu.system, *command, folder=folder, descriptor=alive, what=f"the VM {folder.name} didn't start")


def _machine(boot: Boot, shape: Shape, line: str) -> tuple[str, ...]:
    return (
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *(
            "-machine",
            "q35,memory-backend=ram,sata=off,smbus=off",
            "-smp",
            str(shape.vcpus),
            "-m",
            str(shape.memory_mib),
        ),
        # Memory by a name of its own, so that what the guest uses can be told from what QEMU does.
        *("-object", f"memory-backend-memfd,id=ram,size={shape.memory_mib}M"),
        *_accelerated(boot.accelerator),
        *("-kernel", str(boot.kernel), "-initrd", str(boot.initrd), "-append", line),
    )


def _accelerated(accelerator: str) -> tuple[str, ...]:
    if accelerator == "kvm":
        return ("-accel", "kvm", "-cpu", "host")
    return ("-accel", "tcg,tb-size=32", "-cpu", "qemu64")


def try_out(qemu: Qemu, boot: Boot, *, folder: Path, timeout_s: float) -> bool:
    """Boot a kernel that only says that it lives, and tell whether it did."""
    machine = _machine(boot, Shape(vcpus=1, memory_mib=128, port=1), f"{guest.KERNEL_LINE} {guest.PROBE}=yes")
    limited = ("-k", "1", str(timeout_s), str(qemu.system), *machine, "-serial", "stdio")
    try:
        return guest.ALIVE in qemu.run("/usr/bin/timeout", *limited, folder=folder, what="the probe of KVM")
    except DriverError:
        return False


def is_alive(folder: Path) -> bool:
    """Tell whether the VM runs or is being started."""
    return files.is_held(folder / ALIVE)


def ends_within(folder: Path, seconds: float) -> bool:
    """Tell whether the VM is gone in time. One that was killed can't be taken hold of any more before it is gone."""
    until = time.monotonic() + seconds
    while is_alive(folder):
        if time.monotonic() >= until:
            return False
        time.sleep(PAUSE_S)
    return True


def opened(folder: Path, uuid: str) -> AbstractContextManager[Handle | None]:
    """Take hold of the VM's process; None where there is none, or none that is known yet."""
    return handles.opened(folder / PID, uuid)


def kill(folder: Path, uuid: str) -> None:
    """Kill the VM's process, whatever it does; nothing happens where there is none, or none that is known yet."""
    with opened(folder, uuid) as found:
        if found is not None:
            found.kill()
