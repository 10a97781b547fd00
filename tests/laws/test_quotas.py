"""Shares add up, keep to their caps, are as even as caps allow, and stay where they are."""

import attrs
from hypothesis import assume, given, strategies as st

from vmpattern.model import ImageId, Market, Place, Revision, Slot
from vmpattern.planner import apportion, quotas

PLACES = st.integers(1, 5)


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, list[int], list[int | None], list[int]]:
    count = draw(PLACES)
    weights = draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
    caps = draw(st.lists(st.none() | st.integers(0, 9), min_size=count, max_size=count))
    have = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    return draw(st.integers(0, 40)), weights, caps, have


@st.composite
def fleets(draw: st.DrawFn) -> tuple[int, list[Slot], Place, list[int], list[bool]]:
    place = draw(st.sampled_from(Place))
    slots = [
        slot(number, zone, draw(st.integers(0, 2)) if place is Place.CHEAPEST else number * (place is Place.ORDERED))
        for number in range(draw(st.integers(1, 3)))
        for zone in "abc"[: draw(st.integers(1, 3))]
    ]
    have = draw(st.lists(st.integers(0, 6), min_size=len(slots), max_size=len(slots)))
    full = draw(st.lists(st.booleans(), min_size=len(slots), max_size=len(slots)))
    return draw(st.integers(0, 20)), slots, place, have, full


def slot(number: int, zone: str, rank: int) -> Slot:
    return Slot(
        cloud=f"cloud-{number}",
        zone=zone,
        placement=number,
        machine_type="small",
        market=Market.ON_DEMAND,
        revision=Revision("r"),
        image=ImageId("img"),
        admits=frozenset({"small"}),
        weight=number + 1,
        rank=rank,
    )


@given(shares())
def test_shares_add_up_to_the_total_or_to_the_caps(drawn: tuple) -> None:
    total, weights, caps, have = drawn
    room = total if None in caps else min(total, sum(cap or 0 for cap in caps))

    assert room == sum(apportion(total, weights, caps, have))


@given(shares())
def test_no_share_is_above_its_cap_or_below_zero(drawn: tuple) -> None:
    total, weights, caps, have = drawn

    shared = apportion(total, weights, caps, have)

    assert all(0 <= share and (cap is None or share <= cap) for share, cap in zip(shared, caps, strict=True))


@given(shares())
def test_a_share_without_caps_is_its_exact_part_rounded_down_or_up(drawn: tuple) -> None:
    total, weights, _, have = drawn

    shared = apportion(total, weights, [None] * len(weights), have)

    whole = sum(weights)
    assert all(0 <= share * whole - total * weight + whole - 1 for share, weight in zip(shared, weights, strict=True))
    assert all(abs(share * whole - total * weight) < whole for share, weight in zip(shared, weights, strict=True))


@given(shares())
def test_shares_that_fit_stay_as_they_are(drawn: tuple) -> None:
    total, weights, caps, have = drawn
    first = apportion(total, weights, caps, have)

    assert first == apportion(sum(first), weights, caps, first)


@given(fleets())
def test_quotas_add_up_to_the_size_wherever_a_slot_has_room(drawn: tuple) -> None:
    size, slots, place, have, full = drawn
    assume(not any(full))

    assert size == sum(quotas(size, slots, place, have, full))


@given(fleets())
def test_a_full_slot_gets_no_more_than_it_has(drawn: tuple) -> None:
    size, slots, place, have, full = drawn

    found = quotas(size, slots, place, have, full)

    assert all(quota <= held for quota, held, is_full in zip(found, have, full, strict=True) if is_full)


@given(fleets())
def test_a_fleet_that_holds_its_quotas_gets_the_same_again(drawn: tuple) -> None:
    size, slots, place, have, full = drawn
    found = quotas(size, slots, place, have, full)
    assume(sum(found) == size)

    assert found == quotas(size, slots, place, found, full)


@given(fleets())
def test_zones_of_a_spread_placement_differ_by_at_most_one_unless_full(drawn: tuple) -> None:
    size, ranked, _, have, full = drawn
    slots = [attrs.evolve(one, rank=0) for one in ranked]

    found = quotas(size, slots, Place.SPREAD, have, full)

    for number in {slot.placement for slot in slots}:
        open_zones = [q for q, s, f in zip(found, slots, full, strict=True) if s.placement == number and not f]
        assert not open_zones or max(open_zones) - min(open_zones) <= 1
