"""What a driver may offer: declared, it works; undeclared, it raises `Unsupported` where it is there at all."""

from vmpattern.access.probing import NetworkProber
from vmpattern.driver import Balancer, Console, Meter, Prober
from vmpattern.errors import Unsupported
from vmpattern.model import OUTSIDE, Health, HealthCheck, Instance, InstanceId, Membership, Options, Phase, Standing
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.clauses import Level, clause
from vmpattern.testing.kit import NotGiven

CHECK = HealthCheck(http="/")
PORT = 8080
SILENCE_S = 5.0
"""So long is an instance asked at which nothing listens: what answers for it needn't do so at once."""
ROUNDING = 1.1
"""A counter of time and the clock are never read at the same moment."""
SERVED = (Membership.HEALTHY, Membership.UNHEALTHY)


@clause("probe-1", "`probe` answers for those it was asked about and for no others.", exercises="probes")
def probes_only_what_it_is_asked(bench: Bench) -> None:
    prober = _prober(bench)
    bench.need_room(2)
    first, _ = (*bench.launched(), *bench.launched())
    answers = bench.patiently(lambda: prober.probe([first.id], CHECK))
    expect(set(answers) <= {first.id}, f"asked about {first.id}, it answered for {told(answers)}")


@clause("probe-2", "`probe` says of what is gone nothing, or UNKNOWN.", exercises="probes")
def probes_tell_nothing_of_what_is_gone(bench: Bench) -> None:
    prober = _prober(bench)
    (row,) = bench.launched()
    bench.terminate([row.id])
    bench.until(lambda: bench.ended([row.id]), "an instance that was ended isn't live")
    bench.settle()
    word = bench.patiently(lambda: prober.probe([row.id], CHECK)).get(row.id, Health.UNKNOWN)
    expect(word is Health.UNKNOWN, f"{row.id} is gone, and said to be {word.value}")


@clause("probe-3", "Without `probes`, `probe` raises `Unsupported` where it is there at all.")
def undeclared_probes_are_refused(bench: Bench) -> None:
    driver = bench.driver
    if bench.can.probes or not isinstance(driver, Prober):
        bench.skip("probes are declared" if bench.can.probes else "the driver has no probe")
    bench.raises(Unsupported, "probe, which isn't declared,", lambda: driver.probe([], CHECK))


@clause(
    "probe-4",
    "An instance whose service doesn't listen is never healthy, neither by `probe` nor by a connection to its address.",
    exercises="probes",
)
def nothing_is_heard_where_nothing_listens(bench: Bench) -> None:
    if not bench.kit.deaf:
        raise NotGiven("deaf")
    (row,) = bench.launched(image=bench.kit.deaf, port=PORT)
    bench.until(lambda: (row.id, Phase.RUNNING) in {(one.id, one.phase) for one in bench.rows()}, "an instance runs")
    for check in (CHECK, HealthCheck(timeout_s=1.0)):
        for _ in range(3):
            word = bench.patiently(lambda check=check: _word(bench, row.id, check))  # type: ignore[misc]
            way = "an HTTP check" if check.http else "a TCP check"
            expect(word is not Health.HEALTHY, f"nothing listens at {row.id}, and {way} calls it healthy")
            bench.kit.let_pass(bench.driver, SILENCE_S)


def _word(bench: Bench, id: InstanceId, check: HealthCheck) -> Health:
    """Ask as a reconciler would."""
    if bench.can.probes and isinstance(bench.driver, Prober):
        return bench.driver.probe([id], check).get(id, Health.UNKNOWN)
    rows = [row for row in bench.rows() if row.id == id]
    return NetworkProber({row.fleet: PORT for row in rows})(rows, check).get(id, Health.UNKNOWN)


@clause("balance-1", "What was registered becomes a member; registering it again is success.", exercises="balancer")
def members_are_registered(bench: Bench) -> None:
    driver, balancer = _balancer(bench)
    row = _running(bench)
    bench.patiently(lambda: driver.register(balancer, [row.id]))
    bench.until(lambda: _serves(bench, row.id), "a registered instance is a member")
    bench.patiently(lambda: driver.register(balancer, [row.id]))
    bench.settle()
    expect(_serves(bench, row.id), "registered twice, it is no member")


@clause(
    "balance-2",
    "What was deregistered gets no new requests, then leaves; what is absent is success.",
    exercises="balancer",
)
def members_leave(bench: Bench) -> None:
    driver, balancer = _balancer(bench)
    row = _running(bench)
    bench.patiently(lambda: driver.register(balancer, [row.id]))
    bench.until(lambda: _serves(bench, row.id), "a registered instance is a member")
    bench.patiently(lambda: driver.deregister(balancer, [row.id]))
    bench.until(lambda: not _serves(bench, row.id), "a deregistered instance isn't served")
    bench.until(lambda: _standing(bench, row.id).membership is Membership.ABSENT, "a deregistered instance has left")
    bench.patiently(lambda: driver.deregister(balancer, [row.id]))


