"""Why instances go: in which fields of the file they differ from what is asked for."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import TypeAlias

import attrs

from vmpattern import naming
from vmpattern.model import AnySlot, Bake, Fleet, Instance, Observation, Unbaked
from vmpattern.planner import image_reasons

Difference: TypeAlias = tuple[str, str | int | None, str | int | None]
"""A field of the file, what an instance has there, and what it is to have."""

Named: TypeAlias = tuple[str, str | int | None, Unbaked | str | int | None]
"""A difference whose image may still have to be baked."""

_WHAT_DIFFERS = attrgetter("fleet", "cloud", "zone", "machine_type", "market", "revision", "inputs", "image")
"""All of an instance by which `_differences` can tell it from another."""


@attrs.frozen
class Differences:
    """In what the instances of one fleet are out of date, given its slots and what is baked for it."""

    observation: Observation
    bakes: Sequence[Bake]
    fleet: Fleet
    slots: Sequence[AnySlot]

    def counted(self, instances: Sequence[Instance]) -> Counter[Difference]:
        """Count the instances by the differences that each shows; those that are alike are looked at once."""
        alike: dict[object, list[Instance]] = defaultdict(list)
        for instance in instances:
            alike[_WHAT_DIFFERS(instance)].append(instance)
        counts: Counter[Difference] = Counter()
        for group in alike.values():
            for difference in self._of(group[0]):
                counts[difference] += len(group)
        return counts

    def _of(self, instance: Instance) -> Iterator[Difference]:
        image = f"services.{self.fleet.service}.image"
        for field, before, after in _differences(instance, self.fleet, self.slots):
            parts = self._parts(instance, image, after) if field == image else ()
            yield from parts or [(field, before, after.digest if isinstance(after, Unbaked) else after)]

    def _parts(self, instance: Instance, path: str, image: Unbaked | str | int | None) -> tuple[Difference, ...]:
        """Tell which parts of a recipe differ between an instance's image and the one that it is to have."""
        images = self.observation.clouds[instance.cloud].images
        before = next((row for row in images if row.id == instance.image), None)
        made = next((row for row in images if row.id == image), None)
        bake = next((b for b in self.bakes if Unbaked(b.digest) == image and b.cloud == instance.cloud), None)
        contents = self.observation.contents.get(self.fleet.service)
        if before is None or contents is None or (made is None and bake is None):
            return ()
        text, base = (made.recipe, made.base) if made else ("", "")
        if bake is not None:
            text, base = bake.recipe, naming.base_label(bake.resolved)
        reasons = image_reasons(path, before, text, base, contents)
        return tuple((reason.field, reason.before, reason.after) for reason in reasons)


def _differences(instance: Instance, fleet: Fleet, slots: Sequence[AnySlot]) -> Iterator[Named]:
    """Name the fields because of which an instance is out of date: against the slot from which it differs in least."""
    if not slots:
        yield f"fleets.{fleet.name}", fleet.name, None
        return
    same_cloud = [slot for slot in slots if slot.cloud == instance.cloud]
    if not same_cloud:
        yield f"fleets.{fleet.name}.placements", instance.cloud, ", ".join(sorted({slot.cloud for slot in slots}))
        return
    # Two placements may share a zone, and differ in their market or machine type.
    by_slot = [list(_against(slot, instance, fleet, same_cloud)) for slot in same_cloud]
    elsewhere = [(slot.market is not instance.market, slot.zone != instance.zone) for slot in same_cloud]
    if instance.fleet != fleet.name:
        yield f"fleets.{fleet.name}", instance.fleet, fleet.name
    yield from by_slot[min(range(len(by_slot)), key=lambda number: (len(by_slot[number]), elsewhere[number]))]


def _against(slot: AnySlot, instance: Instance, fleet: Fleet, same_cloud: Sequence[AnySlot]) -> Iterator[Named]:
    """Name the fields because of which an instance isn't in date in a slot of its cloud."""
    placement = f"fleets.{fleet.name}.placements[{slot.placement}]"
    service = f"services.{fleet.service}"
    zones = {one.zone for one in same_cloud if one.placement == slot.placement}
    if instance.revision != slot.revision:
        changes = naming.changed_inputs(instance.inputs, slot.inputs)
        # The label was changed by hand, or the other labels show no difference.
        if not changes and instance.fleet == fleet.name:
            yield "revision", instance.revision, slot.revision
        for part, before, after in changes:
            if part == "image":
                yield f"{service}.image", instance.image, slot.image
            elif part == "machine_type":
                yield f"{placement}.machine_type", instance.machine_type, slot.machine_type
            elif part == "options":
                yield from _options(placement, before, after, instance, slot)
            else:
                yield f"{service}.{part}", before or None, after
    elif instance.machine_type not in slot.admits:
        yield f"{placement}.machine_type", instance.machine_type, slot.machine_type
    elif instance.zone not in zones:
        yield f"{placement}.zones", instance.zone, ", ".join(sorted(zone or "unknown" for zone in zones))


def _options(placement: str, before: str, after: str, instance: Instance, slot: AnySlot) -> Iterator[Named]:
    """Name the market where that differs, which is a part of the options; and the options unless they don't."""
    if instance.market is not slot.market:
        yield f"{placement}.market", instance.market.value, slot.market.value
    if before != naming.options_digest(slot.options, instance.market):
        yield f"{placement}.options", before or None, after
