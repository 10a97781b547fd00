"""What a cloud that may run short answers: fewer than asked is no success, and a declared market isn't empty talk."""

from vmpattern.errors import OutOfCapacity, QuotaExceeded
from vmpattern.testing.bench import Bench, expect
from vmpattern.testing.clauses import clause


@clause("launch-14", "Every instance that a report names exists; one that was only accepted, or refused, isn't named.")
def nothing_is_reported_that_is_not_there(bench: Bench) -> None:
    request = bench.request(min(3, bench.kit.most, bench.can.max_batch))
    try:
        report = bench.launch(request)
    except (OutOfCapacity, QuotaExceeded) as refused:
        bench.skip(f"the cloud has no room: {refused}")
    named = sorted(row.id for row in (*report.created, *report.adopted))
    expect(len(set(named)) == len(named), "an instance is reported twice")
    bench.settle()
    live = bench.live(request.key)
    most = len(named) + report.unknown
    expect(set(named) <= set(live), f"{len(named)} instances were reported, and {len(live)} are there")
    expect(len(live) <= most, f"{len(named)} instances were reported, and {len(live)} are there")


@clause("launch-15", "In every market that is declared there is a launch, which is listed in that market.")
def every_declared_market_is_one(bench: Bench) -> None:
    for market in sorted(bench.can.markets, key=lambda market: market.value):
        try:
            (row,) = bench.launched(market=market)
        except (OutOfCapacity, QuotaExceeded) as refused:
            bench.skip(f"the cloud has no room: {refused}")
        expect(row.market is market, f"launched in {market.value}, and listed in {row.market.value}")
        bench.terminate([row.id])
