"""What a cloud offers: flavors, zones, networks, groups; names become ids, and what two things are called is told."""

import math
import re
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from vmpattern.driver import LaunchRequest
from vmpattern.driver.options import nearest
from vmpattern.errors import Invalid
from vmpattern.model import MachineType, Market
from vmpattern_openstack.answers import Flavor, Named, Network, Zone
from vmpattern_openstack.api import FLAVOR_SPECS, RECENT_S, Calls, Now
from vmpattern_openstack.options import OpenStackOptions, PlacementOptions
from vmpattern_openstack.servers import Found

ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


class Catalog:
    """Finds what launches name. Ids don't change, so what was found once is found without asking again.

    Args:
        now: tells epoch seconds.
    """

    def __init__(self, options: OpenStackOptions, now: Now) -> None:
        self._options = options
        self._now = now
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._zones: tuple[str, ...] = ()
        self._flavors: Mapping[str, Flavor] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def forget(self) -> None:
        """Look everything up anew: something that was found isn't there any more."""
        with self._lock:
            self._read_at = self._now()
            self._zones = ()
            self._flavors = {}
            self._ids.clear()

    def renew(self) -> None:
        """Look everything up anew unless that was begun a moment ago."""
        if self._now() > self._read_at + RECENT_S:
            self.forget()

    def zones(self, calls: Calls) -> tuple[str, ...]:
        """Return the zones that take servers and count, sorted."""
        if known := self._zones:
            return known
        found = calls.every(Zone, "compute", "/os-availability-zone", key="availabilityZoneInfo")
        wanted = self._options.zones
        names = sorted(zone.name for zone in found if zone.state.available and (not wanted or zone.name in wanted))
        with self._lock:
            self._zones = tuple(names)
        return tuple(names)

    def flavors(self, calls: Calls) -> Mapping[str, Flavor]:
        """Return the flavors by name, as they are now."""
        rows = calls.every(Flavor, "compute", "/flavors/detail", key="flavors", version=FLAVOR_SPECS)
        found = {one.name: one for one in rows}
        with self._lock:
            self._flavors = found
        return found

    def known_flavors(self, calls: Calls) -> Mapping[str, Flavor]:
        """Return the flavors by name, as they were last read; they are read where they never were."""
        return self._flavors or self.flavors(calls)

    def machine_types(self, calls: Calls) -> tuple[MachineType, ...]:
        """Return the flavors of now as machine types of every zone: which zone has which, Nova doesn't tell."""
        self.forget()
        zones = self.zones(calls)
        prices = self._options.prices
        return tuple(
            MachineType(
                name=flavor.name,
                vcpus=flavor.vcpus,
                memory_mib=flavor.ram,
                zones=zones,
                disk_gib=flavor.disk,
                specs=flavor.extra_specs,
                prices={Market.ON_DEMAND: prices[flavor.name]} if flavor.name in prices else {},
            )
            for flavor in self.flavors(calls).values()
        )

    def find(self, calls: Calls, request: LaunchRequest, options: PlacementOptions) -> Found:
        """Return what a launch names.

        Raises:
            Invalid: something isn't there, or two things have its name; says in which field.
        """
        return Found(
            flavor=self.flavor(calls, request.machine_type),
            networks=tuple(
                self.network(calls, one, f"options.networks[{n}]") for n, one in enumerate(options.named_networks)
            ),
            security_groups=tuple(
                self.security_group(calls, one, f"options.security_groups[{n}]")
                for n, one in enumerate(options.security_groups)
            ),
            server_group=options.server_group,
            floating_network=self.floating_network(calls, options),
        )

    def flavor(self, calls: Calls, name: str) -> Flavor:
        """Return the flavor of a name.

        Raises:
            Invalid: there is none.
        """
        known = self._flavors if name in self._flavors else self.flavors(calls)
        if name not in known:
            text = f"there is no flavor {name!r}; {nearest(name, known)}"
            raise Invalid(text, code="NoFlavor", field="machine_type")
        return known[name]

    def network(self, calls: Calls, name: str, field: str) -> str:
        """Return the id of a network that servers can be attached to.

        Raises:
            Invalid: there is none, there are several, or it is an external one.
        """

        def look() -> str:
            found = _only(calls, Network, "networks", name, field)
            if found.external and not found.shared:
                text = f"the network {name!r} is an external one: servers are attached to a network of the project"
                raise Invalid(text, code="ExternalNetwork", field=field)
            return found.id

        return self._known("network", name, look)

    @property
    def gives_addresses(self) -> bool:
        """Whether servers get floating addresses."""
        return self._options.floating_network is not None

    def floating_network(self, calls: Calls, options: PlacementOptions) -> str | None:
        """Return the id of the network of which servers get floating addresses, None where they get none.

        Raises:
            Invalid: there is none, there are several, it isn't an external one, or no network is named to lead to.
        """
        name = self._options.floating_network
        if name is None:
            return None
        if not options.named_networks:
            text = f"a floating address needs a network that is named, and that a router connects with {name!r}"
            raise Invalid(text, code="NoNetwork", field="options.networks")

        def look() -> str:
            found = _only(calls, Network, "networks", name, "floating_network")
            if not found.external:
                text = f"the network {name!r} isn't an external one, and has no floating addresses"
                raise Invalid(text, code="NotExternal", field="floating_network")
            return found.id

        return self._known("floating network", name, look)

    def security_group(self, calls: Calls, name: str, field: str) -> str:
        """Return the id of a security group.

        Raises:
            Invalid: there is none, or there are several.
        """
        return self._known("security group", name, lambda: _only(calls, Named, "security_groups", name, field).id)

    def _known(self, kind: str, name: str, look: Callable[[], str]) -> str:
        with self._lock:
            known = self._ids.get((kind, name))
        if known is None:
            known = look()
            with self._lock:
                self._ids[kind, name] = known
        return known


Thing = TypeVar("Thing", Network, Named)


def _only(calls: Calls, kind: type[Thing], collection: str, name: str, field: str) -> Thing:
    """Return the one thing of a collection of Neutron's that has this id or name.

    Raises:
        Invalid: there is none, or there are several.
    """
    path, what = f"/{collection.replace('_', '-')}", collection.removesuffix("s").replace("_", " ")
    found: list[Thing] = []
    for key in ("id", "name") if ID.fullmatch(name) else ("name",):
        found = found or calls.every(kind, "network", path, {key: name}, key=collection)
    if not found:
        raise Invalid(f"there is no {what} {name!r}", code="NotThere", field=field)
    if len(found) > 1:
        ids = ", ".join(sorted(one.id for one in found))
        text = f"{len(found)} {what}s are named {name!r}: name the one that is meant by its id, of {ids}"
        raise Invalid(text, code="AmbiguousName", field=field)
    return found[0]
