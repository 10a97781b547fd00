"""Limits of an account in a forecast: whose launches each stops, and which one a refused plan names."""

import attrs
import pytest
from simulated import cloud, request
from situations import deployment, fleet

from vmpattern.access import Session, VirtualRuntime, read_clouds
from vmpattern.errors import QuotaExceeded, Scope, ScopeKind, SpecError
from vmpattern.forecast import plan
from vmpattern.model import Limit, Market, Placement
from vmpattern.simulation import CloudSpec, SimulatedCloud

EACH = {"small": 1, "medium": 2, "large": 4}
SHARED = tuple(
    Limit(
        name="the quota of vCPUs",
        most=4,
        used=0,
        costs=EACH,
        code="Vcpus",
        scope=Scope(ScopeKind.FAMILY, family=family, market=market.value),
    )
    for family in ("sm*", "med*", "lar*")
    for market in Market
)
"""One limit that three families share in two markets, each with errors of its own scope."""


@pytest.mark.parametrize(
    ("machine_type", "market", "family"),
    [
        pytest.param("small", Market.ON_DEMAND, "sm*", id="the first family"),
        pytest.param("large", Market.ON_DEMAND, "lar*", id="the last family"),
        pytest.param("large", Market.SPOT, "lar*", id="the other market"),
    ],
)
def test_a_shared_limit_refuses_each_launch_in_the_launch_s_own_scope(
    machine_type: str, market: Market, family: str
) -> None:
    world = cloud(limits=SHARED)
    world.launch(request("k1", 2, machine_type="medium"))
    with pytest.raises(QuotaExceeded) as caught:
        world.launch(request("k2", 1, machine_type=machine_type, market=market))

    assert Scope(ScopeKind.FAMILY, None, machine_type, market.value, family) == caught.value.scope


def test_what_a_limit_counts_and_does_not_stop_takes_room_of_it() -> None:
    only = [limit for limit in SHARED if limit.scope.family == "med*"]
    world = cloud(limits=tuple(only))
    world.launch(request("k1", 4, machine_type="small"))
    world.launch(request("k2", 1, machine_type="large"))

    with pytest.raises(QuotaExceeded):
        world.launch(request("k3", 1, machine_type="medium"))


def refused(*limits: Limit, size: int, placements: tuple[Placement, ...] = (Placement(cloud="demo"),)) -> list[str]:
    """Plan a fleet on a cloud with these limits, and return what is wrong with it."""
    world = SimulatedCloud(CloudSpec(name="demo", limits=limits))
    wanted = deployment(attrs.evolve(fleet(size), placements=placements))
    session = Session({"demo": world}, VirtualRuntime(world.clock.now(), [world]))
    seen = read_clouds(wanted, session, limits=True)
    try:
        plan(wanted, seen)
    except SpecError as error:
        return [problem.message for problem in error.problems]
    return []


ALIKE = tuple(
    Limit(name=f"the limit of {what}", most=most, used=0, costs=dict.fromkeys(EACH, 1), code="forbidden")
    for what, most in (("instances", 3), ("ports", 2), ("addresses", 9))
)
"""Limits whose errors have the same code and scope."""


def test_of_limits_that_refuse_alike_the_one_that_is_met_is_named() -> None:
    (message,) = refused(*ALIKE, size=5)

    assert message.startswith("demo: the limit of ports is 2, 0 in use")


def test_a_limit_that_families_share_is_named_once() -> None:
    types = ("small", "medium")
    placements = tuple(Placement(cloud="demo", machine_type=kind, market=market) for kind in types for market in Market)
    (message,) = refused(*SHARED, size=9, placements=placements)

    assert message.startswith("demo: the quota of vCPUs is 4, 0 in use")


def test_a_limit_of_millions_is_written_in_full() -> None:
    (message,) = refused(attrs.evolve(ALIKE[0], most=4_000_000, used=4_000_000), size=1)

    assert "is 4000000, 4000000 in use" in message
