"""Asking what runs to stop in good order."""

from collections.abc import Callable

from vmpattern.access.runtime import Runtime


def never() -> bool:
    """Return False: no stop is ever requested."""
    return False


class StopSwitch:
    """Asks a running apply or bake to stop; safe in a signal handler, and from other threads.

    An apply launches no more and waits for the answers of calls in flight. A bake terminates what it launched and
    deletes an image that it hasn't verified. The library handles no signals: a program that shall stop in good order
    on SIGINT and SIGTERM calls `ask` in its handlers. Killed instead, it leaves instances and builders, from which the
    next apply or bake goes on.
    """

    def __init__(self) -> None:
        self._asked = False
        self._wake: Callable[[], None] | None = None

    def __call__(self) -> bool:
        """Return whether stopping was asked for."""
        return self._asked

    def ask(self) -> None:
        """Ask to stop, and wake whoever waits."""
        self._asked = True
        if self._wake is not None:
            self._wake()

    def wakes(self, runtime: Runtime) -> None:
        """Name the runtime to wake."""
        self._wake = runtime.wake
