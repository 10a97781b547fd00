"""Owning: what lacks our labels, or is outside the driver's scope, isn't ours, whatever its name or id."""

import contextlib

from vmpattern import naming
from vmpattern.driver import Meter, Scoped
from vmpattern.errors import DriverError
from vmpattern.model import InstanceId, Phase
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.checks.imaging import captured
from vmpattern.testing.clauses import clause


@clause("own-1", "`terminate` never touches what lacks our labels, even if asked to.")
def strangers_are_not_ended(bench: Bench) -> None:
    stranger = bench.stranger(bench.request())
    with contextlib.suppress(DriverError):
        bench.terminate([stranger])
    bench.settle()
    alive = bench.kit.stranger_lives(stranger)
    bench.strangers.clear()
    expect(alive, f"{stranger} lacks our labels and was ended")


@clause("own-2", "`launch` adopts only what bears the key's own labels.")
def strangers_are_not_adopted(bench: Bench) -> None:
    request = bench.request()
    stranger = bench.stranger(request)
    with contextlib.suppress(DriverError):
        report = bench.launch(request)
        named = {row.id for row in (*report.created, *report.adopted)}
        expect(stranger not in named, f"{stranger} lacks our labels and was adopted")


@clause("own-3", "`instances` shows nothing that lacks our labels.")
def strangers_are_not_listed(bench: Bench) -> None:
    stranger = bench.stranger(bench.request())
    bench.settle()
    expect(stranger not in {row.id for row in bench.rows()}, f"{stranger} lacks our labels and is listed")


@clause(
    "own-4",
    "A VM of the deployment whose labels can't be read is listed as `Mislabelled`, and neither ended nor labelled.",
)
def what_cant_be_read_is_left_alone(bench: Bench) -> None:
    (row,) = bench.launched()
    # Some clouds change nothing of what still boots.
    running = (row.id, Phase.RUNNING)
    bench.until(lambda: running in {(one.id, one.phase) for one in bench.rows()}, "an instance runs")
    bench.kit.relabel(row.id, naming.FLEET, "")
    try:
        bench.until(lambda: bool(bench.mislabelled().get(row.id)), "a VM without the label of its fleet is told of")
        listed = {one.id for one in bench.rows()}
        expect(row.id not in listed, f"{row.id} has no fleet, and is listed as an instance")
        with contextlib.suppress(DriverError):
            bench.terminate([row.id])
        if bench.can.mutable_labels:
            with contextlib.suppress(DriverError):
                bench.patiently(lambda: bench.driver.label([row.id], {naming.KEPT_UNTIL: "1234567890"}))
        bench.settle()
        expect(row.id in bench.mislabelled(), f"the labels of {row.id} can't be read, and it was ended")
    finally:
        bench.kit.relabel(row.id, naming.FLEET, row.fleet)
    bench.until(lambda: row.id in bench.live(), "a VM with its label again is an instance")
    kept = [one.kept_until for one in bench.rows() if one.id == row.id]
    expect(kept == [None], f"the labels of {row.id} couldn't be read, and it was labelled")


@clause("own-5", "Nothing outside the driver's scope is listed, ended, labelled or measured, even if asked to.")
def what_is_elsewhere_is_left_alone(bench: Bench) -> None:
    with bench.elsewhere() as other:
        (here,), (there,) = bench.launched(), other.launched()
        for where, strange in ((bench, there), (other, here)):
            listed = {one.id for one in where.rows()}
            expect(strange.id not in listed, f"{strange.id} is outside the driver's scope, and is listed")
        other.until(lambda: [row.phase for row in other.rows()] == [Phase.RUNNING], "an instance runs")
        _touch(bench, there.id)
        bench.settle()
        other.settle()
        expect(other.live() == [there.id], f"{there.id} is outside the driver's scope, and was ended")
        kept = [row.kept_until for row in other.rows()]
        expect(kept == [None], f"{there.id} is outside the driver's scope, and was labelled")


@clause("own-6", "`images` shows no image of another scope, and `delete_images` deletes none there.", exercises="baker")
def images_elsewhere_are_left_alone(bench: Bench) -> None:
    with bench.elsewhere() as other:
        there = captured(other, "there")
        bench.settle()
        listed = [image.id for image in bench.images()]
        expect(not listed, f"images of another scope are listed: {told(listed)}")
        with contextlib.suppress(DriverError):
            bench.patiently(lambda: bench.driver.delete_images([there.id]))
        bench.settle()
        left = [image.id for image in other.images()]
        expect(left == [there.id], f"the image {there.id} is outside the driver's scope, and was deleted")


@clause("own-7", "A driver with a `scope` says the same of one scope on every connection, and another of another.")
def scopes_are_told_apart(bench: Bench) -> None:
    driver = bench.driver
    if not isinstance(driver, Scoped):
        bench.skip("the driver doesn't say what its scope is")
    same, said = bench.connect(), driver.scope()
    expect(isinstance(same, Scoped) and same.scope() == said, "two connections to one scope say another")
    if not said:
        bench.skip("the scope isn't known without a call")
    with bench.elsewhere() as other:
        expect(isinstance(other.driver, Scoped) and other.driver.scope() != said, f"another scope is {said!r}, too")


def _touch(bench: Bench, id: InstanceId) -> None:
    """Ask for all that may be done to an instance of another scope; nothing may come of it."""
    driver, can = bench.driver, bench.can
    if can.meter and isinstance(driver, Meter):
        with contextlib.suppress(DriverError):
            measured = bench.patiently(lambda: driver.usage([id]))
            expect(id not in measured, f"{id} is outside the driver's scope, and is measured")
    if can.mutable_labels:
        with contextlib.suppress(DriverError):
            bench.patiently(lambda: driver.label([id], {naming.KEPT_UNTIL: "1234567890"}))
    with contextlib.suppress(DriverError):
        bench.terminate([id])
