"""Draws that depend on their keys only, and faults as values."""

import pytest
from hypothesis import given, strategies as st
from simulated import request

from vmpattern.simulation import FaultKind, Faults, Window, draw, parse_rates
from vmpattern.simulation.vm import fate

PARTS = st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=4).map(tuple)


@given(st.integers(), st.lists(PARTS, max_size=8, unique_by=repr), st.randoms(use_true_random=False))
def test_draws_do_not_depend_on_their_order(seed, keys, random) -> None:
    there = {repr(parts): draw(seed, *parts) for parts in keys}
    random.shuffle(keys)

    assert there == {repr(parts): draw(seed, *parts) for parts in keys}


@given(st.integers(), PARTS)
def test_a_draw_is_a_share(seed, parts) -> None:
    assert 0.0 <= draw(seed, *parts) < 1.0


def test_draws_are_spread_evenly() -> None:
    tenths = [0] * 10
    for number in range(10_000):
        tenths[int(draw(7, "spread", number) * 10)] += 1

    assert all(900 < count < 1100 for count in tenths)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((1, "a", 1), (2, "a", 1), id="another seed"),
        pytest.param((1, "a", 1), (1, "b", 1), id="another part"),
        pytest.param((1, "a", 1), (1, "a", "1"), id="a number isn't its text"),
        pytest.param((1, "ab", "c"), (1, "a", "bc"), id="parts don't run together"),
    ],
)
def test_another_key_gives_another_draw(one, other) -> None:
    assert draw(*one) != draw(*other)


@given(st.sampled_from(FaultKind), PARTS, st.floats(0, 1e6))
def test_no_faults_never_strike(kind, parts, at_s) -> None:
    assert not Faults().strikes(kind, at_s, *parts)


@pytest.mark.parametrize("kind", FaultKind)
def test_a_rate_is_the_share_of_strikes(kind) -> None:
    faults = Faults({kind: 0.3}, seed=3)
    struck = sum(faults.strikes(kind, 0.0, "key", number) for number in range(2000))

    assert 500 < struck < 700


@pytest.mark.parametrize(
    ("at_s", "zone", "machine_type", "strikes"),
    [
        pytest.param(10.0, "a", "small", True, id="from its beginning"),
        pytest.param(9.999, "a", "small", False, id="not before"),
        pytest.param(20.0, "a", "small", False, id="not at its end"),
        pytest.param(15.0, "b", "small", False, id="not in another zone"),
        pytest.param(15.0, "a", "large", False, id="not for another machine type"),
        pytest.param(15.0, None, None, False, id="not for what has no zone"),
    ],
)
def test_a_window_strikes_in_its_time_and_place(at_s, zone, machine_type, strikes) -> None:
    faults = Faults(windows=(Window(FaultKind.STOCKOUT, 10.0, 20.0, "a", "small"),))

    assert strikes == faults.strikes(FaultKind.STOCKOUT, at_s, zone=zone, machine_type=machine_type)


def test_a_window_without_zone_strikes_everywhere() -> None:
    faults = Faults(windows=(Window(FaultKind.THROTTLE, 0.0, 20.0),))

    assert faults.strikes(FaultKind.THROTTLE, 5.0, zone="b")
    assert faults.strikes(FaultKind.THROTTLE, 5.0)


def test_the_fate_of_an_instance_depends_on_its_key_and_ordinal_only() -> None:
    faults = Faults(dict.fromkeys((FaultKind.NEVER_READY, FaultKind.DIES, FaultKind.SLOW_BOOT), 0.5))
    fates = [fate(faults, request("k1", 3), ordinal, 0.0) for ordinal in range(20)]

    assert fates == [fate(faults, request("k1", 90, zone="c"), ordinal, 500.0) for ordinal in range(20)]
    assert fates != [fate(faults, request("k2", 3), ordinal, 0.0) for ordinal in range(20)]


def test_rates_are_read_by_their_names() -> None:
    assert {FaultKind.THROTTLE: 0.1, FaultKind.DIES: 1.0} == parse_rates(["throttle=0.1", "dies-after-ready=1"])


def test_a_rate_of_zero_is_no_fault() -> None:
    assert not Faults(parse_rates(["throttle=0"]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("throtle=0.1", "did you mean throttle?", id="a slip of the pen"),
        pytest.param("gravity=0.1", "expected one of throttle, absurd-retry-after", id="an unknown name"),
        pytest.param("throttle", "expected throttle=RATE", id="no rate"),
        pytest.param("throttle=often", "expected throttle=RATE", id="no number"),
        pytest.param("throttle=1.1", "expected a number from 0 to 1", id="above one"),
        pytest.param("throttle=nan", "expected a number from 0 to 1", id="not a number"),
    ],
)
def test_a_wrong_rate_is_refused_with_what_is_right(text, told) -> None:
    with pytest.raises(ValueError, match=r"rate|fault|RATE") as caught:
        parse_rates([text])

    assert told in str(caught.value)
