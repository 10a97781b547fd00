"""Ending: accepted or already gone is success, anything else an error."""

from functools import partial

from vmpattern import naming
from vmpattern.errors import DriverError, Invalid, Unsupported
from vmpattern.model import Phase
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.checks.listing import COPIED
from vmpattern.testing.clauses import clause
from vmpattern.testing.kit import Fault


@clause("end-1", "What `terminate` accepted ends: it is gone or TERMINATED in the end, and nothing else is.")
def ends_what_it_accepts(bench: Bench) -> None:
    bench.need_room(2)
    first, second = bench.launched(2) if bench.can.max_batch > 1 else (*bench.launched(), *bench.launched())
    bench.terminate([first.id])
    bench.until(lambda: bench.ended([first.id]), "an instance that was ended isn't live")
    bench.settle()
    expect(bench.live() == [second.id], f"after the end of {first.id}, {told(bench.live())} is live, not {second.id}")
    ending = [row.id for row in bench.rows() if row.id != second.id and row.phase is not Phase.TERMINATED]
    expect(not ending, f"{bench.kit.settle_s:g} s after {told(ending)} was told to end, its end hasn't come")


@clause("end-2", "Ending what is ending or gone is success.")
def ends_twice(bench: Bench) -> None:
    (row,) = bench.launched()
    bench.terminate([row.id])
    bench.terminate([row.id])
    bench.until(lambda: bench.ended([row.id]), "an instance that was ended isn't live")
    bench.settle()
    bench.terminate([row.id])


@clause("end-3", "`terminate` raises unless it is certain that every instance will end.")
def tells_that_an_end_is_uncertain(bench: Bench) -> None:
    (row,) = bench.launched()
    bench.raises(
        DriverError, "a terminate that never arrived", lambda: bench.connect(Fault.LOST_BEFORE).terminate([row.id])
    )
    bench.settle()
    expect(bench.live() == [row.id], "a request that was lost before its effect had one")


@clause("end-4", "A `terminate` of `max_terminate` ids is taken, one of more is `Invalid` and ends nothing.")
def ends_as_many_as_declared(bench: Bench) -> None:
    most = bench.can.max_terminate
    bench.need_room(most + 1)
    batch = bench.can.max_batch
    rows = [row for first in range(0, most + 1, batch) for row in bench.launched(min(batch, most + 1 - first))]
    bench.raises(Invalid, f"a terminate of {most + 1}", lambda: bench.terminate([row.id for row in rows]))
    bench.settle()
    expect(len(bench.live()) == most + 1, f"a refused terminate left {len(bench.live())} of {most + 1}")
    bench.terminate([row.id for row in rows[:most]])
    bench.until(lambda: bench.ended(row.id for row in rows[:most]), f"{most} instances are ended")


@clause("end-5", "Ended instances never come back.")
def what_has_ended_stays_so(bench: Bench) -> None:
    (row,) = bench.launched()
    bench.terminate([row.id])
    bench.until(lambda: bench.ended([row.id]), "an instance that was ended isn't live")
    bench.kit.let_pass(bench.driver, bench.can.staleness_s)
    for _ in range(3):
        expect(bench.ended([row.id]), f"{row.id} is listed as live again")
        bench.kit.let_pass(bench.driver, bench.can.latencies.terminate_s)


@clause("label-1", "`label` sets a mutable label, and an empty value removes it.", exercises="mutable_labels")
def labels_change(bench: Bench) -> None:
    if not bench.can.mutable_labels:
        bench.skip("mutable labels aren't declared")
    (row,) = bench.launched()

    def expect_label(value: str, expected: float | None) -> None:
        bench.patiently(lambda: bench.driver.label([row.id], {naming.KEPT_UNTIL: value}))
        bench.until(lambda: [one.kept_until for one in bench.rows()] == [expected], f"a list shows it as {expected}")

    expect_label("1234567890", 1234567890.0)
    expect_label("", None)


@clause(
    "label-2",
    "`label` changes nothing else: a label of the launch is `Invalid`, and all of them stay as they were.",
    exercises="mutable_labels",
)
def labels_of_the_launch_stay(bench: Bench) -> None:
    if not bench.can.mutable_labels:
        bench.skip("mutable labels aren't declared")
    (row,) = bench.launched()
    bench.patiently(lambda: bench.driver.label([row.id], {naming.KEPT_UNTIL: "1234567890"}))
    for name in (naming.FLEET, naming.REVISION):
        bench.raises(Invalid, f"label of {name}", partial(bench.driver.label, [row.id], {name: "other"}))
    bench.settle()
    (after,) = bench.rows()
    was, now = ([getattr(one, name) for name in COPIED] for one in (row, after))
    expect(was == now, f"labels were {told(was)}, and are {told(now)}")


@clause("label-3", "Without `mutable_labels`, `label` raises `Unsupported`.")
def labels_are_refused(bench: Bench) -> None:
    if bench.can.mutable_labels:
        bench.skip("mutable labels are declared")
    (row,) = bench.launched()
    bench.raises(
        Unsupported,
        "label, which isn't declared,",
        lambda: bench.driver.label([row.id], {naming.KEPT_UNTIL: "1234567890"}),
    )
