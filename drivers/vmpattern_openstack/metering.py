"""What servers use, as Nova's diagnostics count it: processor time since each server's start.

Source:
    Nova's API reference, "Show Server Diagnostics", as of microversion 2.48; its libvirt driver fills in the memory
    that a server may use, not what it uses, so none is told (read 2026-11).
"""

import threading
from collections.abc import Sequence

import attrs

from vmpattern.errors import NotFound, Transient
from vmpattern.model import InstanceId, Usage
from vmpattern_openstack.answers import Diagnostics
from vmpattern_openstack.api import DIAGNOSTICS, Calls

PERIOD_S = 60.0
"""Use is averaged over at least so long, once it was asked for so long ago."""


@attrs.frozen
class Sample:
    """Seconds of processor time that were used up to a moment."""

    at: float
    used_s: float


class Meter:
    """Remembers what was counted, to tell what came since: a driver's own, shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[InstanceId, tuple[Sample, Sample]] = {}

    def usage(self, calls: Calls, ids: Sequence[InstanceId], *, now: float) -> dict[InstanceId, Usage]:
        """Return what servers used since a minute or more, or since their start; those that don't run are left out.

        Args:
            now: in epoch seconds.
        """
        found: dict[InstanceId, Usage] = {}
        for id in ids:
            told = _diagnostics(calls, id)
            if told is not None:
                found[id] = self._since(id, told, now)
        return found

    def _since(self, id: InstanceId, told: Diagnostics, now: float) -> Usage:
        latest = Sample(now, sum(cpu.time or 0 for cpu in told.cpu_details) / 1e9)
        start = Sample(now - (told.uptime or 0), 0.0)
        with self._lock:
            older, newer = self._samples.get(id, (start, start))
            if latest.used_s < newer.used_s:
                older = newer = start  # it was started anew
            if now >= newer.at + PERIOD_S:
                older = newer
                self._samples[id] = (newer, latest)
        period_s = max(0.0, now - older.at)
        cpu = (latest.used_s - older.used_s) / period_s if period_s else 0.0
        return Usage(at=now, period_s=period_s, cpu=min(float(len(told.cpu_details)), max(0.0, cpu)))


def _diagnostics(calls: Calls, id: InstanceId) -> Diagnostics | None:
    try:
        found = calls.get("compute", f"/servers/{id}/diagnostics", version=DIAGNOSTICS)
    except NotFound:
        return None
    except Transient as error:
        if error.code != "conflictingRequest":
            raise
        return None  # it doesn't run
    told = calls.parsed(Diagnostics, found)
    return told if told.state == "running" else None
