"""Who gets how many: shares by largest remainder, under caps, moving as little as possible. Integers in and out."""

from collections.abc import Sequence

from vmpattern.model import AnySlot, Place


def apportion(total: int, weights: Sequence[int], caps: Sequence[int | None], have: Sequence[int]) -> list[int]:
    """Share `total` by weight, largest remainder first, no share above its cap; what a cap refuses goes to the others.

    Ties go to whoever has more above its whole part, then to the earlier one, so that a share that fits stays as it is.

    Returns:
        One share per weight, in order; they add up to `total`, or to the caps where those are smaller.

    Example:
        >>> apportion(7, [1, 1, 1], [None, None, None], [2, 3, 2]), apportion(7, [2, 1], [3, None], [0, 0])
        ([2, 3, 2], [3, 4])
    """
    shares = [0] * len(weights)
    free = list(range(len(weights)))
    left = total
    while free and left > 0:
        weight = sum([weights[index] for index in free])
        whole = [left * share // weight for share in weights]
        over = [index for index in free if (cap := caps[index]) is not None and whole[index] >= cap]
        if not over:
            for index in free:
                shares[index] = whole[index]
            ranked = sorted([(-(left * weights[index] % weight), whole[index] - have[index], index) for index in free])
            for _, _, index in ranked[: total - sum(shares)]:
                shares[index] += 1
            break
        for index in over:
            shares[index] = caps[index] or 0
        left = total - sum(shares)
        free = [index for index in free if index not in over]
    return shares


def quotas(size: int, slots: Sequence[AnySlot], place: Place, have: Sequence[int], full: Sequence[bool]) -> list[int]:
    """Return how many in-date instances each slot should hold.

    `have` counts those that are there or on their way; a slot that is `full` may keep what it has and gets no more.

    Guarantees:
        SPREAD: placements share by weight, zones of one differ by at most one unless full. ORDERED and CHEAPEST: what
        is there stays, the rest goes to the first rank that isn't full, evenly over its zones. A fleet that already
        holds its quotas gets the same quotas again.
    """
    if place is Place.SPREAD:
        return _spread(size, slots, have, full)
    return _ranked(size, slots, have, full)


def _groups(keys: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the numbers of the slots with equal keys, in the order of the keys."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return [groups[key] for key in sorted(groups)]


def _evenly(size: int, members: Sequence[int], have: Sequence[int], caps: Sequence[int | None]) -> list[int]:
    return apportion(size, [1] * len(members), [caps[index] for index in members], [have[index] for index in members])


def _spread(size: int, slots: Sequence[AnySlot], have: Sequence[int], full: Sequence[bool]) -> list[int]:
    caps = [held if is_full else None for held, is_full in zip(have, full, strict=True)]
    if len({slot.placement for slot in slots}) == 1:
        return _evenly(size, range(len(slots)), have, caps)
    groups = _groups([(0, slot.placement) for slot in slots])
    weights = [slots[members[0]].weight for members in groups]
    group_caps = [
        sum(have[index] for index in members) if all(full[index] for index in members) else None for members in groups
    ]
    parts = apportion(size, weights, group_caps, [sum(have[index] for index in members) for members in groups])
    shares = [0] * len(slots)
    for members, part in zip(groups, parts, strict=True):
        for index, share in zip(members, _evenly(part, members, have, caps), strict=True):
            shares[index] = share
    return shares


def _ranked(size: int, slots: Sequence[AnySlot], have: Sequence[int], full: Sequence[bool]) -> list[int]:
    shares = list(have)
    groups = _groups([(slot.rank, slot.placement) for slot in slots])
    surplus = sum(shares) - size
    for members in reversed(groups):
        held = sum(shares[index] for index in members)
        drop = min(max(0, surplus), held)
        if drop:
            caps = [shares[index] for index in range(len(slots))]
            for index, share in zip(members, _evenly(held - drop, members, have, caps), strict=True):
                shares[index] = share
        surplus -= drop
    missing = size - sum(shares)
    for members in groups:
        takers = [index for index in members if not full[index]]
        if missing > 0 and takers:
            held = sum(shares[index] for index in takers)
            filled = _at_least(held + missing, takers, shares)
            for index, share in zip(takers, filled, strict=True):
                shares[index] = share
            break
    return shares


def _at_least(total: int, members: list[int], held: Sequence[int]) -> list[int]:
    """Share `total` evenly, nobody getting less than is held: raise the lowest until nothing is left."""
    shares = [held[index] for index in members]
    for _ in range(total - sum(shares)):
        shares[min(range(len(shares)), key=lambda index: (shares[index], index))] += 1
    return shares
