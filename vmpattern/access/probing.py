"""The health check as a client sees it, of many instances at the same time."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from vmpattern.driver.asking import answers
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
