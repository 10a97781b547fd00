"""What boots an exported image in a cloud: the first file system of this machine, which asks the cloud what VM it is.

The address comes by DHCP, and what a VM finds on a drive of its own here comes from the metadata service. From then on
the same scripts run.

Source:
    The metadata service in Nova's user guide, doc/source/user/metadata.rst, and RFC 3442 for the routes; udhcpc of
    busybox hands the options to its script as variables (read 2026-11).
"""

from collections.abc import Iterator

from vmpattern_local import cpio, guest

METADATA = "http://169.254.169.254"
COMMAND_LINE = "console=tty0 console=ttyS0 quiet loglevel=3 panic=10 no_timer_check random.trust_cpu=on"
"""The kernel's: what only an emulated processor profits from, and a shared one suffers from, is left away."""

MODULES = ("af_packet", "button", "evdev")
"""They are on the disk, and not in the first file system that a distribution has: for DHCP and for the power button."""

FOLDER = "vmpattern"
TRIES = 30
PAUSE_S = 3

# The file of the user data is there before, with its mode: it holds the environment with its secrets.
_CONFIGURE = f"""\
fetch() {{
    left={TRIES}
    until $B wget -q -T 5 -O "$2" {METADATA}/$1; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "the metadata service doesn't tell $1, asked {TRIES} times"
        $B sleep {PAUSE_S}
    done
}}
$B chroot /new modprobe -a {" ".join(MODULES)}
[ -e /new/proc/net/packet ] || fail "the disk holds no module af_packet for this kernel, which DHCP needs"
$B udhcpc -f -q -n -i eth0 -t {TRIES} -T {PAUSE_S} -O mtu -O staticroutes -s /{FOLDER}/lease ||
    fail "no DHCP server has answered on the first network"
$B cp -a /{FOLDER} /new/run/
fetch 2009-04-04/meta-data/hostname /hostname
fetch openstack/latest/user_data /new/run/vmpattern/user-data
read -r NAME < /hostname || [ -n "$NAME" ] || fail "the metadata service tells no name"
echo "NAME='${{NAME%%.*}}' UUID='${{NAME%%.*}}' GROW=yes" > /new/run/vmpattern/meta
"""

# Routes come as pairs of network and gateway, and then stand for the router, too; the gateway 0.0.0.0 is no gateway.
_LEASE = """\
#!/usr/bin/busybox sh
B=/usr/bin/busybox
case $1 in
deconfig) $B ifconfig "$interface" up ;;
bound)
    [ -z "$mtu" ] || $B ip link set "$interface" mtu "$mtu"
    $B ip addr add "$ip/$mask" dev "$interface"
    set -- ${staticroutes:-${router:+0.0.0.0/0 ${router%% *}}}
    while [ $# -gt 1 ]; do
        case $2 in
        0.0.0.0) $B ip route add "$1" dev "$interface" ;;
        *) $B ip route add "$1" via "$2" dev "$interface" ;;
        esac
        shift 2
    done
    : > /new/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >> /new/etc/resolv.conf; done
    ;;
esac
"""

_POWER_BUTTON = "::once:/sbin/acpid -f -c /run/vmpattern/acpi\n"
_PRESSED = """\
#!/bin/sh
poweroff
"""


def first_files(local: bytes) -> bytes:
    """Return the first file system for a cloud, made of the one with which VMs of this machine boot.

    Raises:
        ValueError: that isn't one.
    """
    kept = [entry for entry in cpio.read(local) if entry.name != "init"]
    init = cpio.Entry("init", 0o100755, guest.init(_CONFIGURE).encode())
    return cpio.write([*kept, *_folder(), init])


def _folder() -> Iterator[cpio.Entry]:
    files = {
        **guest.scripts(guest.INIT_OF_SERVICE + _POWER_BUTTON),
        "lease": _LEASE,
        "acpi/PWRF/00000080": _PRESSED,
        "user-data": "",
    }
    for folder in (FOLDER, f"{FOLDER}/acpi", f"{FOLDER}/acpi/PWRF"):
        yield cpio.Entry(folder, 0o40700)
    for path, text in files.items():
        yield cpio.Entry(f"{FOLDER}/{path}", 0o100700, text.encode())
