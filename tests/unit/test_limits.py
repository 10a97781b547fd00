import attrs
import pytest
from hypothesis import given, strategies as st
from situations import fleet

from vmpattern.model import Fleet, Rollout, Share
from vmpattern.planner import Limits, limits

shares = st.builds(Share, st.integers(0, 200), percent=st.booleans())
policies = st.tuples(shares, shares).filter(lambda both: both[0].number or both[1].number)
fleets = st.builds(
    lambda size, policy: fleet(size, surge=policy[0], unavailable=policy[1]), st.integers(0, 500), policies
)


@pytest.mark.parametrize(
    ("most", "least", "asked"),
    [
        pytest.param(7, 6, fleet(6), id="one more by default"),
        pytest.param(
            8,
            5,
            fleet(6, surge=Share(25, percent=True), unavailable=Share(25, percent=True)),
            id="surge rounds up and unavailable rounds down",
        ),
        pytest.param(6, 4, fleet(6, surge=0, unavailable=2), id="no surge at all"),
        pytest.param(
            1,
            0,
            fleet(1, surge=0, unavailable=Share(25, percent=True)),
            id="one may be missing where both round to none",
        ),
        pytest.param(2, 0, fleet(2, surge=0, unavailable=9), id="no less than none are ready"),
        pytest.param(1, 0, fleet(0), id="a fleet of none may be surged over"),
    ],
)
def test_live_instances_stay_between(most: int, least: int, asked: Fleet) -> None:
    resolved = limits(asked)

    assert (most, least) == (resolved.most, resolved.least)


@given(fleets)
def test_something_can_always_be_replaced(asked: Fleet) -> None:
    resolved = limits(asked)

    assert resolved.most > resolved.least or asked.size == 0


@given(fleets)
def test_the_size_lies_between_the_limits(asked: Fleet) -> None:
    resolved = limits(asked)

    assert resolved.least <= resolved.size <= resolved.most


@pytest.mark.parametrize(
    ("failures", "size", "share"),
    [
        pytest.param(1, 3, None, id="one in a small fleet"),
        pytest.param(2, 11, None, id="a tenth, rounded up, in a larger one"),
        pytest.param(100, 1000, None, id="a tenth of a thousand"),
        pytest.param(3, 1000, Share(3), id="the number that was written"),
        pytest.param(0, 10, Share(0), id="none where none was written"),
    ],
)
def test_a_rollout_stops_after_so_many_failures(failures: int, size: int, share: Share | None) -> None:
    assert failures == limits(fleet(size, rollout=Rollout(max_failures=share))).failures


@pytest.mark.parametrize(
    ("blast", "size", "share"),
    [
        pytest.param(5, 3, None, id="five in a small fleet"),
        pytest.param(6, 26, None, id="a fifth, rounded up, in a larger one"),
        pytest.param(2, 26, Share(2), id="the number that was written"),
        pytest.param(13, 26, Share(50, percent=True), id="the share that was written"),
    ],
)
def test_healing_ends_so_many_in_a_window(blast: int, size: int, share: Share | None) -> None:
    assert blast == limits(fleet(size, rollout=Rollout(blast_budget=share))).blast


def test_every_limit_of_the_default_policy_is_this() -> None:
    expected = Limits(size=10, most=11, least=10, failures=1, blast=5)

    assert expected == limits(attrs.evolve(fleet(10), rollout=Rollout()))
