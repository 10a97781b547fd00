"""What runs inside a VM before and around the service: the first file system, and the drive with the VM's own files.

A guest is an ext4 disk with busybox as its init. It boots with a kernel from outside and a first file system that is
cut down to what these machines need, which takes seconds instead of half a minute under software emulation. Nothing of
this is written to the guest's disk: it lies in memory, under `/run/vmpattern`.
"""

import gzip
import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from vmpattern.driver import LaunchRequest, guest
from vmpattern_local import cpio

PROBE = "vmpattern.probe"
"""On the kernel's command line it asks for nothing but `ALIVE` on the console."""

ALIVE = "vmpattern: this kernel runs"
MODULES = ("virtio_blk", "virtio_net", "ext4")
KERNEL_LINE = (
    "console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable no_timer_check mitigations=off nokaslr random.trust_cpu=on"
)

_INIT = f"""\
#!/usr/bin/busybox sh
B=/usr/bin/busybox
$B mkdir -p /proc /sys /dev /new
$B mount -t devtmpfs dev /dev
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
if $B grep -q {PROBE} /proc/cmdline; then echo '{ALIVE}'; $B poweroff -f; fi
for module in $($B cat /order); do $B insmod /$module; done
fail() {{ echo "vmpattern: $*"; $B poweroff -f; }}
$B mount -t ext4 -o rw,noatime /dev/vda /new || fail "the disk holds no ext4 file system"
[ -x /new/sbin/init ] || [ -L /new/sbin/init ] || fail "the disk has no /sbin/init"
$B mount -t tmpfs -o mode=755 run /new/run
$B mkdir /new/run/vmpattern
$B tar -xf /dev/vdb -C /new/run/vmpattern || fail "the VM's own drive can't be read"
$B touch /new/etc/inittab
$B mount -o bind /new/run/vmpattern/inittab /new/etc/inittab
for folder in dev proc sys; do $B mount -o move /$folder /new/$folder; done
exec $B switch_root /new /sbin/init
"""

_INITTAB = """\
::sysinit:/run/vmpattern/boot
::once:/run/vmpattern/first
::respawn:/run/vmpattern/service
::ctrlaltdel:/sbin/poweroff
::shutdown:/run/vmpattern/stop
"""

_BOOT = f"""\
#!/bin/sh
cd /run/vmpattern
. ./meta
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
rm -f {guest.ENV}
hostname "$NAME"
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
echo nameserver 10.0.2.3 > /etc/resolv.conf
[ -z "$GROW" ] || resize2fs /dev/vda
(modprobe -a button evdev; acpid) > /dev/null 2>&1
echo "@@$UUID up"
"""

_FIRST = """\
#!/bin/sh
. /run/vmpattern/meta
cd /
/run/vmpattern/user-data
echo "@@$UUID script ended with status $?"
"""

_SERVICE = f"""\
#!/bin/sh
. /run/vmpattern/meta
[ -z "$BUILDER" ] || exec tail -f /dev/null
until [ -e {guest.ENV} ]; do sleep 0.1; done
[ -x {guest.START} ] || exec tail -f /dev/null
echo $$ > /run/vmpattern/pid
cd /
exec {guest.START}
"""

_STOP = """\
#!/bin/sh
pid=$(cat /run/vmpattern/pid 2> /dev/null)
if [ -n "$pid" ] && kill -TERM "$pid" 2> /dev/null; then
    left=50
    while kill -0 "$pid" 2> /dev/null && [ $left -gt 0 ]; do left=$((left - 1)); sleep 0.1; done
fi
sync
umount -a -r 2> /dev/null
"""


def first_files(initrd: bytes) -> bytes:
    """Cut a distribution's first file system down to busybox, its library and the few modules that are needed.

    Raises:
        ValueError: it isn't one, or has no such modules.
    """
    entries = {entry.name: entry for entry in cpio.read(gzip.decompress(initrd))}
    order = list(_modules(entries))
    kept = [entry for entry in entries.values() if _is_needed(entry)]
    kept += [cpio.Entry(_stem(name), 0o100644, gzip.decompress(entries[name].body)) for name in order]
    kept.append(cpio.Entry("order", 0o100644, "\n".join(map(_stem, order)).encode()))
    kept.append(cpio.Entry("init", 0o100755, _INIT.encode()))
    return cpio.write(kept)


def _is_needed(entry: cpio.Entry) -> bool:
    if "/modules" in entry.name or entry.name == "init":
        return False
    return not entry.is_plain or entry.name.endswith("/busybox") or "/ld-musl" in entry.name


def _modules(entries: Mapping[str, cpio.Entry]) -> Iterator[str]:
    """Yield the paths of the modules, each after those that it needs, once."""
    table = next((entry for name, entry in entries.items() if name.endswith("/modules.dep")), None)
    if table is None:
        raise ValueError("the first file system has no modules.dep")
    folder = table.name.removesuffix("modules.dep")
    needs: dict[str, list[str]] = {}
    for line in table.body.decode().splitlines():
        name, _, rest = line.partition(":")
        needs[folder + name] = [folder + one for one in rest.split()]
    done: set[str] = set()
    for wanted in MODULES:
        path = next((path for path in needs if PurePosixPath(path).name.startswith(f"{wanted}.ko")), None)
        if path is None:
            raise ValueError(f"the first file system has no module {wanted}")
        for one in (*reversed(needs[path]), path):
            if one not in done:
                done.add(one)
                yield one


def _stem(path: str) -> str:
    return PurePosixPath(path).name.removesuffix(".gz")


def drive(request: LaunchRequest, *, name: str, uuid: str) -> bytes:
    """Return the VM's own drive: a plain tar with its scripts, what it is called, and its user data.

    It holds the environment with its secrets.
    """
    meta = {
        "NAME": name,
        "UUID": uuid,
        "BUILDER": "yes" if request.script else "",
        "GROW": "yes" if request.disk_gib else "",
    }
    files = {
        "meta": "".join(f"{key}={shlex.quote(value)}\n" for key, value in meta.items()),
        "inittab": _INITTAB,
        "boot": _BOOT,
        "first": _FIRST,
        "service": _SERVICE,
        "stop": _STOP,
        "user-data": guest.user_data(request),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text.encode()), 0o700
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def up(uuid: str) -> str:
    """Return what a VM prints once it listens to the power button."""
    return f"@@{uuid} up"
