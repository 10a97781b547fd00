"""Owning: what doesn't bear our labels isn't ours, whatever its name or id."""

import contextlib

from vmpattern.errors import DriverError
from vmpattern.testing.bench import Bench, expect
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
