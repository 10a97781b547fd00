"""Facts: what a driver says of itself, and whether that can be so."""

from vmpattern import naming
from vmpattern.driver import Baker, Balancer, Checker, Console, Limiter, Meter, Prober
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.clauses import Level, clause

BUDGETS = {"read", "launch", "terminate", "label", "balancer", "image", "launch-instances", "terminate-instances"}
LABELS = (naming.DEPLOYMENT, naming.FLEET, naming.REVISION, naming.INPUTS, naming.KEY, naming.PREVIOUS)


@clause("fact-1", "`name` and `capabilities` are the same on every connection to a cloud, and never change.")
def facts_never_change(bench: Bench) -> None:
    other = bench.connect()
    bench.rows()
    expect(bool(bench.driver.name), "the driver has no name")
    expect(bench.driver.name == other.name, f"two connections are named {bench.driver.name} and {other.name}")
    expect(bench.can == other.capabilities == bench.driver.capabilities, "capabilities differ or have changed")


@clause("fact-2", "Declared limits are at least 1, times aren't negative, and the labels of a launch have room.")
def limits_make_sense(bench: Bench) -> None:
    can = bench.can
    labels = len(LABELS) + can.mutable_labels
    wrong = [
        name
        for name, right in {
            "max_batch": can.max_batch >= 1,
            "max_terminate": can.max_terminate >= 1,
            "page_size": can.page_size >= 0,
            "label_count": can.label_count >= labels,
            "staleness_s": can.staleness_s >= 0,
            "call_timeout_s": can.call_timeout_s > 0,
            "script_bytes": can.script_bytes > 0 or not can.baker,
            "markets": bool(can.markets),
        }.items()
        if not right
    ]
    expect(not wrong, f"these can't be: {', '.join(wrong)}")


@clause("fact-3", "Request budgets have known names, and rates and bursts above zero.")
def budgets_make_sense(bench: Bench) -> None:
    unknown = set(bench.can.budgets) - BUDGETS
    expect(not unknown, f"no budget is named {told(unknown)}")
    empty = [name for name, one in bench.can.budgets.items() if one.burst <= 0 or one.per_second <= 0]
    expect(not empty, f"these budgets allow nothing: {told(empty)}")


@clause("fact-4", "A driver that declares an optional protocol has the methods of it.")
def what_is_declared_is_there(bench: Bench) -> None:
    can, driver = bench.can, bench.driver
    there = {
        "probes": (can.probes, isinstance(driver, Prober)),
        "checks": (can.checks, isinstance(driver, Checker)),
        "limits": (can.limits, isinstance(driver, Limiter)),
        "balancer": (can.balancer, isinstance(driver, Balancer)),
        "console": (can.console, isinstance(driver, Console)),
        "baker": (can.baker, isinstance(driver, Baker)),
        "meter": (can.meter, isinstance(driver, Meter)),
    }
    missing = [name for name, (declared, has) in there.items() if declared and not has]
    expect(not missing, f"declared without its methods: {', '.join(missing)}")


@clause("fact-5", "`close` may be called twice.", level=Level.SHOULD)
def closes_twice(bench: Bench) -> None:
    driver = bench.connect()
    driver.close()
    driver.close()


@clause("type-1", "`machine_types` lists each type once, with its size, and its zones sorted.")
def machine_types_are_whole(bench: Bench) -> None:
    kinds = bench.patiently(bench.driver.machine_types)
    names = [kind.name for kind in kinds]
    expect(len(names) == len(set(names)), "a machine type is listed twice")
    small = [kind.name for kind in kinds if kind.vcpus < 1 or kind.memory_mib < 1]
    expect(not small, f"without vCPUs or memory: {told(small)}")
    mixed = [kind.name for kind in kinds if list(kind.zones) != sorted(set(kind.zones))]
    expect(not mixed, f"zones aren't sorted: {told(mixed)}")


@clause("type-2", "`machine_types` lists what can be launched, in the zones in which it can be.")
def what_is_launched_is_sold(bench: Bench) -> None:
    zones = {kind.name: kind.zones for kind in bench.patiently(bench.driver.machine_types)}
    here = bench.kit.zone in zones.get(bench.kit.machine_type, ())
    expect(here, f"{bench.kit.machine_type} in zone {bench.kit.zone} isn't listed")


@clause("type-3", "A price is above zero; a price that isn't known is left out, never zero.")
def no_price_is_zero(bench: Bench) -> None:
    free = [
        kind.name
        for kind in bench.patiently(bench.driver.machine_types)
        for price in kind.prices.values()
        if not price > 0
    ]
    expect(not free, f"without a price above zero: {told(free)}")


@clause("type-4", "A machine type has a price in every market that is declared.", level=Level.SHOULD)
def prices_are_known(bench: Bench) -> None:
    kinds = [kind for kind in bench.patiently(bench.driver.machine_types) if kind.name == bench.kit.machine_type]
    missing = {market.value for kind in kinds for market in bench.can.markets if kind.price(market) is None}
    expect(not missing, f"{bench.kit.machine_type} has no price {told(sorted(missing))}")
