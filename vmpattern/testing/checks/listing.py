"""Listing: the only truth there is. Complete or an error, ours only, and no older than declared."""

from vmpattern.driver import Selector
from vmpattern.errors import DriverError
from vmpattern.model import Health, Instance, Phase, Revision
from vmpattern.testing.bench import FLEET, Bench, expect, told
from vmpattern.testing.clauses import Level, clause
from vmpattern.testing.kit import Fault

LONGEST = "abcdefghijklmnopqrstuvwxyz_0123456789-abcdefghijklmnopqrstuvwxy"
"""A label value of 63 characters with every sign that may be in one."""

COPIED = ("deployment", "fleet", "revision", "key", "zone", "machine_type", "image", "market", "inputs", "previous")


def as_asked(row: Instance, request: object) -> list[str]:
    """Return the fields of a row that aren't as the request has them."""
    return [name for name in COPIED if getattr(row, name) != getattr(request, name)]


@clause("list-1", "`instances` shows every selected instance, with what its launch asked for.")
def lists_what_was_launched(bench: Bench) -> None:
    request = bench.request(min(2, bench.kit.most, bench.can.max_batch))
    made = {row.id for row in bench.launch(request).created}
    bench.until(lambda: made <= {row.id for row in bench.rows()}, "a list shows what was launched")
    for row in bench.rows():
        expect(not (wrong := as_asked(row, request)), f"{row.id} is listed with another {', '.join(wrong)}")
        expect(row.cloud == bench.kit.cloud, f"{row.id} is listed in the cloud {row.cloud}, not {bench.kit.cloud}")


@clause("list-2", "`instances` follows every page.")
def lists_every_page(bench: Bench) -> None:
    # Where there are no pages, every row that may be there is in the one answer.
    count = bench.can.page_size + 1 if bench.can.page_size else bench.kit.most
    bench.need_room(count)
    for first in range(0, count, bench.can.max_batch):
        bench.launch(bench.request(min(bench.can.max_batch, count - first)))
    bench.until(lambda: len(bench.live()) >= count, f"a list shows {count} instances")
    ids = [row.id for row in bench.rows()]
    expect(len(ids) == len(set(ids)) == count, f"{count} instances are listed as {len(ids)} rows")


@clause("list-3", "`instances` shows only what the selector selects: its deployment, and its fleet if it names one.")
def lists_only_what_is_selected(bench: Bench) -> None:
    bench.need_room(3)
    other = bench.deployment[:-1] + ("x" if bench.deployment[-1] != "x" else "y")
    ours = {row.id for row in bench.launched()}
    sister = {row.id for row in bench.launched(fleet="other")}
    bench.launched(deployment=other)
    fleet = {row.id for row in bench.rows(Selector(bench.deployment, FLEET))}
    expect(fleet == ours, f"the fleet {FLEET} is listed as {told(fleet)}, not {told(ours)}")
    whole = {row.id for row in bench.rows()}
    expect(whole == ours | sister, f"the deployment is listed as {told(whole)}, not {told(ours | sister)}")


@clause("list-4", "An instance that is ending is listed, and not as live, until it is gone.")
def lists_what_is_ending(bench: Bench) -> None:
    terminate_s = bench.can.latencies.terminate_s
    if terminate_s <= bench.can.staleness_s:
        bench.skip(f"ending takes {terminate_s:g} s, no longer than a list may be late")
    (row,) = bench.launched()
    # What never ran may be gone at once.
    bench.until(lambda: [one.phase for one in bench.rows()] == [Phase.RUNNING], "an instance runs")
    bench.terminate([row.id])
    listed = {one.id for one in bench.rows()}
    gone = f"{row.id} isn't listed any more, right after it was asked to end"
    expect(row.id in listed, f"{gone}; if it is gone that soon, declare it: latencies.terminate_s is {terminate_s:g}")
    bench.until(lambda: bench.ended([row.id]), "an ending instance isn't listed as live")


@clause("list-5", "A list that isn't complete is an error, never a short list.")
def no_list_is_short(bench: Bench) -> None:
    bench.launched()
    failing = bench.connect(Fault.FAILED_PAGE)
    bench.raises(DriverError, "a list with a page that failed", lambda: failing.instances(bench.selector))


@clause("list-6", "What was reported as launched is listed once `staleness_s` has passed.")
def lists_are_no_older_than_declared(bench: Bench) -> None:
    made = {row.id for row in bench.launch(bench.request()).created}
    bench.kit.let_pass(bench.driver, bench.can.staleness_s)
    late = made - {row.id for row in bench.rows()}
    expect(not late, f"after {bench.can.staleness_s:g} s these aren't listed: {told(late)}")


@clause("list-7", "Labels keep values of up to 63 of a-z, 0-9, - and _ as they are.")
def labels_keep_their_values(bench: Bench) -> None:
    long = Revision(LONGEST)
    (row,) = bench.launched(revision=long, inputs=LONGEST, previous=long)
    kept = (row.revision, row.inputs, row.previous)
    expect(kept == (long, LONGEST, long), f"labels of 63 characters came back as {told(kept)}")


@clause(
    "list-8",
    "`health` is the provider's word where `native_health` is declared, and unknown elsewhere.",
    exercises="native_health",
)
def health_is_as_declared(bench: Bench) -> None:
    bench.launched()
    if bench.can.native_health:
        bench.until(lambda: all(row.health is not Health.UNKNOWN for row in bench.rows()), "health is known")
    else:
        bench.settle()
        expect(all(row.health is Health.UNKNOWN for row in bench.rows()), "health is told, and isn't declared")


@clause("list-9", "A connection has no memory: what one launched, another lists, adopts and ends.")
def nothing_is_lost_with_a_connection(bench: Bench) -> None:
    request = bench.request()
    first = bench.connect()
    made = {row.id for row in bench.launch(request, first).created}
    first.close()
    bench.driver = bench.connect()
    bench.until(lambda: made <= {row.id for row in bench.rows()}, "another connection lists what was launched")
    bench.terminate(sorted(made))
    bench.until(lambda: bench.ended(made), "another connection ends what was launched")


@clause("list-10", "A running instance has an address: health checks are asked there.", level=Level.SHOULD)
def running_instances_have_addresses(bench: Bench) -> None:
    bench.launched()
    bench.until(lambda: [row.phase for row in bench.rows()] == [Phase.RUNNING], "an instance runs")
    expect(all(row.address for row in bench.rows()), "it has no address")
