"""What a VM uses, as its process shows it: time on this machine's processors, and memory that the guest has touched."""

import os
import re
from pathlib import Path

import attrs

from vmpattern.model import Usage
from vmpattern_local import files, process
from vmpattern_local.vms import Record

SAMPLE = "sample.json"
PERIOD_S = 5.0
"""Use is averaged over at least so long, once the VM is that old."""

MEMORY = re.compile(r"/memfd:memory-backend-memfd.*?^Rss:\s+(\d+) kB", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Sample:
    """Seconds of processor time that were used up to a moment."""

    at: float
    used_s: float


@attrs.frozen
class Samples:
    """The two latest samples that lie far enough apart."""

    older: Sample
    newer: Sample


def measure(record: Record, folder: Path, *, vcpus: int, now: float) -> Usage | None:
    """Return what a VM used since the last but one measurement, or since its start; None if it doesn't run."""
    with process.opened(folder, record.uuid) as found:
        if found is None:
            return None
        try:
            used_s = _processor_s(found.pid)
            memory_mib = _memory_mib(found.pid)
        except (FileNotFoundError, ProcessLookupError):
            return None
    latest = Sample(now, used_s)
    older = _older(folder / SAMPLE, Sample(record.launched_at, 0.0), latest)
    period_s = max(0.0, now - older.at)
    # QEMU's own threads count, too: a guest can't use more than its processors.
    cpu = min(float(vcpus), (used_s - older.used_s) / period_s) if period_s else 0.0
    return Usage(at=now, period_s=period_s, cpu=max(0.0, cpu), memory_mib=memory_mib)


def _older(path: Path, start: Sample, latest: Sample) -> Sample:
    """Return the sample to compare with, and keep the latest for the next time if the last is old enough."""
    kept = files.read_value(path, Samples) or Samples(start, start)
    if latest.at - kept.newer.at < PERIOD_S:
        return kept.older
    files.write_value(path, Samples(kept.newer, latest))
    return kept.newer


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float | None:
    found = MEMORY.search(Path(f"/proc/{pid}/smaps").read_text())
    return int(found[1]) / 1024 if found else None
