"""Octavia's pools as balancers: members are named by their instance, and one that leaves has the weight 0 for a while.

Octavia changes one thing of a balancer at a time and refuses the next until it is done, so that a change of several
members is one call. A member whose time to drain is over counts as gone; it is removed with the next change.
"""

from collections.abc import Mapping, Sequence

import attrs

from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, NotFound, SpecError
from vmpattern.model import OUTSIDE, InstanceId, Membership, Options, Standing
from vmpattern_openstack.answers import Member, Named
from vmpattern_openstack.api import Calls
from vmpattern_openstack.catalog import ID
from vmpattern_openstack.options import BalancerOptions

DRAINED_AT = "vmpattern-drained-at="
SERVING = ("ONLINE", "NO_MONITOR")
WEIGHT = 1

HEALTHY = Standing(Membership.HEALTHY)
LEAVING = Standing(Membership.DRAINING, "its weight in the pool is 0")


def pool_of(calls: Calls, options: BalancerOptions) -> str:
    """Return the pool's id.

    Raises:
        Invalid: several have its name.
        NotFound: there is no such pool.
    """
    found: list[Named] = []
    for key in ("id", "name") if ID.fullmatch(options.pool) else ("name",):
        found = found or calls.every(Named, "load-balancer", "/lbaas/pools", {key: options.pool}, key="pools")
    if not found:
        raise NotFound(f"there is no pool {options.pool!r}", code="NoPool", field="balancer.pool")
    if len(found) > 1:
        raise Invalid(f"{len(found)} pools are named {options.pool!r}", code="NoPool", field="balancer.pool")
    return found[0].id


def shares(calls: Calls, balancer: Options, other: Options) -> bool:
    """Tell whether two balancers are one pool, whatever else is written of them; one that isn't there shares nothing.

    Raises:
        SpecError: an option can't be.
    """
    mine, others = balancer_options(balancer), balancer_options(other)
    if mine.pool == others.pool:
        return True
    try:
        return pool_of(calls, mine) == pool_of(calls, others)
    except NotFound:
        return False


def load(calls: Calls, balancer: Options) -> tuple[BalancerOptions, str, list[Member]]:
    """Return what a file says of a balancer, its pool, and who is in it.

    Raises:
        Invalid: an option can't be, or several pools have its name.
        NotFound: there is no such pool.
    """
    try:
        options = balancer_options(balancer)
    except SpecError as error:
        raise Invalid(str(error), code="BadOption", field="balancer") from None
    pool = pool_of(calls, options)
    return options, pool, members(calls, pool)


def store(calls: Calls, pool: str, wanted: Sequence[Mapping[str, object]] | None) -> None:
    """Set the members of a pool, all in one call; None changes nothing."""
    if wanted is not None:
        calls.change("load-balancer", "PUT", f"/lbaas/pools/{pool}/members", {"members": wanted})


def balancer_options(balancer: Options) -> BalancerOptions:
    """Return what a file says of a balancer.

    Raises:
        SpecError: a key is unknown, or a value can't be.
    """
    return parse_options(BalancerOptions, balancer, path="balancer")


def members(calls: Calls, pool: str) -> list[Member]:
    """List every member of a pool, ours or not."""
    return calls.every(Member, "load-balancer", f"/lbaas/pools/{pool}/members", key="members")


def standing(member: Member, now: float) -> Standing:
    """Return where a member stands; Octavia says no more of its reasons than the operating status."""
    until = drained_at(member)
    if until is not None:
        return LEAVING if now < until else OUTSIDE
    if member.operating_status in SERVING:
        return HEALTHY
    off = "" if member.admin_state_up else ", and it is switched off (admin_state_up)"
    return Standing(Membership.UNHEALTHY, f"its operating status is {member.operating_status or 'unknown'}{off}")


def drained_at(member: Member) -> float | None:
    """Return when a member that leaves is gone, in epoch seconds; None for one that stays."""
    told = (tag.removeprefix(DRAINED_AT) for tag in member.tags if tag.startswith(DRAINED_AT))
    return next((float(moment) for moment in told if moment.isdecimal()), None)


def registered(
    there: Sequence[Member], addresses: Mapping[InstanceId, str], options: BalancerOptions, now: float
) -> list[Mapping[str, object]] | None:
    """Return the members that a pool is to have with these instances, None where it has them all already."""
    serving = {member.name for member in there if drained_at(member) is None}
    if addresses.keys() <= serving:
        return None
    joining = [
        {
            "name": id,
            "address": address,
            "protocol_port": options.port,
            "weight": WEIGHT,
            "tags": [],
            **({"subnet_id": options.subnet} if options.subnet else {}),
        }
        for id, address in addresses.items()
    ]
    at = {(address, options.port) for address in addresses.values()}
    others = [kept(member) for member in _staying(there, now) if (member.address, member.protocol_port) not in at]
    return [*others, *joining]


def deregistered(
    there: Sequence[Member], ids: Sequence[InstanceId], options: BalancerOptions, now: float
) -> list[Mapping[str, object]] | None:
    """Return the members that a pool is to have when these leave, None where all are leaving already."""
    leaving = {member.id for member in there if member.name in ids and drained_at(member) is None}
    if not leaving:
        return None
    seconds = options.drain.total_seconds()
    tag = f"{DRAINED_AT}{now + seconds:.0f}"
    return [
        {**kept(member), "weight": 0, "tags": [tag]} if member.id in leaving else kept(member)
        for member in _staying(there, now)
        if seconds or member.id not in leaving
    ]


def _staying(there: Sequence[Member], now: float) -> list[Member]:
    return [member for member in there if standing(member, now) is not OUTSIDE]


def kept(member: Member) -> Mapping[str, object]:
    """Return a member as it is, for the call that sets all of them."""
    told = attrs.asdict(member, filter=attrs.filters.exclude("id", "operating_status"))
    return {name: value for name, value in told.items() if value is not None}
