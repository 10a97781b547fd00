"""What a builder runs: one POSIX shell script that makes a base into the image of a service. Values in, text out.

It unpacks the files, fetches and verifies those that have a URL, provisions with a clean environment, writes what
starts the service, resets what a first boot makes, says on the console that it is done, and powers off; where any
of that fails, it says so and stays up.
"""

import base64
import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping

import attrs

from vmpattern.driver import guest
from vmpattern.model import RemoteFile
from vmpattern.recipe import PROVISION

BAKED, FAILED = "vmpattern-baked", "vmpattern-failed"
"""What the last line on the console begins with; the nonce follows, then a digest or an exit status."""
STOP_S = 300
"""How long a service may take to stop: as long as balancers are given by default to let go of an instance."""

_UNIT = f"""\
[Unit]
Description=The service of this VM, started by vmpattern
Wants=network-online.target
After=network-online.target
ConditionPathExists={guest.ENV}
StartLimitIntervalSec=0

[Service]
ExecStart={guest.START}
Restart=always
RestartSec=1
TimeoutStopSec={STOP_S}

[Install]
WantedBy=multi-user.target
"""

_START = f"""\
#!/bin/sh
set -a
. {guest.ENV}
set +a
{{run}}
"""

_HEAD = """\
#!/bin/sh
set -eu
umask 022
root={root}
if [ -e "$root/dev/console" ] && (: > "$root/dev/console") 2>/dev/null; then exec > "$root/dev/console" 2>&1; fi
ended() {{
    code=$?
    if [ "$code" -ne 0 ]; then printf '%s %s %s\\n' '{failed}' '{nonce}' "$code"; fi
}}
trap ended EXIT
fail() {{ printf 'vmpattern: %s\\n' "$1" >&2; return 1; }}
"""

_FETCH = """\
fetch() {
    mkdir -p "${3%/*}"
    if command -v curl >/dev/null; then curl -fsSL --retry 5 --retry-connrefused -o "$3" "$1"
    elif command -v wget >/dev/null; then wget -q -O "$3" "$1"
    elif command -v python3 >/dev/null; then
        python3 -c 'import sys, urllib.request as r; r.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$3"
    else fail "the base has none of curl, wget and python3 to fetch $3 with"
    fi || fail "$3 can't be fetched"
    if ! printf '%s  %s\\n' "$2" "$3" | sha256sum -c - >/dev/null; then
        fail "$3 isn't what was expected: its SHA-256 is $(sha256sum "$3" | cut -c 1-64), not $2"
    fi
}
"""

_PROVISION = f"""\
if [ -e "$root{PROVISION}" ]; then
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \\
        {{variables}}{{command}} "$root{PROVISION}" </dev/null || fail "the provisioning script ended with status $?"
    rm -f "$root{PROVISION}"
fi
"""

_SERVICE = f"""\
mkdir -p "$root{guest.FOLDER}"
printf %s {{start}} > "$root{guest.START}"
chmod 755 "$root{guest.START}"
printf '%s\\n' {{digest}} > "$root{guest.DIGEST}"
if [ -d "$root/etc/systemd/system" ]; then
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    printf %s {{unit}} > "$root/etc/systemd/system/{guest.UNIT}"
    ln -sf ../{guest.UNIT} "$root/etc/systemd/system/multi-user.target.wants/{guest.UNIT}"
fi
"""

_RESET = f"""\
rm -f "$root{guest.ENV}" "$root/var/lib/systemd/random-seed"
if [ -x "$root/usr/bin/cloud-init" ]; then
    "$root/usr/bin/cloud-init" clean --logs >/dev/null
    rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub
fi
if [ -s "$root/etc/machine-id" ] && [ -d "$root/run/systemd/system" ]; then : > "$root/etc/machine-id"; fi
sync
"""


@attrs.frozen(kw_only=True)
class Payload:
    """The archive of a recipe's files: its bytes, and where a builder fetches it; no URL: it is in the script."""

    data: bytes
    url: str = ""


def builder_script(
    *,
    payload: Payload,
    remote: Mapping[str, RemoteFile],
    variables: Mapping[str, str],
    run: str,
    digest: str,
    nonce: str,
    shebang: bool = False,
    root: str = "",
) -> str:
    """Return the script of a builder.

    Args:
        variables: what the provisioning script finds in its environment, besides the usual.
        remote: what is fetched, by path in the image; it is made executable, since a URL has no mode.
        shebang: whether the provisioning script says by what it is run; otherwise it is `sh`.
        root: the folder that stands for the root of the VM; tests give one.
    """
    parts = [
        _HEAD.format(root=shlex.quote(root), failed=FAILED, nonce=nonce),
        _FETCH,
        *_unpack(payload),
        *(_remote(path, file) for path, file in sorted(remote.items())),
        _PROVISION.format(variables=_assigned(variables), command="" if shebang else "sh"),
        *_check(run),
        _SERVICE.format(start=shlex.quote(_START.format(run=_becoming(run))), digest=digest, unit=shlex.quote(_UNIT)),
        _RESET,
        # Quoted, so that a console that shows the script itself shows no line that it prints.
        f"echo '{BAKED}' '{nonce}' '{digest}'\n",
        f"{root}/sbin/poweroff\n" if root else "poweroff\n",
    ]
    return "".join(parts)


def check_script(digest: str) -> str:
    """Return a script that powers off where the image holds that digest: for clouds whose consoles can't be read."""
    return f"""\
#!/bin/sh
if [ "$(cat {guest.DIGEST})" != {digest} ]; then while :; do sleep 60; done; fi
poweroff
"""


def baked_line(nonce: str, digest: str) -> str:
    """Return what a builder prints when it is done."""
    return f"{BAKED} {nonce} {digest}"


def failed_line(nonce: str) -> str:
    """Return what the line begins with that a builder prints when it failed."""
    return f"{FAILED} {nonce} "


def _unpack(payload: Payload) -> Iterator[str]:
    if payload.url:
        sha = hashlib.sha256(payload.data).hexdigest()
        yield 'payload="$root/var/tmp/vmpattern-payload"\n'
        yield f'fetch {shlex.quote(payload.url)} {sha} "$payload"\n'
        yield 'tar -xzf "$payload" -C "$root/"\nrm -f "$payload"\n'
    else:
        text = base64.b64encode(payload.data).decode()
        yield f'printf %s {text} | base64 -d | tar -xzf - -C "$root/"\n'


def _remote(path: str, file: RemoteFile) -> str:
    target = f'"$root"{shlex.quote(path)}'
    return f"fetch {shlex.quote(file.url)} {file.sha256} {target}\nchmod 755 {target}\n"


def _assigned(variables: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)} " for name, value in sorted(variables.items()))


def _check(run: str) -> Iterator[str]:
    """Yield a look at the program that starts the service, where the command names one by its path."""
    if found := re.match(r"/[\w./+-]+", run):
        program = found.group()
        yield f'[ -x "$root{program}" ] || fail "run names {program}, which the image has not, or not executable"\n'


def _becoming(run: str) -> str:
    """Return a line that becomes the command, so that it gets the signals itself; a compound one needs its shell."""
    is_compound = re.search(r"[;&|\n(){}]", run) or re.match(r"\s*\w+=", run)
    return run if is_compound else f"exec {run}"
