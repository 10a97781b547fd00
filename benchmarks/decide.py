"""One decision after one change: it must cost the same in fleets of every size. For contrast, counting all rows anew.

The change is the word of one health check: an instance falls ill, and is well again the next time. Everything is out
of date and nothing in flight, so every decision asks for a launch, with its key. All sizes are measured by turns, in
one process.
"""

import attrs

from benchmarks import worlds
from benchmarks.spending import Deadline, best_and_median, cpu_s
from benchmarks.tables import Report, Table
from vmpattern.model import Fleet, Health, Instance
from vmpattern.planner import FleetIndex, decide

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 15
CHANGES = 200
PAUSE_S = 60.0
"""Between two changes: long enough for an instance to have proven itself anew."""


@attrs.define
class Subject:
    """A fleet whose instances fall ill and get well by turns."""

    fleet: Fleet
    index: FleetIndex
    instances: tuple[Instance, ...]
    now: float
    changes: int = 0
    update_us: list[float] = attrs.field(factory=list)
    decide_us: list[float] = attrs.field(factory=list)
    rebuild_ms: list[float] = attrs.field(factory=list)

    def turn(self) -> None:
        """Measure some changes, the decision after each, and one rebuilding."""
        updating = deciding = 0.0
        for _ in range(CHANGES):
            updating += cpu_s(self._change)
            deciding += cpu_s(lambda: decide(self.fleet, self.index, self.now))
        self.update_us.append(updating / CHANGES * 1e6)
        self.decide_us.append(deciding / CHANGES * 1e6)
        self.rebuild_ms.append(cpu_s(lambda: self.index.rebuilt(self.now)) * 1e3)

    def _change(self) -> None:
        number, well = divmod(self.changes, 2)
        instance = self.instances[number * 7919 % len(self.instances)]
        self.now += PAUSE_S
        self.index.advance(self.now)
        self.index.see(instance, self.now, probed=Health.HEALTHY if well else Health.UNHEALTHY)
        self.changes += 1


def report(deadline: Deadline) -> Report:
    """Measure all sizes by turns, as long as there is time."""
    subjects = {size: _subject(size) for size in SIZES}
    for _ in range(ROUNDS):
        if deadline.is_over():
            break
        for subject in subjects.values():
            subject.turn()
    rows = [
        [
            size,
            *best_and_median(subject.decide_us),
            *best_and_median(subject.update_us),
            min(subject.rebuild_ms),
            min(subject.rebuild_ms) * 1e3 / (min(subject.decide_us) + min(subject.update_us)),
        ]
        for size, subject in subjects.items()
    ]
    columns = ["instances", "decide µs, best", "median", "update µs, best", "median", "rebuild ms", "times as much"]
    note = "Update: the index takes in one change. Rebuild: it counts all rows anew, which nothing but a test does."
    samples = {str(size): [subject.update_us, subject.decide_us] for size, subject in subjects.items()}
    return Report("decide", [Table("decide: one decision after one change", columns, rows, note)], samples)


def _subject(size: int) -> Subject:
    desired, seen = worlds.deployment(size), worlds.outdated(size)
    instances = seen.clouds[worlds.CLOUD].instances
    return Subject(desired.fleets[worlds.FLEET], worlds.index(seen, desired), instances, seen.at)
