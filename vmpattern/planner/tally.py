"""Counts, queues in order and deadlines of a fleet's rows: what makes a decision cost what changed."""

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Iterable

from vmpattern.model import InstanceId
from vmpattern.planner.rows import Row, State

Order = tuple[float, str]


class Tally:
    """Counts rows by what `decide` asks for, and keeps them in the order in which they would go.

    A row is entered as it stands and must be left before anything changes that `enter` looked at. `version` moves with
    every change that a decision may depend on. `visible` is the sum of the live rows' digests; `have`, `pending` and
    `dated` are by slot: in-date instances that are there or get there, launches on their way, the queue of the former.
    """

    def __init__(self, slots: int, clouds: Iterable[str]) -> None:
        self.rows: dict[InstanceId, Row] = {}
        self.version = 0
        self.visible = 0
        self.live = 0
        self.kept = 0
        self.leaving = 0
        self.serving = 0
        self.reported = 0
        self.ready_in = dict.fromkeys(clouds, 0)
        self.have = [0] * slots
        self.pending = [0] * slots
        self.broken_new: list[Order] = []
        self.broken_old: list[Order] = []
        self.drained: list[Order] = []
        self.joining: list[Order] = []
        self.old_idle: list[Order] = []
        self.old_ready: list[Order] = []
        self.dated: list[list[Order]] = [[] for _ in range(slots)]
        self._due: list[tuple[float, str]] = []

    @property
    def total(self) -> int:
        """Live instances, launches without an answer and unconfirmed terminations included."""
        return self.live + sum(self.pending)

    def next_due(self) -> float:
        """Return when the passing of time alone changes something; infinity for never."""
        return self._due[0][0] if self._due else math.inf

    def enter(self, row: Row) -> None:
        """Count the row, and queue it, as it stands."""
        self._count(row, 1)
        for queue, entry in self._queues(row):
            insort(queue, entry)

    def leave(self, row: Row) -> None:
        """Take the row out of the counts and queues that it entered; it must stand as it did then."""
        self._count(row, -1)
        for queue, entry in self._queues(row):
            del queue[bisect_left(queue, entry)]

    def take_out(self, row: Row, state: State, drained: bool) -> None:
        """Take a row out of counts and queues as it stood before its facts changed."""
        now_drained, row.drained, row.state = row.drained, drained, state
        self.leave(row)
        row.drained = now_drained

    def schedule(self, row: Row, time: float) -> None:
        """Note when the row may change by the mere passing of time; infinity for never."""
        if time != row.due:
            row.due = time
            if time < math.inf:
                heapq.heappush(self._due, (time, row.instance.id))
            self.purge()

    def overdue(self, now: float) -> Row | None:
        """Take the next row whose time has come, None if there is none; its `due` is settled with this."""
        if not self._due or self._due[0][0] > now:
            return None
        row = self.rows[InstanceId(heapq.heappop(self._due)[1])]
        row.due = math.inf
        self.purge()
        return row

    def purge(self) -> None:
        """Drop deadlines that were called off from the front of the heap."""
        while self._due and self._is_stale(self._due[0]):
            heapq.heappop(self._due)

    def _is_stale(self, entry: tuple[float, str]) -> bool:
        row = self.rows.get(InstanceId(entry[1]))
        return row is None or row.due != entry[0]

    def _count(self, row: Row, sign: int) -> None:
        """Count a row in or out. One whose end was accepted counts nowhere: no decision depends on it."""
        state = row.state
        if state is State.ENDING:
            return
        self.version += 1
        self.live += sign
        self.visible = (self.visible + sign * row.digest) % 2**128
        if state is State.READY:
            self.ready_in[row.instance.cloud] += sign
            self.serving += sign * row.dated
            self.reported += sign
        elif state is State.PROVING:
            self.serving += sign * row.dated
            self.reported += sign
        elif state is State.KEPT:
            self.kept += sign
        elif state is State.LEAVING:
            self.leaving += sign
        if row.dated and state >= State.READY:
            self.have[row.slot] += sign

    def _queues(self, row: Row) -> list[tuple[list[Order], Order]]:
        state, order = row.state, row.order
        if state is State.BROKEN:
            return [(self.broken_new if row.dated else self.broken_old, order)]
        if state is State.LEAVING:
            return [(self.drained, order)] if row.drained and not row.ending_sent else []
        if state < State.READY:
            return []
        if not row.dated:
            return [(self.old_ready if state is State.READY else self.old_idle, order)]
        if state is State.JOINING:
            return [(self.dated[row.slot], order), (self.joining, order)]
        return [(self.dated[row.slot], order)]
