"""Processes that others started, taken hold of without mistaking one for another.

A process is known by a file with its number and by a mark on its command line that no other process has. It is
signalled through a descriptor only: a number that now belongs to somebody else is never signalled.
"""

import contextlib
import os
import select
import signal
from collections.abc import Generator
from pathlib import Path

import attrs


@attrs.frozen
class Handle:
    """A running process: its number, and a descriptor that means this process for ever."""

    pid: int
    descriptor: int

    def kill(self) -> None:
        """Kill it; success if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)

    def ends_within(self, seconds: float) -> bool:
        """Tell whether it ends in time."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        return bool(ready)


@contextlib.contextmanager
def opened(path: Path, mark: str) -> Generator[Handle | None]:
    """Take hold of the process whose number is in a file; None where none runs that bears the mark."""
    try:
        pid = _number(path.read_text())
        descriptor = os.pidfd_open(pid)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        yield None
        return
    try:
        # Read after the descriptor was opened: as long as that lives, the number can't come to mean another process.
        yield Handle(pid, descriptor) if mark.encode() in _command_line(pid) else None
    finally:
        os.close(descriptor)


def _number(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(f"{number} is no process")
    return number


def _command_line(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
