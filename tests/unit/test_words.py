import pytest
from hypothesis import given, strategies as st

from vmpattern.model import NAME_RULE, Membership, Phase, Secret, Service, Share, Standing, is_name
from vmpattern.model.service import Existing

numbers = st.integers(0, 10_000)
percents = st.builds(Share, st.integers(0, 300), percent=st.booleans())


@pytest.mark.parametrize(
    ("up", "down", "share", "size"),
    [
        pytest.param(2, 1, Share(25, percent=True), 6, id="a quarter of six lies between one and two"),
        pytest.param(3, 3, Share(50, percent=True), 6, id="a half of six needs no rounding"),
        pytest.param(1, 0, Share(1, percent=True), 1, id="the smallest share still rounds up to one"),
        pytest.param(0, 0, Share(0, percent=True), 7, id="nothing stays nothing"),
        pytest.param(9, 9, Share(9), 6, id="a number may be above the size"),
        pytest.param(12, 12, Share(200, percent=True), 6, id="a share may be above the size"),
        pytest.param(0, 0, Share(25, percent=True), 0, id="a share of nothing is nothing"),
    ],
)
def test_a_share_rounds_up_and_down(up: int, down: int, share: Share, size: int) -> None:
    assert (up, down) == (share.up(size), share.down(size))


@given(percents, numbers)
def test_rounding_up_never_gives_less_than_rounding_down(share: Share, size: int) -> None:
    assert share.up(size) - share.down(size) in (0, 1)


@given(st.integers(0, 300), numbers)
def test_rounding_up_is_the_least_number_that_is_enough(percent: int, size: int) -> None:
    up = Share(percent, percent=True).up(size)

    assert (up - 1) * 100 < percent * size <= up * 100 or up == percent * size == 0


@given(percents)
def test_a_share_is_written_as_it_is_read(share: Share) -> None:
    assert str(share) == f"{share.number}{'%' if share.percent else ''}"


def test_a_share_is_never_negative() -> None:
    with pytest.raises(ValueError, match="number must be 0 or above, not -1"):
        Share(-1)


@pytest.mark.parametrize(
    ("valid", "text"),
    [
        pytest.param(True, "a", id="one letter is a name"),
        pytest.param(True, "shop-prod-2", id="digits and dashes may follow"),
        pytest.param(True, "a" * 40, id="forty characters are a name"),
        pytest.param(False, "a" * 41, id="forty-one characters are none"),
        pytest.param(False, "", id="nothing is no name"),
        pytest.param(False, "2shop", id="a digit may not begin a name"),
        pytest.param(False, "-shop", id="a dash may not begin a name"),
        pytest.param(False, "Shop", id="capitals are refused"),
        pytest.param(False, "shop_prod", id="underscores are refused"),
        pytest.param(False, "shöp", id="letters beyond a to z are refused"),
        pytest.param(False, "shop\n", id="a line end is refused"),
    ],
)
def test_a_name_is_told_from_what_is_none(valid: bool, text: str) -> None:
    assert valid is is_name(text)


def test_a_wrong_name_is_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match=NAME_RULE):
        Service(name="Shop", image=Existing({}))


@pytest.mark.parametrize(
    ("live", "phase"),
    [
        pytest.param(True, Phase.PENDING, id="what boots counts"),
        pytest.param(True, Phase.RUNNING, id="what runs counts"),
        pytest.param(True, Phase.STOPPED, id="what stopped still costs and counts"),
        pytest.param(False, Phase.TERMINATING, id="what is ending doesn't count"),
        pytest.param(False, Phase.TERMINATED, id="what has ended doesn't count"),
    ],
)
def test_a_phase_tells_what_is_live(live: bool, phase: Phase) -> None:
    assert live is phase.is_live


def test_a_secret_shows_its_reference() -> None:
    assert "Secret(ref='env:DB')" == repr(Secret("env:DB"))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("Target.Timeout", "Target.Timeout", id="as the provider tells it"),
        pytest.param(" Request\n\n timed\tout ", "Request timed out", id="on one line"),
        pytest.param("\x1b[31mred\x07", "[31mred", id="without what a terminal acts upon"),
        pytest.param("x" * 200, "x" * 200, id="as long as it may be"),
        pytest.param("x" * 198 + " yyy", "x" * 198 + "…", id="and cut where it is longer"),
    ],
)
def test_a_reason_is(told: str, expected: str) -> None:
    assert expected == Standing(Membership.UNHEALTHY, told).reason


@given(st.text(max_size=400))
def test_a_reason_is_one_short_line_however_it_came(told: str) -> None:
    reason = Standing(Membership.UNHEALTHY, told).reason

    assert len(reason) <= 200
    assert reason.isprintable()
    assert reason == Standing(Membership.UNHEALTHY, reason).reason
