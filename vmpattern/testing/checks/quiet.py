"""Quietness: a driver neither prints, nor reads the environment, nor sleeps. Looked for while verbs are called."""

import contextlib
import inspect
import io
import os
import time
from collections.abc import Callable, Generator, Iterator, MutableMapping
from typing import SupportsIndex

from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.clauses import clause


@clause("quiet-1", "A verb prints nothing.")
def prints_nothing(bench: Bench) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        _use(bench)
    expect(not printed.getvalue(), f"printed {printed.getvalue()[:60]!r}")


@clause("quiet-2", "A verb reads no environment variable: what a driver needs is in its options.")
def reads_no_environment(bench: Bench) -> None:
    package = _package(type(bench.driver).__module__)
    with _watched_environment(package) as names:
        _use(bench)
    expect(not names, f"read {told(names)} from the environment")


@clause("quiet-3", "A verb never sleeps: waiting is the caller's.")
def never_sleeps(bench: Bench) -> None:
    package = _package(type(bench.driver).__module__)
    slept: list[float] = []
    really = time.sleep

    def sleep(seconds: float | SupportsIndex) -> None:
        if _package(_caller(2)) == package and not _lets_pass(bench):
            slept.append(float(seconds))
        else:
            really(float(seconds))

    time.sleep = sleep
    try:
        _use(bench)
    finally:
        time.sleep = really
    expect(not slept, f"slept for {told(slept)} s")


def _use(bench: Bench) -> None:
    """Call every verb that every driver has, without waiting in between."""
    report = bench.launch(bench.request())
    bench.rows()
    bench.patiently(bench.driver.machine_types)
    bench.patiently(lambda: bench.driver.images(bench.selector))
    bench.terminate([row.id for row in report.created])


def _caller(depth: int) -> str:
    """Return the module of the function so far up the stack, apart from those of the standard mapping."""
    names = [str(one.frame.f_globals.get("__name__", "")) for one in inspect.stack(0)[depth:]]
    return next((name for name in names if name not in _MAPPINGS), "")


def _lets_pass(bench: Bench) -> bool:
    """Whether the kit is what waits, which may be in one package with its driver."""
    waiting = type(bench.kit).let_pass.__code__
    return any(one.frame.f_code is waiting for one in inspect.stack(0))


def _package(module: str) -> str:
    return module.partition(".")[0]


_MAPPINGS = ("os", "collections.abc", "_collections_abc")


class _Watched(MutableMapping[str, str]):
    """The environment, with what one package reads of it written down."""

    def __init__(self, real: MutableMapping[str, str], note: Callable[[str], None]) -> None:
        self._real = real
        self._note = note

    def __getitem__(self, key: str) -> str:
        self._note(key)
        return self._real[key]

    def __setitem__(self, key: str, value: str) -> None:
        self._real[key] = value

    def __delitem__(self, key: str) -> None:
        del self._real[key]

    def __iter__(self) -> Iterator[str]:
        self._note("everything")
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)


@contextlib.contextmanager
def _watched_environment(package: str) -> Generator[list[str]]:
    names: list[str] = []

    def note(name: str) -> None:
        if _package(_caller(3)) == package:
            names.append(name)

    real = os.environ
    os.environ = _Watched(real, note)  # type: ignore[assignment] # noqa: B003
    try:
        yield names
    finally:
        os.environ = real  # noqa: B003
