"""The size of what was observed: instances in an Observation, and the index that decisions read.

Every instance has strings of its own, as when a driver makes them from a provider's answer. The growth of the process
and Python's own count are taken in processes of their own, since counting takes memory too.
"""

import json
import resource
import tracemalloc
from collections.abc import Callable

from benchmarks import worlds
from benchmarks.spending import MIB_PER_MAXRSS, Deadline, in_child
from benchmarks.tables import Report, Table
from vmpattern.model import Instance
from vmpattern.serialization import from_json, to_json

SIZES = (1_000, 10_000)


def resident(size: int) -> list[float]:
    """Return by how many MiB the process grows: for the observation, then for the index."""
    return _growth(size, lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_MAXRSS)


def counted(size: int) -> list[float]:
    """Return how many MiB Python allocates: for the observation, then for the index."""
    tracemalloc.start()
    return _growth(size, lambda: tracemalloc.get_traced_memory()[0] / 2**20)


def report(deadline: Deadline) -> Report:
    """Measure each size."""
    rows = []
    for size in SIZES:
        spent, grown = in_child(resident, size, timeout_s=max(60.0, deadline.left_s()))
        _, allocated = in_child(counted, size, timeout_s=max(60.0, deadline.left_s()))
        bytes_each = sum(allocated) / size * 2**20
        rows.append([size, *grown, sum(grown), sum(allocated), round(bytes_each), spent.peak_mib])
    columns = ["instances", "observation MiB", "index MiB", "together", "by tracemalloc", "bytes each", "process MiB"]
    note = "Growth of the resident set; bytes each by tracemalloc, observation and index; the process with everything."
    return Report("memory", [Table("memory: an observed fleet", columns, rows, note)])


def _growth(size: int, used: Callable[[], float]) -> list[float]:
    desired = worlds.deployment(size)
    worlds.index(worlds.observation((_answered(0),)), desired)  # what is made once
    begin = used()
    seen = worlds.observation(tuple(map(_answered, range(size))))
    observed = used()
    index = worlds.index(seen, desired)
    known = used()
    assert len(index.rows) == size
    return [observed - begin, known - observed]


def _answered(number: int) -> Instance:
    return from_json(Instance, json.loads(json.dumps(to_json(worlds.running(number)))))
