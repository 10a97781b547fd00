"""The quotas of the project's region as limits of the account: what each counts, and which launches it stops."""

from collections.abc import Iterator, Mapping, Sequence

from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import Limit, MachineType, Market
from vmpattern_gcp.answers import Quota, Region
from vmpattern_gcp.api import Calls
from vmpattern_gcp.machines import family, metric

CODE = "QUOTA_EXCEEDED"
"""The code of an insertion that a quota stops."""

SPOT = "PREEMPTIBLE_CPUS"


def limits(calls: Calls, types: Sequence[MachineType]) -> tuple[Limit, ...]:
    """Return the region's quotas of instances and vCPUs, with what is in use."""
    found = calls.get(Region, f"regions/{calls.region}", fields="name,quotas(metric,limit,usage)")
    return tuple(of_region(found, types))


def of_region(region: Region, types: Sequence[MachineType]) -> Iterator[Limit]:
    """Yield the limits that a region's quotas are; those of vCPUs once for each family and market that share one.

    Google reports a quota of 0 spot vCPUs where none was granted: then spot instances count as all others do.
    """
    quotas = {quota.metric: quota for quota in region.quotas if quota.limit >= 0}
    vcpus = {kind.name: kind.vcpus for kind in types}
    if (instances := quotas.get("INSTANCES")) is not None:
        yield _limit(region, instances, dict.fromkeys(vcpus, 1), Scope(ScopeKind.REGION))
    spot = quotas.get(SPOT)
    granted = spot is not None and spot.limit > 0
    if spot is not None and granted:
        yield _limit(region, spot, vcpus, Scope(ScopeKind.REGION, market=Market.SPOT.value), Market.SPOT)
    for name in sorted({metric(kind) for kind in vcpus} & set(quotas)):
        costs = {kind: count for kind, count in vcpus.items() if metric(kind) == name}
        for pattern in sorted({family(kind) for kind in costs}):
            for market in (Market.ON_DEMAND,) if granted else Market:
                scope = Scope(ScopeKind.FAMILY, family=pattern, market=market.value)
                yield _limit(region, quotas[name], costs, scope, market if granted else None)


def _limit(
    region: Region, quota: Quota, costs: Mapping[str, float], scope: Scope, market: Market | None = None
) -> Limit:
    return Limit(
        name=f"the quota {quota.metric} of {region.name}",
        most=quota.limit,
        used=quota.usage,
        costs=costs,
        market=market,
        code=CODE,
        scope=scope,
    )
