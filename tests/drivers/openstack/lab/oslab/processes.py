"""Processes by file: each is started in a group of its own, and found again by its id and the moment it began."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from oslab.place import Place

GRACE_S = 8.0


class Processes:
    """What runs of one lab. Nothing is ever signalled but the very processes that were started here."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def _folder(self) -> Path:
        return self._place.folder("pid")

    def names(self) -> list[str]:
        """Return the names of all that was started and not stopped."""
        return sorted(path.name for path in self._folder.iterdir())

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process unless it runs; what it prints goes to log/NAME.out."""
        if self.is_alive(name):
            return
        with (self._place.folder("log") / f"{name}.out").open("ab") as out:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._place.state,
                env=dict(environment),
                start_new_session=True,
            )
        (self._folder / name).write_text(f"{process.pid} {_born(process.pid)}")

    def is_alive(self, name: str) -> bool:
        """Tell whether the very process that was started under this name still runs."""
        return self._group(name) is not None

    def stop(self, names: Iterable[str]) -> None:
        """End processes with everything that they started: asked first, and killed after some seconds."""
        chosen = list(names)
        groups = [group for name in chosen if (group := self._group(name)) is not None]
        _signal(groups, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while (left := [group for group in groups if _members(group)]) and time.monotonic() < until:
            time.sleep(0.1)
        _signal(left, signal.SIGKILL)
        while any(_members(group) for group in left):
            time.sleep(0.05)
        for name in chosen:
            (self._folder / name).unlink(missing_ok=True)

    def _group(self, name: str) -> int | None:
        try:
            pid, born = (int(word) for word in (self._folder / name).read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _born(pid) == born else None


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none for what isn't there or is only to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if fields[0] == "Z" else fields


def _born(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if fields else -1


def _members(group: int) -> bool:
    every = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return any(fields and int(fields[2]) == group for fields in map(_stat, every))


def _signal(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue
