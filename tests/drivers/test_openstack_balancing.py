"""Octavia's pools: who joins, who drains, who is left alone. Values in, values out."""

from datetime import timedelta

import attrs
import pytest
from immutabledict import immutabledict

from vmpattern.errors import Invalid, NotFound
from vmpattern.model import OUTSIDE, InstanceId, Membership, Options, Standing
from vmpattern_openstack import BalancerOptions
from vmpattern_openstack.answers import Member, Named
from vmpattern_openstack.balancing import DRAINED_AT, deregistered, pool_of, registered, shares, standing

NOW = 1000.0
OPTIONS = BalancerOptions(pool="front", port=80)
ONE = InstanceId("i-1")
OURS = Member(id="m-1", name="i-1", address="10.0.0.1", protocol_port=80, weight=1, operating_status="ONLINE")
THEIRS = Member(
    id="m-9",
    name="",
    address="10.0.0.9",
    protocol_port=80,
    weight=7,
    operating_status="ONLINE",
    backup=True,
    monitor_port=8080,
    tags=("theirs",),
)
DRAINING = attrs.evolve(OURS, weight=0, tags=(f"{DRAINED_AT}1010",))
GONE = attrs.evolve(OURS, weight=0, tags=(f"{DRAINED_AT}990",))


OFF = attrs.evolve(OURS, operating_status="OFFLINE", admin_state_up=False)


def ill(reason: str) -> Standing:
    return Standing(Membership.UNHEALTHY, reason)


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        pytest.param(OURS, Standing(Membership.HEALTHY), id="online"),
        pytest.param(attrs.evolve(OURS, operating_status="NO_MONITOR"), Standing(Membership.HEALTHY), id="unwatched"),
        pytest.param(
            attrs.evolve(OURS, operating_status="ERROR"), ill("its operating status is ERROR"), id="answers badly"
        ),
        pytest.param(OFF, ill("its operating status is OFFLINE, and it is switched off (admin_state_up)"), id="off"),
        pytest.param(DRAINING, Standing(Membership.DRAINING, "its weight in the pool is 0"), id="drains"),
        pytest.param(GONE, OUTSIDE, id="has drained"),
    ],
)
def test_where_a_member_stands(member: Member, expected: Standing) -> None:
    assert expected == standing(member, NOW)


def test_what_joins_is_named_by_its_instance() -> None:
    (made,) = registered([], {ONE: "10.0.0.1"}, OPTIONS, NOW) or []

    assert ("i-1", "10.0.0.1", 80, 1) == tuple(made[name] for name in ("name", "address", "protocol_port", "weight"))


def test_registering_what_serves_changes_nothing() -> None:
    assert registered([OURS], {ONE: "10.0.0.1"}, OPTIONS, NOW) is None


def test_what_drains_serves_again_once_it_is_registered() -> None:
    (made,) = registered([DRAINING], {ONE: "10.0.0.1"}, OPTIONS, NOW) or []

    assert (1, []) == (made["weight"], made["tags"])


def test_a_stranger_s_member_stays_as_it_is() -> None:
    for members in (
        registered([THEIRS], {ONE: "10.0.0.1"}, OPTIONS, NOW),
        deregistered([THEIRS, OURS], [ONE], OPTIONS, NOW),
    ):
        (theirs,) = [one for one in members or [] if one["address"] == "10.0.0.9"]

        assert (7, True, 8080, ("theirs",)) == tuple(
            theirs[name] for name in ("weight", "backup", "monitor_port", "tags")
        )


def test_what_leaves_gets_no_weight_and_the_time_at_which_it_is_gone() -> None:
    (made,) = deregistered([OURS], [ONE], OPTIONS, NOW) or []

    assert (0, [f"{DRAINED_AT}1030"]) == (made["weight"], made["tags"])


def test_leaving_twice_changes_nothing() -> None:
    assert deregistered([DRAINING], [ONE], OPTIONS, NOW) is None


def test_what_is_absent_changes_nothing() -> None:
    assert deregistered([THEIRS], [ONE], OPTIONS, NOW) is None


def test_what_has_drained_is_removed_with_the_next_change() -> None:
    gone = attrs.evolve(GONE, name="i-0", address="10.0.0.5")
    members = registered([gone, THEIRS], {ONE: "10.0.0.1"}, OPTIONS, NOW)

    assert ["10.0.0.9", "10.0.0.1"] == [one["address"] for one in members or []]


def test_without_a_time_to_drain_a_member_leaves_at_once() -> None:
    at_once = attrs.evolve(OPTIONS, drain=timedelta(0))

    assert [] == deregistered([OURS], [ONE], at_once, NOW)


class Pools:
    """Octavia's lists of pools, by name and by id."""

    def __init__(self, **ids: str) -> None:
        self._ids = ids

    def every(self, kind: type, service: str, path: str, query: dict[str, str], *, key: str) -> list[Named]:
        wanted = query.get("name")
        return [Named(id=id, name=name) for name, id in self._ids.items() if wanted in (None, name)]


def pool(name: str, **settings: object) -> Options:
    return immutabledict(pool=name, port=80, **settings)


def test_a_pool_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound, match="there is no pool 'front'"):
        pool_of(Pools(), OPTIONS)  # type: ignore[arg-type]


def test_a_pool_s_name_that_two_have_is_refused() -> None:
    two = Pools(front="p-1")
    two.every = lambda *args, **how: [Named(id="p-1"), Named(id="p-2")]  # type: ignore[method-assign]

    with pytest.raises(Invalid, match="2 pools are named 'front'"):
        pool_of(two, OPTIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "other"),
    [
        pytest.param(True, pool("front", drain="5m"), id="the same pool with another time to drain"),
        pytest.param(False, pool("back"), id="another pool"),
        pytest.param(False, pool("gone"), id="a pool that isn't there"),
    ],
)
def test_balancers_share_what_is_one_pool(expected: bool, other: Options) -> None:
    there = Pools(front="p-1", back="p-2")

    assert expected is shares(there, pool("front"), other)  # type: ignore[arg-type]


def test_two_names_of_one_pool_share_it() -> None:
    assert shares(Pools(front="p-1", alias="p-1"), pool("front"), pool("alias"))  # type: ignore[arg-type]