@clause("balance-3", "Without `balancer`, its verbs raise `Unsupported` where they are there at all.")
def undeclared_balancers_are_refused(bench: Bench) -> None:
    driver = bench.driver
    if bench.can.balancer or not isinstance(driver, Balancer):
        bench.skip("balancers are declared" if bench.can.balancer else "the driver has none of their verbs")
    balancer = bench.kit.balancer or Options()
    bench.raises(Unsupported, "members, which isn't declared,", lambda: driver.members(balancer))
    bench.raises(Unsupported, "register, which isn't declared,", lambda: driver.register(balancer, []))
    bench.raises(Unsupported, "deregister, which isn't declared,", lambda: driver.deregister(balancer, []))


@clause(
    "balance-4",
    "An UNHEALTHY member has a reason, in the provider's words.",
    level=Level.SHOULD,
    exercises="balancer",
)
def unhealthy_members_have_a_reason(bench: Bench) -> None:
    driver, balancer = _balancer(bench)
    row = _running(bench)
    bench.patiently(lambda: driver.register(balancer, [row.id]))
    seen: list[Standing] = []

    def is_member() -> bool:
        seen.append(_standing(bench, row.id))
        return seen[-1].membership in SERVED

    bench.until(is_member, "a registered instance is a member")
    if seen[-1].membership is Membership.HEALTHY:
        bench.skip("the member was healthy from the beginning")
    expect(bool(seen[-1].reason), f"{row.id} is unhealthy behind its balancer, and nothing says why")


@clause("console-1", "`console` returns what a running instance printed, as text.", exercises="console")
def consoles_are_text(bench: Bench) -> None:
    driver = bench.driver
    if not bench.can.console or not isinstance(driver, Console):
        bench.skip("a console isn't declared")
    (row,) = bench.launched()
    bench.until(lambda: bool(bench.patiently(lambda: driver.console(row.id))), "a console shows something")


@clause("console-2", "Without `console`, `console` raises `Unsupported` where it is there at all.")
def undeclared_consoles_are_refused(bench: Bench) -> None:
    driver = bench.driver
    if bench.can.console or not isinstance(driver, Console):
        bench.skip("a console is declared" if bench.can.console else "the driver has none")
    bench.raises(Unsupported, "console, which isn't declared,", lambda: driver.console(InstanceId("none")))


@clause(
    "meter-1",
    "`usage` tells of those it was asked about and of no others, and no more than they have.",
    exercises="meter",
)
def measures_what_it_is_asked(bench: Bench) -> None:
    driver = bench.driver
    if not bench.can.meter or not isinstance(driver, Meter):
        bench.skip("a meter isn't declared")
    (first,) = bench.launched()
    if bench.kit.most > 1:
        bench.launched()
    bench.until(lambda: bool(bench.patiently(lambda: driver.usage([first.id]))), "the use of an instance is known")
    found = bench.patiently(lambda: driver.usage([first.id]))
    expect(set(found) == {first.id}, f"asked about {first.id}, it told of {told(found)}")
    has = next(kind for kind in bench.patiently(driver.machine_types) if kind.name == first.machine_type)
    use = found[first.id]
    expect(0 <= use.cpu <= has.vcpus * ROUNDING, f"{use.cpu:g} of {has.vcpus} vCPUs are used")
    fits = use.memory_mib is None or 0 <= use.memory_mib <= has.memory_mib * ROUNDING
    expect(fits, f"{use.memory_mib} of {has.memory_mib} MiB are used")
    expect(use.period_s >= 0, f"use over {use.period_s:g} s")


@clause("meter-2", "Without `meter`, `usage` raises `Unsupported` where it is there at all.")
def undeclared_meters_are_refused(bench: Bench) -> None:
    driver = bench.driver
    if bench.can.meter or not isinstance(driver, Meter):
        bench.skip("a meter is declared" if bench.can.meter else "the driver has none")
    bench.raises(Unsupported, "usage, which isn't declared,", lambda: driver.usage([]))


def _prober(bench: Bench) -> Prober:
    if not bench.can.probes or not isinstance(bench.driver, Prober):
        bench.skip("probes aren't declared")
    return bench.driver


def _balancer(bench: Bench) -> tuple[Balancer, Options]:
    if not bench.can.balancer or not isinstance(bench.driver, Balancer):
        bench.skip("balancers aren't declared")
    if bench.kit.balancer is None:
        raise NotGiven("balancer")
    return bench.driver, bench.kit.balancer


def _running(bench: Bench) -> Instance:
    """Launch an instance, and wait until it runs: nobody registers another."""
    (row,) = bench.launched()
    bench.until(lambda: [one.phase for one in bench.rows()] == [Phase.RUNNING], "an instance runs")
    return row


def _standing(bench: Bench, id: InstanceId) -> Standing:
    driver, balancer = _balancer(bench)
    return bench.patiently(lambda: driver.members(balancer)).get(id, OUTSIDE)


def _serves(bench: Bench, id: InstanceId) -> bool:
    return _standing(bench, id).membership in SERVED
