"""Slots that would count the same VM: which they are, and what becomes of them. Pure."""

from collections.abc import Sequence

from vmpattern.errors import Problem
from vmpattern.model import AnySlot, Fleet, Place


def without_overlaps(fleet: Fleet, slots: Sequence[AnySlot]) -> tuple[list[AnySlot], list[Problem]]:
    """Return the slots such that each VM is counted in one of them, and what is wrong with the placements.

    A VM is known by cloud, zone, market and revision. What else placements say (a machine type, resources, options) is
    part of the revision: placements that differ in it never count the same VM, even if they launch the same type.

    Under ORDERED and CHEAPEST a place that comes again says nothing new, so the first one stays. Under SPREAD each
    placement has a share of its own, and which share a VM belongs to couldn't be told: that is a problem, one for each
    pair of placements.
    """
    kept: list[AnySlot] = []
    known: dict[tuple[object, ...], dict[str | None, AnySlot]] = {}
    shared: dict[tuple[int, int], list[AnySlot]] = {}
    for slot in slots:
        zones = known.setdefault((slot.cloud, slot.market, slot.revision), {})
        other = zones.get(slot.zone) or zones.get(None)
        if other is None and zones and slot.zone is None:
            other = next(iter(zones.values()))  # a zone that isn't known yet may be any
        if other is None:
            zones[slot.zone] = slot
            kept.append(slot)
        elif other.placement != slot.placement:
            shared.setdefault((other.placement, slot.placement), []).append(slot)
    if fleet.place is not Place.SPREAD:
        return kept, []
    return kept, [_problem(fleet, pair, alike, slots) for pair, alike in sorted(shared.items())]


def _problem(fleet: Fleet, pair: tuple[int, int], alike: Sequence[AnySlot], slots: Sequence[AnySlot]) -> Problem:
    first, second = pair
    path, zones = f"fleets.{fleet.name}.placements", [slot.zone for slot in alike if slot.zone is not None]
    where = f" in {'zone' if len(zones) == 1 else 'zones'} {', '.join(zones)}" if zones else ""
    found = f"places the same VMs as {path}[{first}]: {alike[0].market.value} in {alike[0].cloud}{where}"
    whole = all(len(alike) == sum(slot.placement == number for slot in slots) for number in pair)
    weight = fleet.placements[first].weight + fleet.placements[second].weight
    way = f"keep one of them, with weight = {weight}" if whole else "name each zone in one of them only"
    return Problem(f"{path}[{second}]", f"{found}, so their shares can't be told apart; {way}")
