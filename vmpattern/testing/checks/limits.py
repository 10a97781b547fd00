"""Limits of the account: what a driver reports of them can be, and counts what is launched."""

from collections.abc import Iterator

from vmpattern.driver import Limiter
from vmpattern.errors import Unsupported
from vmpattern.model import Limit, Market
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.clauses import Level, clause


@clause(
    "limit-1",
    "`limits` returns limits that can be: `most` and `used` are at least 0, `costs` are above 0 and of machine types "
    "that are listed, and each name, code and scope is there once.",
    exercises="limits",
)
def limits_of_the_account_can_be(bench: Bench) -> None:
    found = _limits(bench)
    listed = {kind.name for kind in bench.patiently(bench.driver.machine_types)}
    wrong = [text for limit in found for text in _wrong(limit, listed)]
    expect(not wrong, f"these can't be: {told(wrong)}")
    names = [(limit.name, limit.code, limit.scope) for limit in found]
    twice = sorted({name for name, code, scope in names if names.count((name, code, scope)) > 1})
    expect(not twice, f"returned twice with one code and scope: {told(twice)}")


@clause(
    "limit-2",
    "What is launched counts: `used` grows by what it costs, once `staleness_s` has passed.",
    level=Level.SHOULD,
    exercises="limits",
)
def what_is_launched_counts(bench: Bench) -> None:
    kind, market = bench.kit.machine_type, Market.ON_DEMAND
    before = {limit: limit.used + limit.units(kind, market) for limit in _limits(bench) if limit.units(kind, market)}
    if not before:
        bench.skip(f"no limit counts {kind}")
    bench.launched()
    bench.kit.let_pass(bench.driver, bench.can.staleness_s)
    after = {(limit.name, limit.code, limit.scope): limit.used for limit in _limits(bench)}
    for limit, expected in before.items():
        used = after.get((limit.name, limit.code, limit.scope))
        expect(used is not None, f"{limit.name} isn't returned any more")
        expect((used or 0) >= expected, f"{limit.name}: {used:g} are used after a launch, expected {expected:g}")


@clause("limit-3", "Without `limits`, `limits` raises `Unsupported` where it is there at all.")
def undeclared_limits_are_refused(bench: Bench) -> None:
    driver = bench.driver
    if bench.can.limits or not isinstance(driver, Limiter):
        bench.skip("limits are declared" if bench.can.limits else "the driver has none")
    bench.raises(Unsupported, "limits, which aren't declared,", driver.limits)


def _limits(bench: Bench) -> tuple[Limit, ...]:
    driver = bench.driver
    if not bench.can.limits or not isinstance(driver, Limiter):
        bench.skip("limits aren't declared")
    return tuple(bench.patiently(driver.limits))


def _wrong(limit: Limit, listed: set[str]) -> Iterator[str]:
    if not (limit.most >= 0 and limit.used >= 0):
        yield f"{limit}"
    for kind, units in limit.costs.items():
        if not units > 0:
            yield f"{limit.name}: a {kind} costs {units:g}"
        if kind not in listed:
            yield f"{limit.name}: the machine type {kind} isn't listed"
