"""Ctrl-C: while an apply runs, the first asks it to stop, the second leaves at once; elsewhere one is enough."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from vmpattern.cli.failures import INTERRUPTED

_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def interruptible(*, on_first: Callable[[], None], on_second: Callable[[], None]) -> Generator[None, None, None]:
    """Let the first Ctrl-C call `on_first`, and the second call `on_second` and end the process with status 130.

    Both are called between two steps of the main thread, whatever it was doing: they must not wait for anything that
    it may hold.
    """
    asked = False

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            on_second()
            _leave()
        asked = True
        on_first()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ignore_more() -> None:
    """Ignore Ctrl-C from now on: the command is over, and another one must not cut short what it says of that."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave() -> None:
    """End the process without waiting for threads; a live view may have hidden the cursor."""
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR.encode())
    os._exit(INTERRUPTED)
