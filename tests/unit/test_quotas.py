from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st
from situations import slot

from vmpattern.model import Place, Slot
from vmpattern.planner import apportion, quotas

Case = tuple[int, list[int], list[int | None], list[int]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a total, weights, caps and what everybody has."""
    size = draw(st.integers(1, 4))
    weights = draw(st.lists(st.integers(1, 4), min_size=size, max_size=size))
    caps = draw(st.lists(st.none() | st.integers(0, 9), min_size=size, max_size=size))
    have = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    return draw(st.integers(0, 20)), weights, caps, have


@pytest.mark.parametrize(
    ("shares", "total", "weights", "caps", "have"),
    [
        pytest.param([2, 2, 2], 6, [1, 1, 1], [None] * 3, [0, 0, 0], id="evenly where it comes out even"),
        pytest.param([3, 2, 2], 7, [1, 1, 1], [None] * 3, [0, 0, 0], id="to the first what is left over"),
        pytest.param([2, 3, 2], 7, [1, 1, 1], [None] * 3, [2, 3, 2], id="to who has more what is left over"),
        pytest.param([4, 2], 6, [2, 1], [None] * 2, [0, 0], id="by weight"),
        pytest.param([1, 1], 2, [3, 1], [None] * 2, [0, 1], id="on a tie to who has more than it must"),
        pytest.param([1, 1], 2, [3, 1], [None] * 2, [1, 1], id="as before where that was a fair share"),
        pytest.param([3, 4], 7, [2, 1], [3, None], [0, 0], id="to the others what a cap refuses"),
        pytest.param([3, 1], 7, [2, 1], [3, 1], [0, 0], id="no more than all caps together"),
        pytest.param([0, 0], 0, [2, 1], [None] * 2, [5, 5], id="nothing where there is nothing"),
        pytest.param([0, 3], 3, [1, 1], [0, None], [0, 0], id="nothing to a cap of none"),
    ],
)
def test_a_total_is_shared(
    shares: list[int], total: int, weights: list[int], caps: list[int | None], have: list[int]
) -> None:
    assert shares == apportion(total, weights, caps, have)


@given(cases())
def test_shares_add_up_to_the_total_or_to_the_caps(case: Case) -> None:
    total, weights, caps, have = case
    most = total if None in caps else min(total, sum(cap or 0 for cap in caps))

    assert most == sum(apportion(total, weights, caps, have))


@given(cases())
def test_no_share_is_above_its_cap(case: Case) -> None:
    total, weights, caps, have = case

    assert [] == [n for n, cap in zip(apportion(total, weights, caps, have), caps, strict=True) if n > (cap or n)]


@given(cases())
def test_a_share_without_caps_is_within_one_of_the_exact_one(case: Case) -> None:
    total, weights, _, have = case

    shares = apportion(total, weights, [None] * len(weights), have)

    assert all(
        abs(share * sum(weights) - total * weight) < sum(weights) for share, weight in zip(shares, weights, strict=True)
    )


@given(cases())
def test_an_even_share_that_fits_stays_as_it_is(case: Case) -> None:
    total, weights, _, have = case
    even = apportion(total, [1] * len(weights), [None] * len(weights), have)

    assert even == apportion(total, [1] * len(weights), [None] * len(weights), even)


@given(cases())
def test_shares_given_once_are_given_again(case: Case) -> None:
    total, weights, caps, have = case
    shares = apportion(total, weights, caps, have)

    assert shares == apportion(total, weights, caps, shares)


# -- quotas of slots


@st.composite
def places(draw: st.DrawFn) -> tuple[int, list[Slot], list[int], list[bool]]:
    """Draw a size, the slots of up to three placements, what each holds and which are full."""
    slots = []
    for placement in range(draw(st.integers(1, 3))):
        weight, rank = draw(st.integers(1, 5)), draw(st.integers(0, 2))
        for zone in "abcd"[: draw(st.integers(1, 4))]:
            slots.append(slot(zone, placement=placement, weight=weight, rank=rank))
    have = draw(st.lists(st.integers(0, 9), min_size=len(slots), max_size=len(slots)))
    full = draw(st.lists(st.booleans(), min_size=len(slots), max_size=len(slots)))
    return draw(st.integers(0, 40)), slots, have, full


Places = tuple[int, list[Slot], list[int], list[bool]]
kinds = st.sampled_from(Place)


@pytest.mark.parametrize(
    ("expected", "size", "place", "slots", "have", "full"),
    [
        pytest.param(
            [2, 2, 2], 6, Place.SPREAD, [slot("a"), slot("b"), slot("c")], [0, 0, 0], "---", id="zones share evenly"
        ),
        pytest.param(
            [1, 3, 2],
            6,
            Place.SPREAD,
            [slot("a"), slot("b"), slot("c")],
            [1, 3, 0],
            "f--",
            id="a full zone keeps what it has",
        ),
        pytest.param(
            [3, 1],
            4,
            Place.SPREAD,
            [slot(cloud="eu", weight=3), slot(cloud="lab", placement=1)],
            [0, 0],
            "--",
            id="clouds share by weight",
        ),
        pytest.param(
            [0, 4],
            4,
            Place.SPREAD,
            [slot(cloud="eu", weight=3), slot(cloud="lab", placement=1)],
            [0, 0],
            "f-",
            id="a full cloud leaves its share to the other",
        ),
        pytest.param(
            [4, 0], 4, Place.ORDERED, [slot(), slot("b", rank=1)], [0, 0], "--", id="the first rank takes all"
        ),
        pytest.param(
            [0, 4], 4, Place.ORDERED, [slot(), slot("b", rank=1)], [0, 0], "f-", id="a full rank is passed over"
        ),
        pytest.param(
            [1, 3], 4, Place.ORDERED, [slot(), slot("b", rank=1)], [1, 0], "f-", id="a full rank keeps what it has"
        ),
        pytest.param(
            [1, 3], 4, Place.ORDERED, [slot(), slot("b", rank=1)], [1, 3], "--", id="what is there stays where it is"
        ),
        pytest.param(
            [2, 0], 2, Place.ORDERED, [slot(), slot("b", rank=1)], [2, 3], "--", id="the last rank shrinks first"
        ),
        pytest.param(
            [2, 2, 0],
            4,
            Place.CHEAPEST,
            [slot("a"), slot("b"), slot("c", rank=1)],
            [0, 0, 0],
            "---",
            id="zones of one rank share evenly",
        ),
    ],
)
def test_a_size_is_placed(
    expected: list[int], size: int, place: Place, slots: Sequence[Slot], have: list[int], full: str
) -> None:
    assert expected == quotas(size, slots, place, have, [sign == "f" for sign in full])


@given(places(), kinds)
def test_quotas_add_up_to_the_size_unless_everything_is_full(places: Places, place: Place) -> None:
    size, slots, have, full = places

    given = sum(quotas(size, slots, place, have, full))

    assert given == size or (all(full) and given == min(size, sum(have)))


@given(places(), kinds)
def test_a_full_slot_never_gets_more_than_it_has(places: Places, place: Place) -> None:
    size, slots, have, full = places

    shares = quotas(size, slots, place, have, full)

    assert [] == [n for n in range(len(slots)) if full[n] and shares[n] > have[n]]


@given(places())
def test_zones_of_a_placement_differ_by_at_most_one_unless_full(places: Places) -> None:
    size, slots, have, _ = places

    shares = quotas(size, slots, Place.SPREAD, have, [False] * len(slots))

    uneven = [
        placement
        for placement in {one.placement for one in slots}
        if max(of := [n for n, one in zip(shares, slots, strict=True) if one.placement == placement]) - min(of) > 1
    ]
    assert [] == uneven


@given(places(), kinds)
def test_quotas_that_are_held_stay_the_same(places: Places, place: Place) -> None:
    size, slots, have, full = places
    shares = quotas(size, slots, place, have, full)

    assert shares == quotas(size, slots, place, shares, full)


@given(places(), st.sampled_from([Place.ORDERED, Place.CHEAPEST]))
def test_ranks_take_nothing_away_while_the_size_is_not_reached(places: Places, place: Place) -> None:
    size, slots, have, full = places

    shares = quotas(sum(have) + size, slots, place, have, full)

    assert [] == [n for n in range(len(slots)) if shares[n] < have[n]]
