"""Counts, queues in order and deadlines of a fleet's rows: what makes a decision cost what changed."""

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Iterable

from vmpattern.model import InstanceId
from vmpattern.planner.rows import BROKEN, ENDING, JOINING, KEPT, LEAVING, PROVING, READY, SILENT, Order, Row, State


class Tally:
    """Counts rows by what `decide` asks for, and keeps them in the order in which they would go.

    A row is entered as it stands, and again after whatever changes it. `version` moves with every change that a
    decision may depend on. `visible` is the sum of the live rows' digests; `have`, `pending` and `dated` are by slot:
    in-date instances that are there or get there, launches on their way (`asked` in all), the queue of the former.
    `silent` counts those of the former whose health isn't known, long after it should be.
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
        self.silent = 0
        self.ready_in = dict.fromkeys(clouds, 0)
        self.have = [0] * slots
        self.pending = [0] * slots
        self.asked = 0
        self.broken_new: list[Order] = []
        self.broken_old: list[Order] = []
        self.drained: list[Order] = []
        self.joining: list[Order] = []
        self.old_idle: list[Order] = []
        self.old_ready: list[Order] = []
        self.dated: list[list[Order]] = [[] for _ in range(slots)]
        self._due: list[tuple[float, InstanceId]] = []
        # A row's queues, by what decides between them: the same tuple says that it stays where it is.
        self._broken = ((self.broken_old,), (self.broken_new,))
        self._drained = (self.drained,)
        self._old = ((self.old_idle,), (self.old_ready,))
        self._dated = [((queue,), (queue, self.joining)) for queue in self.dated]

    @property
    def total(self) -> int:
        """Live instances, launches without an answer and unconfirmed terminations included."""
        return self.live + self.asked

    def ask(self, slot: int, count: int) -> None:
        """Count launches in a slot that have no answer yet; a negative count takes them back."""
        self.pending[slot] += count
        self.asked += count

    def next_due(self) -> float:
        """Return when the passing of time alone changes something; infinity for never."""
        return self._due[0][0] if self._due else math.inf

    def enter(self, row: Row) -> None:
        """Count the row, and queue it, as it stands, instead of as it was entered before."""
        if row.state is row.counted and row.state is not LEAVING:
            self.version += 1
        else:
            self._move(row, row.state)

    def leave(self, row: Row) -> None:
        """Take the row out of the counts and queues that it was entered in."""
        self._move(row, None)

    def _move(self, row: Row, state: State | None) -> None:
        """Count and queue the row as of another state; one whose end was accepted counts nowhere any more."""
        after = None if state is ENDING else state
        before = None if row.counted is ENDING else row.counted
        row.counted = state
        if before is after is None:
            return
        self.version += 1
        if before is None or after is None:
            sign = 1 if before is None else -1
            self.live += sign
            self.visible = (self.visible + sign * row.digest) % 2**128
        if before is not None:
            self._count(row, before, -1)
        if after is not None:
            self._count(row, after, 1)
        queues = self._queues(row, after)
        if queues is not row.queues:
            for queue in row.queues:
                del queue[bisect_left(queue, row.order)]
            for queue in queues:
                insort(queue, row.order)
            row.queues = queues

    def schedule(self, row: Row, time: float) -> None:
        """Note when the row may change by the mere passing of time; infinity for never."""
        before = row.due
        if time != before:
            row.due = time
            if time < math.inf:
                heapq.heappush(self._due, (time, row.instance.id))
            if before < math.inf:
                self.purge()

    def overdue(self, now: float) -> Row | None:
        """Take the next row whose time has come, None if there is none; its `due` is settled with this."""
        if not self._due or self._due[0][0] > now:
            return None
        row = self.rows[heapq.heappop(self._due)[1]]
        row.due = math.inf
        self.purge()
        return row

    def purge(self) -> None:
        """Drop deadlines that were called off from the front of the heap."""
        due = self._due
        while due:
            time, instance = due[0]
            row = self.rows.get(instance)
            if row is not None and row.due == time:
                return
            heapq.heappop(due)

    def _count(self, row: Row, state: State, sign: int) -> None:
        """Count a row of a state in or out."""
        if state >= READY:
            if row.dated:
                self.have[row.slot] += sign
                self.silent += sign * (state is SILENT)
            if state is READY:
                self.ready_in[row.instance.cloud] += sign
            if state is READY or state is PROVING:
                self.serving += sign * row.dated
                self.reported += sign
        elif state is KEPT:
            self.kept += sign
        elif state is LEAVING:
            self.leaving += sign

    def _queues(self, row: Row, state: State | None) -> tuple[list[Order], ...]:
        """Return the queues in which a row of a state stands; a leaving one by how far it is."""
        if state is None or state is KEPT:
            return ()
        if state is BROKEN:
            return self._broken[row.dated]
        if state is LEAVING:
            return self._drained if row.drained and not row.ending_sent else ()
        if not row.dated:
            return self._old[state is READY]
        return self._dated[row.slot][state is JOINING]
