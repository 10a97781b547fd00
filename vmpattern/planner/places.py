"""A fleet's slots as places: in which one an instance is in date, which errors cover one, what its launch keys name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from vmpattern import naming
from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import AnySlot, Instance, Slot


class Places:
    """The slots of one fleet.

    `scopes` are what the launch keys of each slot depend on, None where nothing can be launched.
    """

    def __init__(self, deployment: str, fleet: str, slots: Sequence[AnySlot]) -> None:
        self._slots = slots
        self._by_place: dict[tuple[str, str | None, str], list[int]] = {}
        for number, slot in enumerate(slots):
            self._by_place.setdefault((slot.cloud, slot.zone, slot.market.value), []).append(number)
        self._unplaced = any(slot.zone is None for slot in slots)
        self.scopes = [_key_scope(deployment, fleet, slot) if isinstance(slot, Slot) else None for slot in slots]

    def slot_of(self, instance: Instance) -> int:
        """Return the number of the slot in which the instance is in date, -1 for none."""
        cloud, market = instance.cloud, instance.market.value
        for zone in (instance.zone, None) if self._unplaced else (instance.zone,):
            for number in self._by_place.get((cloud, zone, market), ()):
                slot = self._slots[number]
                admitted = slot.machine_type is None or instance.machine_type in slot.admits
                if slot.revision == instance.revision and admitted:
                    return number
        return -1


def covers(scope: Scope, cloud: str, slot: AnySlot) -> bool:
    """Tell whether a scope of `cloud` covers a slot: the wider kinds cover the whole cloud."""
    if cloud != slot.cloud or (scope.market and scope.market != slot.market.value):
        return False
    if scope.kind is ScopeKind.MACHINE_TYPE:
        return scope.machine_type == slot.machine_type and scope.zone in (None, slot.zone)
    if scope.kind is ScopeKind.FAMILY:
        kind = slot.machine_type or ""
        return scope.machine_type == kind or fnmatchcase(kind, scope.family or "")
    return scope.kind is not ScopeKind.ZONE or scope.zone == slot.zone


def _key_scope(deployment: str, fleet: str, slot: Slot) -> naming.KeyScope:
    return naming.KeyScope(
        deployment=deployment,
        fleet=fleet,
        revision=slot.revision,
        cloud=slot.cloud,
        zone=slot.zone,
        machine_type=slot.machine_type,
        market=slot.market.value,
        image=slot.image,
        inputs=slot.inputs,
    )
