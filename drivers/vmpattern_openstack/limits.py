"""The project's quotas as limits of the account: Nova's, and Neutron's where Neutron reports what is used."""

from collections.abc import Iterator, Mapping

from vmpattern.errors import Denied, NotFound, Scope, ScopeKind
from vmpattern.model import Limit
from vmpattern_openstack.answers import Flavor, Limits, NetworkQuota
from vmpattern_openstack.api import Calls
from vmpattern_openstack.catalog import Catalog

NOVA, NEUTRON = "forbidden", "OverQuota"
"""The codes of a refused launch: Nova's, and Neutron's where the driver itself makes ports and addresses."""

PROJECT = Scope(ScopeKind.ACCOUNT)


def limits(calls: Calls, catalog: Catalog) -> tuple[Limit, ...]:
    """Return what Nova and Neutron let the project have, and what is in use of it.

    Raises:
        DriverError: Nova's can't be read, or Neutron's for a moment.
    """
    catalog.renew()
    flavors = catalog.known_flavors(calls)
    found = calls.get("compute", "/limits").get("limits")
    nova = calls.parsed(Limits, found["absolute"] if isinstance(found, dict) else None)
    quota = _network_quota(calls)
    neutron = () if quota is None else of_neutron(quota, flavors, addressed=catalog.gives_addresses)
    return (*of_nova(nova, flavors), *neutron)


def of_nova(found: Limits, flavors: Mapping[str, Flavor]) -> Iterator[Limit]:
    """Yield the limits of instances, vCPUs and memory, without those that are none."""
    sizes = flavors.items()
    counted = (
        ("instances", found.instances, found.instances_used, dict.fromkeys(flavors, 1)),
        ("vCPUs", found.cores, found.cores_used, {name: one.vcpus for name, one in sizes}),
        ("memory in MiB", found.ram, found.ram_used, {name: one.ram for name, one in sizes}),
    )
    for what, most, used, costs in counted:
        if most >= 0 and used is not None:
            yield _limit(what, most, used, costs, NOVA)


def of_neutron(quota: NetworkQuota, flavors: Mapping[str, Flavor], *, addressed: bool) -> Iterator[Limit]:
    """Yield the limits of ports, one for each instance at least, and of floating addresses if instances get them."""
    each = dict.fromkeys(flavors, 1)
    counted = (("ports", quota.port), ("floating addresses", quota.floatingip if addressed else None))
    for what, allowed in counted:
        if allowed is not None and allowed.limit >= 0:
            yield _limit(what, allowed.limit, allowed.used + allowed.reserved, each, NEUTRON if addressed else NOVA)


def _limit(what: str, most: int, used: int, costs: Mapping[str, float], code: str) -> Limit:
    name = f"the project's limit of {what}"
    return Limit(name=name, most=most, used=used, costs=costs, code=code, scope=PROJECT)


def _network_quota(calls: Calls) -> NetworkQuota | None:
    """Read Neutron's quota; None where there is no Neutron, or it doesn't report what is used."""
    project = calls.project()
    if project is None or not calls.has("network"):
        return None
    try:
        return calls.parsed(NetworkQuota, calls.get("network", f"/quotas/{project}/details").get("quota"))
    except (Denied, NotFound):
        return None
