"""What a fleet costs while a forecast's events happen."""

import math
from collections.abc import Mapping, Sequence

from vmpattern.model import Event, EventKind, Instance, InstanceId, Observation
from vmpattern.planner import Resolution


class Prices:
    """Dollars an hour while events happen; everything becomes None as soon as one price is unknown."""

    def __init__(self, observation: Observation, resolutions: Mapping[str, Resolution]) -> None:
        self._types = {
            (name, kind.name): kind for name, cloud in observation.clouds.items() for kind in cloud.machine_types
        }
        self._slots = {
            (fleet, slot.cloud, slot.zone, slot.machine_type): slot
            for fleet, resolution in resolutions.items()
            for slot in resolution.slots
        }
        self._of: dict[InstanceId, float] = {}
        self._sum = self._most = self._first = 0.0
        self._unknown = False

    def start(self, instance: Instance) -> None:
        kind = self._types.get((instance.cloud, instance.machine_type))
        self._add(instance.id, kind.price(instance.market) if kind else None)
        self._first = self._sum

    def follow(self, events: Sequence[Event]) -> None:
        launching: dict[str, float | None] = {}
        asked, launched, gone = EventKind.LAUNCHING, EventKind.LAUNCHED, (EventKind.TERMINATED, EventKind.GONE)
        for event in events:
            if event.kind is asked:
                slot = self._slots.get((event.fleet, event.cloud, event.zone, event.message))
                launching[event.key] = slot.price_per_hour if slot else None
            elif event.kind is launched:
                for instance in event.instances:
                    self._add(instance, launching.get(event.key))
            elif event.kind in gone:
                for instance in event.instances:
                    self._sum -= self._of.pop(instance, 0.0)

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
