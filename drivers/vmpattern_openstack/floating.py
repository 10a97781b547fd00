"""Floating addresses: each is of a port that is there before its server, which is then created alone.

Nova makes ports while it builds, and no verb waits for that. A port that was there before isn't Nova's to delete, so
that an end deletes address and port before the server: where that is cut short, the server is still there to be ended.
A launch that is cut short may leave ports without a server; they go with the next launch or end that finds them old.
"""

import contextlib
from collections.abc import Collection
from datetime import datetime

import attrs

from vmpattern.driver import LaunchRequest
from vmpattern.errors import DriverError, NotFound
from vmpattern_openstack import labels
from vmpattern_openstack.api import Calls
from vmpattern_openstack.servers import Found

OURS = {"description": labels.PREFIX}
"""What our ports and addresses are listed by."""

STRAY_S = 900.0
"""So old is no port whose server is only just being created."""


@attrs.frozen(kw_only=True)
class Port:
    """A port of Neutron's; `device_id` is its server's, empty without one."""

    id: str
    created_at: datetime
    device_id: str = ""


@attrs.frozen(kw_only=True)
class FloatingAddress:
    """A floating address, and the port that it leads to."""

    id: str
    created_at: datetime
    port_id: str | None = None


def attach(calls: Calls, request: LaunchRequest, found: Found) -> list[str]:
    """Make a port with a floating address for each server of a launch, and return the ports' ids.

    Raises:
        DriverError: one couldn't be made; what was made is deleted.
    """
    groups = {"security_groups": list(found.security_groups)} if found.security_groups else {}
    port = {"network_id": found.networks[0], "name": labels.server_name(request), **OURS, **groups}
    made = calls.change("network", "POST", "/ports", {"ports": [port] * request.count})["ports"]
    ports = [calls.parsed(Port, one).id for one in made] if isinstance(made, list) else []
    try:
        for id in ports:
            address = {"floating_network_id": found.floating_network, "port_id": id, **OURS}
            calls.change("network", "POST", "/floatingips", {"floatingip": address})
    except DriverError:
        release(calls, ports)
        raise
    return ports


def release(calls: Calls, ports: Collection[str]) -> None:
    """Delete ports with their addresses after a failure; what can't be deleted now is found later."""
    with contextlib.suppress(DriverError):
        addresses = [one for one in _addresses(calls) if one.port_id in ports]
        _delete(calls, addresses, ports)


def free(calls: Calls, servers: Collection[str], *, now: float) -> None:
    """Delete the ports and addresses of servers, and those that a launch which was cut short has left.

    Args:
        now: in epoch seconds.
    """

    def is_stray(one: Port | FloatingAddress) -> bool:
        return one.created_at.timestamp() + STRAY_S < now

    every = calls.every(Port, "network", "/ports", calls.of_project(OURS), key="ports")
    ports = {one.id for one in every if (one.device_id in servers if one.device_id else is_stray(one))}
    addresses = [one for one in _addresses(calls) if (one.port_id in ports if one.port_id else is_stray(one))]
    _delete(calls, addresses, ports)


def _addresses(calls: Calls) -> list[FloatingAddress]:
    return calls.every(FloatingAddress, "network", "/floatingips", calls.of_project(OURS), key="floatingips")


def _delete(calls: Calls, addresses: Collection[FloatingAddress], ports: Collection[str]) -> None:
    for path in (*(f"/floatingips/{one.id}" for one in addresses), *(f"/ports/{id}" for id in ports)):
        with contextlib.suppress(NotFound):
            calls.change("network", "DELETE", path)
