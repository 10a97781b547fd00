"""Measuring what work takes: a process as a whole, a call within one, and how fast the machine is just then."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from threading import Timer
from typing import TypeVar

import attrs

T = TypeVar("T")

MIB_PER_MAXRSS = 1 / 2**20 if sys.platform == "darwin" else 1 / 2**10


@attrs.frozen
class Spent:
    """What a whole process took, its children included.

    `peak_mib` is never below that of the process that started it: keep that one small.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


class TookTooLong(Exception):
    """A process didn't end within its time and was ended."""


class Failed(Exception):
    """A process ended badly; the text is the last that it wrote."""


class Deadline:
    """The time that a benchmark has: nothing new is begun after it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Return the seconds left, 0 when it is over."""
        return max(0.0, self._end - time.monotonic())

    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.left_s() == 0.0


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    good: Sequence[int] = (0,),
) -> tuple[Spent, str]:
    """Run a command to its end; return what it took and what it printed.

    Raises:
        TookTooLong: it ran for more than `timeout_s`.
        Failed: its exit code isn't a `good` one.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT, cwd=folder, env=env)
        killer = Timer(timeout_s, process.kill)
        killer.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            overdue = not killer.is_alive()
            killer.cancel()
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    bad = process.returncode not in good
    if bad and overdue:
        raise TookTooLong(f"more than {timeout_s:.0f} s")
    if bad:
        raise Failed(text.strip().splitlines()[-1] if text.strip() else f"exit code {process.returncode}")
    return Spent(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * MIB_PER_MAXRSS), text


def with_bytecode(folder: Path) -> dict[str, str]:
    """Return an environment in which Python keeps its bytecode in a folder, whatever this process was told."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "PYTHONPYCACHEPREFIX": str(folder)}


def in_child(
    function: Callable[..., T], *arguments: object, timeout_s: float, env: Mapping[str, str] | None = None
) -> tuple[Spent, T]:
    """Call a function of a module in a Python process of its own; arguments and result are JSON values."""
    module, name = function.__module__, function.__qualname__
    code = f"import json, {module}; print(json.dumps({module}.{name}(*json.loads({json.dumps(arguments)!r}))))"
    spent, text = run([sys.executable, "-c", code], timeout_s=timeout_s, env=env)
    found: T = json.loads(text)
    return spent, found


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def calibration_s() -> float:
    """Return the CPU seconds of a fixed piece of pure Python: calls, attributes, dictionaries.

    A machine that is shared is slow at some moments. What is measured beside this, divided by it, hardly changes.
    """
    return cpu_s(lambda: sum(map(_work, range(300))))


@attrs.define
class _Thing:
    number: int
    seen: int = 0


def _work(start: int) -> int:
    things = {number: _Thing(number) for number in range(start, start + 200)}
    for number in things:
        thing = things[number]
        thing.seen = min(thing.number, thing.seen + 1)
    return sum(thing.seen for thing in things.values())


def best_and_median(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the middle one: what the work takes, and what it took on that day."""
    return min(values), median(values)
