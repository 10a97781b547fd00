"""The emulator's time: it stands until somebody moves it, or runs beside the real one, so many times as fast."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since the world began, and what is to happen when; `pace` 0: time moves by `advance` only.

    Everything is called under `lock`, which a waiting thread lets go.
    """

    def __init__(self, *, pace: float = 0.0, beginning: float = BEGINNING) -> None:
        self.pace = pace
        self.beginning = beginning
        self.lock = threading.Condition(threading.RLock())
        self.seconds = 0.0
        self._began = time.monotonic()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        heapq.heappush(self._timers, (self.seconds + seconds, next(self._count), act))

    def catch_up(self) -> None:
        """Let happen what is due: to be called before anything is looked at."""
        if self.pace:
            self._reach((time.monotonic() - self._began) * self.pace)

    def advance(self, seconds: float) -> None:
        """Move a clock that stands, or wait beside one that runs."""
        if self.pace:
            time.sleep(seconds / self.pace)
        with self.lock:
            if self.pace:
                self.catch_up()
            else:
                self._reach(self.seconds + seconds)

    def wait_for(self, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, so many seconds at most; a clock that stands is moved."""
        until = self.seconds + seconds
        while not holds() and self.seconds < until:
            due = min(until, self._timers[0][0] if self._timers else until)
            if self.pace:
                self.lock.wait(max(0.001, (due - self.seconds) / self.pace))
                self.catch_up()
            else:
                self._reach(due)

    def now(self) -> float:
        """Return the moment in epoch seconds."""
        with self.lock:
            self.catch_up()
            return self.beginning + self.seconds

    def stamp(self) -> str:
        """Return the moment as resources bear it."""
        return datetime.fromtimestamp(self.beginning + self.seconds, UTC).isoformat(timespec="milliseconds")

    def _reach(self, seconds: float) -> None:
        while self._timers and self._timers[0][0] <= seconds:
            at, _, act = heapq.heappop(self._timers)
            self.seconds = max(self.seconds, at)
            act()
        self.seconds = max(self.seconds, seconds)
        self.lock.notify_all()
