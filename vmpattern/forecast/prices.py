"""What a fleet costs while a forecast's events happen."""

import math
from collections.abc import Sequence

from vmpattern.model import Event, EventKind, Instance, InstanceId, Market, Observation


class Prices:
    """Dollars an hour while events happen; everything becomes None as soon as one price is unknown."""

    def __init__(self, observation: Observation) -> None:
        self._types = {
            (name, kind.name): kind for name, cloud in observation.clouds.items() for kind in cloud.machine_types
        }
        self._of: dict[InstanceId, float] = {}
        self._sum = self._most = self._first = 0.0
        self._unknown = False

    def start(self, instance: Instance) -> None:
        self._add(instance.id, self._price(instance.cloud, instance.machine_type, instance.market))
        self._first = self._sum

    def follow(self, events: Sequence[Event]) -> None:
        launching: dict[str, float | None] = {}
        asked, launched, gone = EventKind.LAUNCHING, EventKind.LAUNCHED, (EventKind.TERMINATED, EventKind.GONE)
        for event in events:
            if event.kind is asked:
                launching[event.key] = self._price(event.cloud, event.message, event.market)
            elif event.kind is launched:
                for instance in event.instances:
                    self._add(instance, launching.get(event.key))
            elif event.kind in gone:
                for instance in event.instances:
                    self._sum -= self._of.pop(instance, 0.0)

    def _price(self, cloud: str, machine_type: str, market: Market | None) -> float | None:
        kind = self._types.get((cloud, machine_type))
        return kind.price(market) if kind is not None and market is not None else None

    def _add(self, instance: InstanceId, price: float | None) -> None:
        if price is None or math.isnan(price):
            self._unknown = True
        elif instance not in self._of:
            self._of[instance] = price
            self._sum += price
            self._most = max(self._most, self._sum)

    @property
    def before(self) -> float | None:
        return self._told(self._first)

    @property
    def now(self) -> float | None:
        return self._told(self._sum)

    @property
    def peak(self) -> float | None:
        return self._told(self._most)

    def _told(self, price: float) -> float | None:
        return None if self._unknown else round(price, 6) + 0.0
