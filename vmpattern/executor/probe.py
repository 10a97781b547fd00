"""The health check as a client sees it: an HTTP request or a TCP connection to the instance itself.

What opens connections is imported where it is used: most commands ask no instance, and shall start fast.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from vmpattern.model import Health, HealthCheck, Instance, InstanceId

AT_ONCE = 32


class NetworkProber:
    """Asks instances over the network.

    An instance that nothing could ever reach from here is UNKNOWN, not unhealthy: until one answer has come from a
    cloud's network in this run, silence says nothing.
    """

    def __init__(self, ports: Mapping[str, int | None]) -> None:
        self._ports = ports
        self._reached: set[tuple[str, str]] = set()

    def __call__(self, instances: Sequence[Instance], check: HealthCheck) -> Mapping[InstanceId, Health]:
        """Ask all of them, at most `AT_ONCE` at a time."""
        if not instances:
            return {}
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(instances))) as pool:
            words = list(pool.map(lambda instance: self._ask(instance, check), instances))
        return {instance.id: word for instance, word in zip(instances, words, strict=True)}

    def _ask(self, instance: Instance, check: HealthCheck) -> Health:
        port = self._ports.get(instance.fleet)
        if instance.address is None or port is None:
            return Health.UNKNOWN
        network = (instance.cloud, instance.fleet)
        try:
            healthy = answers(instance.address, port, check)
        except ConnectionRefusedError:
            self._reached.add(network)
            return Health.UNHEALTHY
        except OSError:
            return Health.UNHEALTHY if network in self._reached else Health.UNKNOWN
        self._reached.add(network)
        return Health.HEALTHY if healthy else Health.UNHEALTHY


def answers(address: str, port: int, check: HealthCheck) -> bool:
    """Ask once; an HTTP check wants a status below 400.

    Raises:
        OSError: nothing answered; ConnectionRefusedError when the host did.
    """
    import http.client
    import socket

    where = _host_and_port(address, port)
    if check.http is None:
        with socket.create_connection(where, timeout=check.timeout_s):
            return True
    connection = http.client.HTTPConnection(*where, timeout=check.timeout_s)
    try:
        connection.request("GET", check.http, headers={"User-Agent": "vmpattern"})
        return connection.getresponse().status < 400
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def _host_and_port(address: str, port: int) -> tuple[str, int]:
    """Take an address apart: `host`, `host:port`, an IPv6 address, or one in brackets with a port."""
    host, colon, own_port = address.rpartition(":")
    if colon and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(own_port)
    return address.strip("[]"), port
