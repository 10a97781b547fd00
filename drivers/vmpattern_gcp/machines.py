"""Machine types by name: which are custom, how large they are, and what libcloud's list says of their prices."""

import re
from collections.abc import Mapping
from typing import cast

import attrs
from libcloud.pricing import get_pricing

from vmpattern.model import Market

CUSTOM = re.compile(r"(?:(?P<family>[a-z][a-z0-9]+)-)?custom-(?P<vcpus>[1-9]\d*)-(?P<mib>[1-9]\d*)(?P<extended>-ext)?")
OF_OLD = ("e2", "n1", "f1", "g1", "custom")
"""The families whose vCPUs count as CPUS; every other one has a quota of its own."""

SHARED = {"e2-micro": 0.25, "e2-small": 0.5, "e2-medium": 1.0}
"""How many vCPUs of a machine type with shared ones are paid for."""

WORDS = {Market.ON_DEMAND: "on_demand", Market.SPOT: "preemptible"}


def family(machine_type: str) -> str:
    """Return a pattern of the machine types whose vCPUs count for one quota with this one's; not of all of CPUS.

    Example:
        >>> family("n2-standard-4")
        'n2-*'
    """
    return f"{machine_type.partition('-')[0]}-*"


def metric(machine_type: str) -> str:
    """Return the quota for which a machine type's vCPUs count; those of spot instances may count for another.

    Example:
        >>> metric("n2-standard-4"), metric("e2-small")
        ('N2_CPUS', 'CPUS')
    """
    series = machine_type.partition("-")[0]
    return "CPUS" if series in OF_OLD else f"{series.upper()}_CPUS"


@attrs.frozen
class Size:
    """How large a machine type is."""

    vcpus: int
    memory_mib: int


def custom_size(name: str) -> Size:
    """Return the size that a custom machine type's name tells: `CUSTOM` fits it."""
    found = CUSTOM.fullmatch(name)
    assert found is not None
    return Size(int(found["vcpus"]), int(found["mib"]))


def listed_prices(name: str, size: Size, region: str) -> dict[Market, float]:
    """Return dollars an hour in each market by libcloud's list, which is of 2025-03; what it lacks is left out."""
    family, extended = _family(name)
    if family is None:
        return {}
    found = {market: _price(name, size, family, region, word) for market, word in WORDS.items()}
    # Memory beyond a family's usual share has a price of its own, which the list has for some families only.
    return {market: price for market, price in found.items() if price is not None and not extended}


def _family(name: str) -> tuple[str | None, bool]:
    custom = CUSTOM.fullmatch(name)
    if custom is not None:
        return f"{custom['family'] or 'n1'}_custom", custom["extended"] is not None
    family, dash, _ = name.partition("-")
    return (family if dash else None), False


def _price(name: str, size: Size, family: str, region: str, word: str) -> float | None:
    vcpu, gib = (_unit(family, part, region, word) for part in ("cpu", "ram"))
    if vcpu is None or (gib is None and family not in ("f1", "g1")):
        return None
    if gib is None:
        return vcpu
    return round(vcpu * SHARED.get(name, size.vcpus) + gib * size.memory_mib / 1024, 6)


def _unit(family: str, part: str, region: str, word: str) -> float | None:
    found: object = get_pricing(driver_type="compute", driver_name="gce_instances")
    for key in (family, part, word, region, "price"):
        found = cast("Mapping[str, object]", found).get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and found > 0 else None
