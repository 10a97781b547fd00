"""Ctrl-C and its kin: while an apply runs, the first asks it to stop, the second leaves at once.

SIGTERM, which supervisors send, and SIGHUP, of a terminal that is closed, are like Ctrl-C. Elsewhere one is enough.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

import attrs

from vmpattern.cli.failures import INTERRUPTED

_SHOW_CURSOR = "\x1b[?25h"
_OTHERS = ("SIGTERM", "SIGHUP")
"""Signals beside SIGINT that end a process; not every system has all of them."""


@attrs.define
class Interruption:
    """Which signal asked first, if any, and whether the command may have changed something by then."""

    signal: int | None = None
    acts: bool = False

    @property
    def status(self) -> int:
        """The exit status of a command that was interrupted: 128 and the number of the signal."""
        return INTERRUPTED if self.signal is None else 128 + self.signal

    def check(self) -> None:
        """End the command if a signal came while nothing could be raised.

        Raises:
            KeyboardInterrupt: one did.
        """
        if self.signal is not None:
            raise KeyboardInterrupt


@contextmanager
def interruptible(
    earlier: Interruption, *, on_first: Callable[[], None], on_second: Callable[[], None]
) -> Generator[Interruption, None, None]:
    """Let the first signal call `on_first`, and the second call `on_second` and end the process.

    From here on the command acts, unless a signal has come before: `earlier` knows, and notes it.

    Both are called between two steps of the main thread, whatever it was doing: they must not wait for anything that
    it may hold. A signal other than SIGINT that the parent has had ignored, as `nohup` does, stays ignored.
    """
    asked, terminals = Interruption(), _terminals()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            _drop(terminals)
        if asked.signal is not None:
            on_second()
            _leave(128 + number)
        asked.signal = number
        on_first()

    with _handled(interrupted):
        earlier.check()
        earlier.acts = True
        yield asked


@contextmanager
def raising() -> Generator[Interruption, None, None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, while the context is open.

    Python drops what is raised while an object is finalized: there a signal is only noted, for `check`.
    """
    asked, terminals = Interruption(), _terminals()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            _drop(terminals)
        asked.signal = asked.signal or number
        if not _finalizes(frame):
            raise KeyboardInterrupt

    with _handled(interrupted):
        yield asked


def _finalizes(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def ignore_more() -> None:
    """Ignore Ctrl-C from now on: the command is over, and another one must not cut short what it says of that."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def write(descriptor: int, text: str) -> None:
    """Write from within a handler; a terminal that is closed takes nothing more."""
    with suppress(OSError):
        os.write(descriptor, text.encode())


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Generator[None, None, None]:
    numbers = [signal.SIGINT, *(getattr(signal, name) for name in _OTHERS if hasattr(signal, name))]
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _terminals() -> list[int]:
    """Return which of the standard streams are a terminal."""
    found = []
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            found += [descriptor] if os.isatty(descriptor) else []
    return found


def _drop(terminals: list[int]) -> None:
    """Let what is written to a terminal that is closed go nowhere, rather than fail."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in terminals:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _leave(status: int) -> None:
    """End the process without waiting for threads; a live view may have hidden the cursor."""
    if sys.stderr.isatty():
        write(2, _SHOW_CURSOR)
    os._exit(status)
