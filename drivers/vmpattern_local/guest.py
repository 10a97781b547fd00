"""What runs inside a VM before and around the service: the first file system, and the drive with the VM's own files.

A guest is an ext4 disk with busybox as its init. It boots with a kernel from outside and a first file system that is
cut down to what these machines need, which takes seconds instead of half a minute under software emulation. Nothing of
this is written to the guest's disk: it lies in memory, under `/run/vmpattern`.

Starting a program takes a guest under software emulation as long as thousands of commands of the shell itself, so the
scripts start as few as they can.
"""

import gzip
import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from vmpattern.driver import LaunchRequest, guest
from vmpattern_local import cpio

PROBE = "vmpattern_probe"
"""On the kernel's command line, with a value, it asks for nothing but `ALIVE` on the console."""

ALIVE = "vmpattern: this kernel runs"
STOPS = "vmpattern: powers off"
SIGNED = b"~Module signature appended~\n"
SIGNATURE_HEADER = 12
MODULES = ("virtio_blk", "virtio_net", "ext4")
KERNEL_LINE = (
    "console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable no_timer_check mitigations=off nokaslr random.trust_cpu=on"
)

_FSTAB = """\
/dev/vda /new ext4 rw,noatime 0 0
proc /new/proc proc rw 0 0
sys /new/sys sysfs rw 0 0
dev /new/dev devtmpfs rw 0 0
pts /new/dev/pts devpts rw 0 0
shm /new/dev/shm tmpfs rw 0 0
run /new/run tmpfs mode=755 0 0
"""

_FROM_DRIVE = """\
$B tar -xf /dev/vdb -C /new/run || fail "the VM's own drive can't be read"
"""

_BOOT = f"""\
. /new/run/vmpattern/meta
: >> /new/etc/inittab
$B mount -o bind /new/run/vmpattern/inittab /new/etc/inittab
[ ! -e /new{guest.ENV} ] || $B rm /new{guest.ENV}
echo "$NAME" > /new/proc/sys/kernel/hostname
$B ifconfig lo 127.0.0.1 up
[ -z "$GROW" ] || $B chroot /new resize2fs /dev/vda
"""

_NETWORK = """\
echo nameserver 10.0.2.3 > /new/etc/resolv.conf
$B ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
$B route add default gw 10.0.2.2
"""

INIT_OF_SERVICE = """\
::wait:/run/vmpattern/first
::respawn:/run/vmpattern/service
::ctrlaltdel:/sbin/poweroff
::shutdown:/run/vmpattern/stop
"""

_INIT_OF_BUILDER = """\
::once:/run/vmpattern/first
::shutdown:/run/vmpattern/stop
"""

_FIRST = """\
#!/bin/sh
. /run/vmpattern/meta
echo "@@$UUID up"
cd /
/run/vmpattern/user-data
echo "@@$UUID script ended with status $?"
"""

_SERVICE = f"""\
#!/bin/sh
if [ ! -e {guest.ENV} ] || [ ! -x {guest.START} ]; then exec tail -f /dev/null; fi
cd /
exec {guest.START}
"""

# Whatever runs is asked to end, and what hasn't after five seconds is cut off. The init would take two more in any
# case. Of the kernel's own threads no program can be seen; left in the end are the init and this script.
_STOP = f"""\
#!/bin/sh
others() {{
    count=0
    for program in /proc/[0-9]*/exe; do [ ! -e "$program" ] || count=$((count + 1)); done
    [ $count -gt 2 ]
}}
echo '{STOPS}'
kill -TERM -1 2> /dev/null
left=50
while others && [ $left -gt 0 ]; do left=$((left - 1)); sleep 0.1; done
umount -a -r 2> /dev/null
poweroff -f
"""


def init(configure: str) -> str:
    """Return the first program of a VM: it mounts the disk at `/new`, is told what VM this is, and goes on in there.

    Args:
        configure: the lines that make `/new/run/vmpattern`: `scripts`, `user-data`, and `meta`, which sets NAME, UUID
            and GROW. They have `fail`, which says why and powers off, and busybox as `$B`.
    """
    return f"""\
#!/usr/bin/busybox sh
B=/usr/bin/busybox
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
fail() {{ echo "vmpattern: $*"; $B poweroff -f; }}
if [ -n "${{{PROBE}:-}}" ]; then echo '{ALIVE}'; $B poweroff -f; fi
$B mount -t devtmpfs dev /dev
$B mkdir /dev/pts /dev/shm
$B modprobe -a {" ".join(MODULES)}
$B mount -a
[ -x /new/sbin/init ] || [ -L /new/sbin/init ] || fail "the disk holds no ext4 file system with /sbin/init"
{configure}\
. /new/run/vmpattern/boot
exec $B switch_root /new /sbin/init
"""


