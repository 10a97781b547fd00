"""The state machine: each example has a fleet of its own, and ends with everything settled and compared."""

import itertools
from collections.abc import Callable
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError
from vmpattern.model import Idempotency, InstanceId
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.kit import Fault, Skipped

MOST = 4


@attrs.define
class Known:
    """What the model knows of one key: what was reported, what was ended, and how many may be there unreported."""

    request: LaunchRequest
    live: set[InstanceId] = attrs.field(factory=set)
    ended: set[InstanceId] = attrs.field(factory=set)
    unknown: int = 0


class Model:
    """The driver and what it should have made, side by side, in one fleet."""

    def __init__(self, bench: Bench, fleet: str) -> None:
        self.bench = bench
        self.selector = Selector(bench.deployment, fleet)
        self.keys: list[Known] = []
        self.most = min(MOST, bench.kit.most)

    def room(self, count: int) -> bool:
        """Tell whether so many more may be launched."""
        return sum(len(known.live) + known.unknown for known in self.keys) + count <= self.most

    def new(self, count: int) -> Known:
        """Begin a key."""
        assert self.selector.fleet is not None
        self.keys.append(Known(self.bench.request(count, fleet=self.selector.fleet)))
        return self.keys[-1]

    def take(self, known: Known, report: LaunchReport) -> None:
        """Take in a report, which must fit what is known of the key."""
        rows = (*report.created, *report.adopted)
        named = {row.id for row in rows}
        expect(not named & known.ended, f"launched again, and already ended: {told(named & known.ended)}")
        expect(len(named) == len(rows), "an instance is reported twice")
        known.live |= named
        known.unknown = report.unknown
        total = len(known.live | known.ended)
        expect(total <= known.request.count, f"one key of {known.request.count} made {total} instances")

    def compare(self) -> None:
        """Compare what is listed with the model, after everything has settled."""
        self.bench.settle()
        rows = self.bench.rows(self.selector)
        for known in self.keys:
            live = {row.id for row in rows if row.key == known.request.key and row.phase.is_live}
            lost = known.live - live
            expect(not lost, f"launched, not ended, and not listed: {told(lost)}")
            more = live - known.live
            expect(len(more) <= known.unknown, f"listed, and no launch made it: {told(more)}")
            expect(not live & known.ended, f"ended, and listed as live: {told(live & known.ended)}")
        strange = {row.id for row in rows} - {
            row.id for row in rows if row.key in {known.request.key for known in self.keys}
        }
        expect(not strange, f"listed with keys that were never used: {told(strange)}")


class Histories(RuleBasedStateMachine):
    """Histories of one driver; a subclass has its bench."""

    bench: ClassVar[Bench]
    examples: ClassVar["itertools.count[int]"]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(self.bench, f"f{next(self.examples)}")
        self.keyed = self.bench.can.idempotency is not Idempotency.NONE

    @rule(count=st.integers(1, 2))
    def launch(self, count: int) -> None:
        if self.model.room(count) and count <= self.bench.can.max_batch:
            known = self.model.new(count)
            self.model.take(known, self.bench.launch(known.request))

    @rule(fault=st.sampled_from((Fault.LOST_BEFORE, Fault.LOST_AFTER)))
    def launch_and_lose_the_reply(self, fault: Fault) -> None:
        if self.model.room(1):
            try:
                driver = self.bench.connect(fault)
            except Skipped:
                return
            known = self.model.new(1)
            known.unknown = 1
            _tried(lambda: driver.launch(known.request))

    @rule(which=st.integers(0, 9))
    def send_again(self, which: int) -> None:
        if self.keyed and self.model.keys:
            known = self.model.keys[which % len(self.model.keys)]
            # What may be there already and be ending can't be told apart from here.
            if not known.ended:
                self.model.take(known, self.bench.launch(known.request))

    @rule(which=st.integers(0, 9))
    def send_again_from_several_threads(self, which: int) -> None:
        if self.keyed and self.model.keys:
            known = self.model.keys[which % len(self.model.keys)]
            if not known.ended:
                for answer in self.bench.together(*[lambda: self.bench.launch(known.request)] * 2):
                    if not isinstance(answer, DriverError):
                        self.model.take(known, answer)

    @rule(which=st.integers(0, 9))
    def send_a_spent_key_again(self, which: int) -> None:
        spent = [known for known in self.model.keys if known.ended and not known.live and not known.unknown]
        if self.keyed and spent:
            known = spent[which % len(spent)]
            report = _tried(lambda: self.bench.launch(known.request))
            adopted = {row.id for row in report.adopted} if report is not None else set[InstanceId]()
            expect(not adopted, f"adopted, though it was ended: {told(adopted)}")
            known.live |= {row.id for row in report.created} if report is not None else set()

    @rule(which=st.integers(0, 9))
    def terminate(self, which: int) -> None:
        live = [(known, id) for known in self.model.keys for id in sorted(known.live)]
        if live:
            known, id = live[which % len(live)]
            self.bench.terminate([id])
            known.live.discard(id)
            known.ended.add(id)

    @rule(share=st.sampled_from((0.01, 0.1, 0.5)))
    def let_time_pass(self, share: float) -> None:
        self.bench.kit.let_pass(self.bench.driver, share * self.bench.kit.settle_s)

    @rule()
    def crash(self) -> None:
        self.bench.driver = self.bench.connect()

    @invariant()
    def no_key_makes_more_than_it_asks_for(self) -> None:
        rows = self.bench.rows(self.model.selector)
        for known in self.model.keys if self.keyed else []:
            ids = {row.id for row in rows if row.key == known.request.key}
            count = known.request.count
            # Where instances have unique names, one that has ended may make room for another.
            expect(len(ids) <= count or bool(known.ended), f"one key of {count} made {len(ids)} instances")

    def teardown(self) -> None:
        self.model.compare()
        rows = self.bench.rows(self.model.selector)
        if live := [row.id for row in rows if row.phase.is_live]:
            for first in range(0, len(live), self.bench.can.max_terminate):
                self.bench.terminate(live[first : first + self.bench.can.max_terminate])


def machine(bench: Bench) -> type[RuleBasedStateMachine]:
    """Return a new class of machines that work at a bench."""
    return type("Histories", (Histories,), {"bench": bench, "examples": itertools.count()})


def _tried(call: Callable[[], LaunchReport]) -> LaunchReport | None:
    try:
        return call()
    except DriverError:
        return None
