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
        """Return what servers used since a minute or more, or since their start; what isn't known is left out.

        Args:
            now: in epoch seconds.
        """
        found: dict[InstanceId, Usage] = {}
        for id in ids:
            use = self._since(id, _diagnostics(calls, id), now)
            if use is not None:
                found[id] = use
        return found

    def _since(self, id: InstanceId, told: Diagnostics | None, now: float) -> Usage | None:
        counted = [cpu.time for cpu in told.cpu_details if cpu.time is not None] if told is not None else []
        if told is None or not counted:
            with self._lock:
                self._samples.pop(id, None)
            return None
        latest = Sample(now, sum(counted) / 1e9)
        # Not every hypervisor says since when a server runs: then nothing is known before the second time.
        start = latest if told.uptime is None else Sample(now - told.uptime, 0.0)
        with self._lock:
            older, newer = self._samples.get(id, (start, start))
            if latest.used_s < newer.used_s:
                older = newer = start  # it was started anew
            if now >= newer.at + PERIOD_S:
                older, newer = newer, latest
            self._samples[id] = older, newer
        period_s = now - older.at
        if period_s <= 0.0:
            return None
        cpu = (latest.used_s - older.used_s) / period_s
        return Usage(at=now, period_s=period_s, cpu=min(float(len(counted)), max(0.0, cpu)))


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