def scripts(inittab: str, *, network: str = "") -> Mapping[str, str]:
    """Return what starts and stops the service, by name in `/run/vmpattern`: the same wherever the VM runs.

    Args:
        network: the lines that bring the network up, unless it is by then.
    """
    return {"inittab": inittab, "boot": _BOOT + network, "first": _FIRST, "service": _SERVICE, "stop": _STOP}


def first_files(initrd: bytes) -> bytes:
    """Cut a distribution's first file system down to busybox, its library and the few modules that are needed.

    Raises:
        ValueError: it isn't one, or has no such modules.
    """
    entries = {entry.name: entry for entry in cpio.read(gzip.decompress(initrd))}
    kept = [entry for entry in entries.values() if _is_needed(entry)]
    kept += _modules(entries)
    kept.append(cpio.Entry("new", 0o40755))
    kept.append(cpio.Entry("etc/fstab", 0o100644, _FSTAB.encode()))
    kept.append(cpio.Entry("init", 0o100755, init(_FROM_DRIVE).encode()))
    return cpio.write(kept)


def _is_needed(entry: cpio.Entry) -> bool:
    if "/modules/" in entry.name or entry.name == "init":
        return False
    return not entry.is_plain or entry.name.endswith("/busybox") or "/ld-musl" in entry.name


def _modules(entries: Mapping[str, cpio.Entry]) -> Iterator[cpio.Entry]:
    """Yield the modules that are needed, side by side in the folder of all, and the table of what each needs."""
    table = next((entry for name, entry in entries.items() if name.endswith("/modules.dep")), None)
    if table is None:
        raise ValueError("the first file system has no modules.dep")
    folder = PurePosixPath(table.name).parent
    needs = {name: rest.split() for name, _, rest in (line.partition(":") for line in table.body.decode().splitlines())}
    lines: dict[str, str] = {}
    yield cpio.Entry(str(folder), 0o40755)
    for wanted in MODULES:
        path = next((path for path in needs if PurePosixPath(path).name.startswith(f"{wanted}.ko")), None)
        if path is None:
            raise ValueError(f"the first file system has no module {wanted}")
        for one in (path, *needs[path]):
            if one not in lines:
                lines[one] = f"{_stem(one)}: {' '.join(map(_stem, needs[one]))}\n"
                module = _unsigned(gzip.decompress(entries[str(folder / one)].body))
                yield cpio.Entry(str(folder / _stem(one)), 0o100644, module)
    yield cpio.Entry(table.name, 0o100644, "".join(lines.values()).encode())


def _stem(path: str) -> str:
    return PurePosixPath(path).name.removesuffix(".gz")


def _unsigned(module: bytes) -> bytes:
    """Return a module without its signature, which takes an emulated processor long to verify.

    Whoever could change the module here could change the kernel that verifies it.
    """
    if not module.endswith(SIGNED):
        return module
    size = int.from_bytes(module[-len(SIGNED) - 4 : -len(SIGNED)], "big")
    return module[: -len(SIGNED) - SIGNATURE_HEADER - size]


def drive(request: LaunchRequest, *, name: str, uuid: str) -> bytes:
    """Return the VM's own drive: a plain tar with its scripts, what it is called, and its user data.

    It holds the environment with its secrets.
    """
    meta = {
        "NAME": name,
        "UUID": uuid,
        "GROW": "yes" if request.disk_gib else "",
    }
    files = {
        "meta": "".join(f"{key}={shlex.quote(value)}\n" for key, value in meta.items()),
        **scripts(_INIT_OF_BUILDER if request.script else INIT_OF_SERVICE, network=_NETWORK),
        "user-data": guest.user_data(request),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(f"vmpattern/{path}")
            info.size, info.mode = len(text.encode()), 0o700
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def up(uuid: str) -> str:
    """Return what a VM prints once it does something about the keys that ask it to power off."""
    return f"@@{uuid} up"
