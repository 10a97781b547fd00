"""Launching: by key, once, with labels in the very call, and reported instance by instance."""

from functools import partial

import attrs

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import DriverError, Invalid, KeyConflict, KeySpent, OutcomeUnknown, Unsupported
from vmpattern.model import Idempotency, ImageId, Market, Revision
from vmpattern.testing.bench import Bench, expect, is_spent, told
from vmpattern.testing.checks.listing import as_asked
from vmpattern.testing.clauses import clause
from vmpattern.testing.kit import Fault


@clause("launch-1", "A launch reports on each instance; what it names bears the request's key and is as asked.")
def reports_what_was_asked(bench: Bench) -> None:
    request = bench.request(min(2, bench.kit.most, bench.can.max_batch))
    report = bench.launch(request)
    rows = (*report.created, *report.adopted)
    wrong = {name for row in rows for name in as_asked(row, request)}
    expect(not wrong, f"reported with another {', '.join(sorted(wrong))} than asked for")
    ending = [row.id for row in rows if not row.phase.is_live]
    expect(not ending, f"reported though it is ending: {told(ending)}")


@clause("launch-2", "Labels are set in the very call that launches: no VM of ours is ever without them.")
def labels_come_with_the_launch(bench: Bench) -> None:
    request = bench.request()
    lose(bench, Fault.LOST_AFTER, request)
    bench.until(
        lambda: len(bench.live(request.key)) == 1, "a list shows, with its labels, the VM whose launch was interrupted"
    )


@clause("launch-3", "A request that is sent again adopts what it made, unless `idempotency` is NONE.")
def sends_again_without_a_duplicate(bench: Bench) -> None:
    bench.need_keys()
    request = bench.request(min(2, bench.kit.most, bench.can.max_batch))
    first = bench.launch(request)
    again = bench.launch(request, bench.connect())
    made, adopted = ({row.id for row in rows} for rows in (first.created, again.adopted))
    expect(not again.created, f"sent again, the launch made {told(row.id for row in again.created)} too")
    expect(made == adopted, f"sent again, the launch adopted {told(adopted)}, not {told(made)}")


@clause("launch-4", "Where a reply was lost, the same request makes what is missing and nothing twice.")
def resolves_a_lost_reply(bench: Bench) -> None:
    bench.need_keys()
    for fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER):
        request = bench.request()
        lose(bench, fault, request)
        bench.launch(request)
        bench.settle()
        live = bench.live(request.key)
        expect(len(live) == 1, f"after a reply {fault.value} and the same again, one launch is {len(live)} instances")


@clause("launch-5", "A key that comes with another request is `KeyConflict`, and nothing is created.")
def notices_another_request(bench: Bench) -> None:
    bench.need_keys()
    request = bench.request()
    bench.launch(request)
    others = {
        "revision": attrs.evolve(request, revision=Revision("another")),
        "inputs": attrs.evolve(request, inputs="i0"),
        "previous": attrs.evolve(request, previous=Revision("before")),
        **({"count": attrs.evolve(request, count=2)} if bench.can.max_batch > 1 else {}),
    }
    for name, other in others.items():
        bench.raises(KeyConflict, f"another {name} under a used key", partial(bench.driver.launch, other))
    bench.settle()
    expect(len(bench.live()) == 1, f"the conflict left {len(bench.live())} instances, not one")


@clause("launch-6", "What is ending, or has ended, is never adopted.")
def adopts_nothing_that_ends(bench: Bench) -> None:
    bench.need_keys()
    request = bench.request()
    ending = {row.id for row in bench.launch(request).created}
    bench.terminate(sorted(ending))
    adopted = ending & {row.id for row in (*_again(bench, request).adopted, *_again(bench, request).created)}
    expect(not adopted, f"adopted though it is ending: {told(adopted)}")


@clause("launch-7", "With BATCH, a key whose instances are all ending or gone is `KeySpent`; nothing is created.")
def tells_that_a_key_is_spent(bench: Bench) -> None:
    if bench.can.idempotency is not Idempotency.BATCH:
        bench.skip(f"the driver's launches are remembered by {bench.can.idempotency.value}, not by batch")
    (row,) = bench.launch(request := bench.request()).created
    bench.terminate([row.id])
    bench.until(lambda: bench.ended([row.id]), "an instance is ended")
    report = _again(bench, request)
    expect(is_spent(report), "a key of which everything was ended isn't told to be spent")
    bench.settle()
    expect(not bench.live(), f"a spent key made {told(bench.live())}")


