"""What can be launched: the machine types of a region's zones, custom ones that the file names, and what they cost."""

from collections.abc import Mapping

from vmpattern.model import MachineType, Market
from vmpattern_gcp.answers import Kind, Zone
from vmpattern_gcp.api import Calls
from vmpattern_gcp.machines import CUSTOM, Size, custom_size, listed_prices
from vmpattern_gcp.names import last
from vmpattern_gcp.options import GcpOptions

ACTIVE = "ACTIVE"


def machine_types(calls: Calls, options: GcpOptions) -> tuple[MachineType, ...]:
    """List every machine type of the zones that count, sorted by name."""
    sizes: dict[str, Size] = {}
    zones: dict[str, set[str]] = {}
    for zone in zones_of(calls, options):
        fields = "items(name,guestCpus,memoryMb,deprecated/state),nextPageToken,warning(code,message)"
        for kind in calls.every(Kind, f"zones/{zone}/machineTypes", fields=fields):
            if kind.deprecated.state == ACTIVE and kind.guest_cpus > 0 and kind.memory_mb > 0:
                sizes.setdefault(kind.name, Size(kind.guest_cpus, kind.memory_mb))
                zones.setdefault(kind.name, set()).add(zone)
    for name in options.custom_types:
        sizes[name], zones[name] = custom_size(name), _zones_of_family(name, zones)
    return tuple(_machine_type(name, sizes[name], zones[name], options) for name in sorted(sizes))


def zones_of(calls: Calls, options: GcpOptions) -> list[str]:
    """Return the names of the region's zones that are up, sorted; only those that the options name, if they do."""
    fields = "items(name,region,status),nextPageToken,warning(code,message)"
    found = [
        zone.name
        for zone in calls.every(Zone, "zones", fields=fields)
        if last(zone.region) == options.region and zone.status == "UP"
    ]
    return sorted(zone for zone in found if not options.zones or zone in options.zones)


def _zones_of_family(name: str, zones: Mapping[str, set[str]]) -> set[str]:
    """A custom machine type is to be had where its family is."""
    custom = CUSTOM.fullmatch(name)
    family = (custom["family"] if custom is not None else None) or "n1"
    return {zone for other, where in zones.items() if other.partition("-")[0] == family for zone in where}


def _machine_type(name: str, size: Size, zones: set[str], options: GcpOptions) -> MachineType:
    prices = listed_prices(name, size, options.region)
    own = options.prices.get(name)
    if own is not None:
        told = {Market.ON_DEMAND: own.on_demand, Market.SPOT: own.spot}
        prices |= {market: price for market, price in told.items() if price is not None}
    return MachineType(
        name=name, vcpus=size.vcpus, memory_mib=size.memory_mib, zones=tuple(sorted(zones)), prices=prices
    )
