"""Talking to a running QEMU over its control socket: one command a connection.

Source:
    The QEMU Machine Protocol specification, docs/interop/qmp-spec of QEMU (read 2026-11).
"""

import contextlib
import json
import os
import re
import socket
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Protocol, cast

from vmpattern.errors import Transient
from vmpattern.model.jsontext import parse_json

SOCKET = "qmp.sock"
TIMEOUT_S = 5.0

_FORWARDED = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)")

# The source is the port of this machine, whoever connects; what the guest itself connects to has another one.
_CONNECTING = re.compile(r"TCP\[SYN_SENT\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")


def power_down(folder: Path) -> None:
    """Press the keys at which a guest powers off: its kernel hears them without a module or a daemon.

    Raises:
        OSError, Transient: nobody answers.
    """
    _ask(folder, "send-key", {"keys": [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]})


def forwarded_port(folder: Path) -> int:
    """Return the port of this machine that leads to the VM.

    Raises:
        OSError, Transient: nobody answers, or no port is forwarded.
    """
    table = _ask(folder, "human-monitor-command", {"command-line": "info usernet"})
    found = _FORWARDED.search(str(table))
    if found is None:
        raise Transient(f"the VM in {folder} forwards no port", code="NoPort")
    return int(found[1])


def is_connecting(folder: Path, port: int) -> bool:
    """Tell whether the guest has yet to answer a connection that came through a port of this machine.

    Raises:
        OSError, Transient: nobody answers.
    """
    table = str(_ask(folder, "human-monitor-command", {"command-line": "info usernet"}))
    return any(int(found[1]) == port for found in _CONNECTING.finditer(table))


@contextlib.contextmanager
def connected(path: Path, timeout_s: float) -> Generator[socket.socket]:
    """Connect to a Unix socket whose path may be longer than the system takes, by way of its folder."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(timeout_s)
            channel.connect(f"/proc/self/fd/{folder}/{path.name}")
            yield channel
    finally:
        os.close(folder)


class _Lines(Protocol):
    def readline(self) -> bytes: ...


def _ask(folder: Path, command: str, arguments: Mapping[str, object] | None = None) -> object:
    with connected(folder / SOCKET, TIMEOUT_S) as channel, channel.makefile("rwb") as stream:
        stream.readline()
        answer: object = None
        for name, given in (("qmp_capabilities", {}), (command, arguments or {})):
            stream.write(json.dumps({"execute": name, "arguments": given}).encode() + b"\n")
            stream.flush()
            answer = _answer(stream, folder)
        return answer


def _answer(stream: _Lines, folder: Path) -> object:
    """Return the answer to the last command, past the events that come in between."""
    while True:
        message = _message(stream.readline(), folder)
        if "error" in message:
            raise Transient(f"the VM in {folder} refused a command: {message['error']}", code="Refused")
        if "return" in message:
            return message["return"]


def _message(line: bytes, folder: Path) -> Mapping[str, object]:
    try:
        found: object = parse_json(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Transient(f"the VM in {folder} has stopped answering", code="NoAnswer")
    return cast("Mapping[str, object]", found)
