"""Rolling replacements in the simulated cloud: how long they take beside the least time that any could take.

**The lower bound.** D instances are replaced with surge S and none unavailable, on a cloud where a call takes c seconds
to be answered, a VM `boot` seconds to run and `ready` more to be healthy, all constant.

A new instance holds one of the S places above D from the moment its launch is sent: before it serves, no old one may
go. It is ready after `boot + ready`, counts after `min_ready` more, then the termination is sent for which it was
launched, and when that is answered, c later, the place is free. The launch's own answer, c after it was sent, passes
meanwhile. So each replacement holds a place for at least

    P = max(c, boot + ready) + min_ready + c

and one of the S places serves at least ceil(D / S) of them, one after the other: P * ceil(D / S) seconds, whether they
go in waves or by pipelining. Besides, the budgets: n calls (or instances) from a bucket that holds b and refills by r a
second take (n - b) / r seconds at least, and after the last launch there is still P to come. The fleet spreads over
zones and a launch is for one zone, so there are at least ceil(share / largest batch) launches a zone. The bound is the
larger of the two.

What a first look can't tell, an earlier process may still have in flight: so an apply waits once, at its start, until a
second list far enough from the first shows the same. That wait is no part of the bound and is shown apart.

**The naive client** makes one call a VM: launch, terminate, and asks for each VM every 5 s, either for the new ones
alone, until they are ready, or for all of the fleet, as long as the rollout takes at least.
"""

import math

import attrs

from benchmarks import worlds
from benchmarks.spending import Deadline, cpu_s
from benchmarks.tables import Cell, Report, Table
from vmpattern.access import Session, VirtualRuntime
from vmpattern.forecast import plan
from vmpattern.model import (
    Deployment,
    EventKind,
    Outcome,
    RequestBudget,
    Share,
)
from vmpattern.planner import apportion, limits
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.simulation import EC2_BUDGETS, EC2_LIKE, SimulatedCloud

SIZES = (100, 1_000)
SURGES = (Share(1), Share(10, percent=True), Share(100, percent=True))
POLL_S = 5.0


@attrs.frozen
class Rollout:
    """One replacement as it went: seconds as a whole, of them waiting at the start; API calls; and as forecast."""

    duration_s: float
    settling_s: float
    calls: int
    forecast_s: float
    cpu_s: float


def report(deadline: Deadline) -> Report:
    """Carry out every rollout once: simulated time is exact, so there is nothing to repeat."""
    times: list[list[Cell]] = []
    calls: list[list[Cell]] = []
    for size in SIZES:
        for surge in SURGES:
            if deadline.is_over():
                break
            desired = worlds.deployment(size, surge=surge)
            done, least = _replaced(size, desired), _least_s(desired)
            lasting = done.duration_s - done.settling_s
            name: list[Cell] = [size, str(surge)]
            times.append([*name, lasting, least, lasting / least, done.settling_s, done.forecast_s, done.cpu_s])
            calls.append([*name, done.calls, done.calls / size, *_naive_calls(desired), _naive_least_s(desired)])
    of = ["instances", "surge"]
    return Report(
        "rollout",
        [
            Table(
                "rollout: simulated time beside the lower bound",
                [*of, "s", "bound s", "s / bound", "settling s", "forecast s", "CPU s"],
                times,
                "The settling wait comes on top of `s`; it is part of `forecast s`.",
            ),
            Table(
                "rollout: API calls beside a naive client",
                [*of, "calls", "a VM", "naive, new polled", "naive, all polled", "naive at least s"],
                calls,
                "Calls of vmpattern count every page of every list, one list each 2 s. The naive client's figures are "
                "computed from its rules and EC2's published budgets, not measured.",
            ),
        ],
    )


# -- what vmpattern does ----------------------------------------------------------------------------------------------


def _replaced(size: int, desired: Deployment) -> Rollout:
    seen = worlds.outdated(size)
    planned = plan(desired, seen)
    cloud = SimulatedCloud.from_observation(seen.clouds[worlds.CLOUD])
    orders = [
        FleetOrder(fleet=desired.fleets[name], slots=fleet.slots, named=frozenset(fleet.terminates))
        for name, fleet in planned.fleets.items()
    ]
    outcomes: list[Outcome] = []
    runtime = VirtualRuntime(seen.at, (cloud,))
    taken = cpu_s(lambda: outcomes.append(carry_out(desired, orders, Session({cloud.name: cloud}, runtime))))
    outcome = outcomes[0]
    outcome.raise_for_failure()
    first = next(event.at for event in outcome.events if event.kind is EventKind.LAUNCHING)
    settling_s, forecast_s = first - seen.at, planned.forecast.duration_s
    return Rollout(outcome.duration_s, settling_s, outcome.api_calls, forecast_s, taken)


# -- what is possible -------------------------------------------------------------------------------------------------


def _place_s(desired: Deployment) -> float:
    latencies = EC2_LIKE.latencies
    boot_s = max(latencies.call_s, latencies.boot_s + latencies.ready_s)
    return boot_s + desired.fleets[worlds.FLEET].rollout.min_ready_s + latencies.call_s


def _serial_s(desired: Deployment) -> float:
    fleet = desired.fleets[worlds.FLEET]
    return _place_s(desired) * math.ceil(fleet.size / (limits(fleet).most - fleet.size))


def _emptied_s(budget: RequestBudget, count: int) -> float:
    return max(0.0, (count - budget.burst) / budget.per_second)


def _least_s(desired: Deployment) -> float:
    size = desired.fleets[worlds.FLEET].size
    zones = len(worlds.ZONES)
    shares = apportion(size, [1] * zones, [None] * zones, [0] * zones)
    launches = sum(math.ceil(share / EC2_LIKE.max_batch) for share in shares)
    waits = _emptied_s(EC2_BUDGETS["launch"], launches), _emptied_s(EC2_BUDGETS["launch-instances"], size)
    return max(_serial_s(desired), max(waits) + _place_s(desired))


# -- what a naive client does -----------------------------------------------------------------------------------------


def _naive_least_s(desired: Deployment) -> float:
    size = desired.fleets[worlds.FLEET].size
    return max(_serial_s(desired), _emptied_s(EC2_BUDGETS["launch"], size) + _place_s(desired))


def _naive_calls(desired: Deployment) -> tuple[int, int]:
    """Count calls that poll new instances until they are ready, and calls that poll the fleet all the time."""
    size = desired.fleets[worlds.FLEET].size
    latencies = EC2_LIKE.latencies
    polls = math.ceil((latencies.boot_s + latencies.ready_s) / POLL_S)
    return size * (2 + polls), size * 2 + math.ceil(_naive_least_s(desired) / POLL_S) * size