@clause("launch-8", "Callers with the same request at the same time get one launch.")
def callers_with_one_key_share_a_launch(bench: Bench) -> None:
    bench.need_keys()
    request = bench.request()
    bench.together(*[lambda: bench.driver.launch(request)] * 2, lambda: bench.connect().launch(request))
    bench.settle()
    expect(len(bench.live()) == 1, f"three calls with one key made {len(bench.live())} instances")


@clause("launch-9", "Callers with different requests, in several threads, get a whole answer each.")
def threads_do_not_meet(bench: Bench) -> None:
    bench.need_room(3)
    requests = [bench.request() for _ in range(3)]
    answers = bench.together(*[lambda one=one: bench.driver.launch(one) for one in requests])
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, DriverError):
            raise answer
        keys = {row.key for row in answer.created}
        expect(keys == {request.key}, f"a launch with the key {request.key} answered with {told(keys)}")
    bench.until(lambda: len(bench.live()) == 3, "lists show what three threads launched")


@clause("launch-10", "A launch of `max_batch` is taken, one of more is `Invalid` and creates nothing.")
def batches_are_as_large_as_declared(bench: Bench) -> None:
    most = bench.can.max_batch
    bench.need_room(most + 1)
    bench.raises(Invalid, f"a launch of {most + 1}", lambda: bench.driver.launch(bench.request(most + 1)))
    report = bench.launch(bench.request(most))
    expect(len(report.created) == most, f"a launch of {most} made {len(report.created)}: {told(report.failures)}")


@clause("launch-11", "A request that can never work is `Invalid`, names the field, and creates nothing.")
def refuses_what_can_never_work(bench: Bench) -> None:
    wrong = {
        "zone": bench.request(zone="no-such-zone"),
        "machine_type": bench.request(machine_type="no-such-type"),
        "image": bench.request(image=ImageId("no-such-image")),
    }
    for name, request in wrong.items():
        error = _refused(Invalid, f"a launch with another {name} than there is", bench, request)
        named = error.field or "not at all"
        expect(named == name, f"the error of a wrong {name} names the field {named}")
    bench.settle()
    expect(not bench.live(), f"requests that can't work made {told(bench.live())}")


@clause("launch-12", "A market that isn't declared is refused as `Unsupported` or `Invalid`.")
def refuses_markets_that_are_not_declared(bench: Bench) -> None:
    others = sorted(set(Market) - bench.can.markets, key=lambda market: market.value)
    if not others:
        bench.skip("every market is declared")
    for market in others:
        _refused((Unsupported, Invalid), f"a launch in the market {market.value}", bench, bench.request(market=market))


@clause("launch-13", "The values of `env` are in no error.")
def secrets_are_in_no_error(bench: Bench) -> None:
    secret = "hush-4711-hush"
    request = bench.request(zone="no-such-zone", env={"PASSWORD": secret})
    what = "a launch in a zone that isn't there"
    error: BaseException | None = bench.raises(DriverError, what, lambda: bench.driver.launch(request))
    while error is not None:
        expect(secret not in f"{error} {error!r} {vars(error)}", f"a secret is in the text of {type(error).__name__}")
        error = error.__cause__ or error.__context__


def _refused(
    kind: type[DriverError] | tuple[type[DriverError], ...], what: str, bench: Bench, request: LaunchRequest
) -> DriverError:
    return bench.raises(kind, what, lambda: bench.driver.launch(request))


def lose(bench: Bench, fault: Fault, request: LaunchRequest) -> None:
    """Launch, and expect to be told that nobody knows what became of it."""
    bench.raises(
        OutcomeUnknown,
        f"a launch whose reply was {fault.value} the effect",
        lambda: bench.connect(fault).launch(request),
    )


def _again(bench: Bench, request: LaunchRequest) -> LaunchReport:
    """Send again; a `KeySpent` is told as a report of failures."""
    try:
        return bench.launch(request)
    except KeySpent as spent:
        return LaunchReport(failures=(spent,) * request.count)
