import ast
import inspect
import math
import textwrap
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given, strategies as st
from situations import NOW, instance

from vmpattern.model import Breakdown, Health, Membership, Phase, Rollout
from vmpattern.planner import Row, State, classify
from vmpattern.planner.rows import Terms, _failure, _unserved, due

TERMS = Terms(
    rollout=Rollout(min_ready_s=30.0, launch_deadline_s=300.0, ready_deadline_s=900.0, drain_s=300.0), patience_s=15.0
)


def row(
    *,
    phase: Phase = Phase.RUNNING,
    launched_at: float = NOW - 100.0,
    kept_until: float | None = None,
    breakdown: Breakdown | None = None,
    **facts: object,
) -> Row:
    """Return a row that was launched and seen a hundred seconds ago and of which nothing else is known."""
    seen_at = {"known_at": NOW - 100.0}
    known = {"slot": 0, "dated": True, "ours": False, "named": False, "served": False, **seen_at, **facts}
    seen = instance("i-1", phase=phase, launched_at=launched_at, kept_until=kept_until)
    one = attrs.evolve(seen, breakdown=breakdown)
    return Row(instance=one, **known)  # type: ignore[arg-type]


def healthy(seconds: float, **facts: object) -> Row:
    return row(healthy_at=NOW - seconds, was_healthy=True, health=Health.HEALTHY, **facts)  # type: ignore[arg-type]


def ill(seconds: float, **facts: object) -> Row:
    return row(unhealthy_at=NOW - seconds, was_healthy=True, health=Health.UNHEALTHY, **facts)  # type: ignore[arg-type]


CASES = [
    pytest.param(State.ENDING, "its termination was accepted", row(ending=True), id="an accepted termination"),
    pytest.param(State.LEAVING, "its termination was sent", row(ending_sent=True), id="a termination on its way"),
    pytest.param(State.KEPT, "it failed and is kept for inspection", row(kept_until=NOW + 1.0), id="a kept failure"),
    pytest.param(State.LEAVING, "its balancer lets go of it", row(draining_at=NOW), id="a draining member"),
    pytest.param(
        State.BROKEN,
        "the VM never came up",
        row(phase=Phase.STOPPED, breakdown=Breakdown(message="no")),
        id="a VM that never came up",
    ),
    pytest.param(State.BROKEN, "the VM stopped by itself", row(phase=Phase.STOPPED), id="a VM that stopped"),
    pytest.param(State.BROKEN, "it failed, and its time is over", row(kept_until=NOW), id="a failure kept long enough"),
    pytest.param(State.BROKEN, "it was healthy and is not any more", ill(15.0), id="illness beyond patience"),
    pytest.param(
        State.BROKEN,
        "its deadline is over",
        row(phase=Phase.PENDING, known_at=NOW - 300.0),
        id="a boot beyond its deadline",
    ),
    pytest.param(
        State.BROKEN,
        "its deadline is over",
        row(health=Health.UNHEALTHY, known_at=NOW - 900.0),
        id="bad answers beyond the deadline of readiness",
    ),
    pytest.param(
        State.BROKEN,
        "its balancer finds it unhealthy for too long",
        healthy(900.0, served=True, membership=Membership.UNHEALTHY, shunned_at=NOW - 900.0),
        id="a member that its balancer shuns beyond the deadline of readiness",
    ),
    pytest.param(State.AILING, "the last list didn't show it", row(missing=True), id="a row that a list lacks"),
    pytest.param(
        State.STARTING,
        "only its launch's answer has told of it",
        healthy(30.0, listed=False),
        id="a row that no list has shown yet",
    ),
    pytest.param(State.READY, "healthy for min_ready", healthy(30.0), id="health for min_ready"),
    pytest.param(
        State.READY,
        "healthy for min_ready",
        healthy(30.0, served=True, membership=Membership.HEALTHY),
        id="health for min_ready behind a balancer",
    ),
    pytest.param(
        State.PROVING, "healthy when first seen", healthy(1.0, found_healthy=True), id="health when first seen"
    ),
    pytest.param(
        State.JOINING,
        "healthy, not yet behind its balancer",
        healthy(30.0, served=True),
        id="health for min_ready without its balancer",
    ),
    pytest.param(
        State.JOINING,
        "healthy, its balancer can't be read",
        healthy(30.0, served=True, membership=Membership.UNKNOWN),
        id="health while its balancer can't be read",
    ),
    pytest.param(
        State.AILING,
        "its balancer finds it unhealthy",
        healthy(30.0, served=True, membership=Membership.UNHEALTHY, was_served=True),
        id="a member that its balancer shuns, and didn't before",
    ),
    pytest.param(State.AILING, "it answers badly", ill(1.0), id="illness within patience"),
    pytest.param(
        State.SILENT, "its health was never known", row(unknown_at=NOW - 900.0), id="health that was never known"
    ),
    pytest.param(
        State.SILENT,
        "its health isn't known any more",
        row(unknown_at=NOW - 900.0, was_healthy=True),
        id="health that isn't known any more",
    ),
    pytest.param(State.STARTING, "nothing is known against it", row(), id="nothing known"),
]


@pytest.mark.parametrize(("state", "reason", "row"), CASES)
def test_a_rule_decides_on(state: State, reason: str, row: Row) -> None:
    assert (state, reason) == classify(row, TERMS, NOW)


def returned_texts(function: Callable[..., object]) -> set[str]:
    """Return every text that stands in a return statement of the function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    returns = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
    parts = [part for value in returns for part in ast.walk(value)]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def test_every_rule_has_a_case_above() -> None:
    told = {str(case.values[1]) for case in CASES}

    assert returned_texts(classify) | returned_texts(_unserved) | returned_texts(_failure) == told


@pytest.mark.parametrize(
    ("state", "row"),
    [
        pytest.param(State.ENDING, row(ending=True, kept_until=NOW + 9.0), id="what ends isn't kept any more"),
        pytest.param(State.LEAVING, row(ending_sent=True, kept_until=NOW + 9.0), id="what is being ended isn't kept"),
        pytest.param(State.KEPT, row(phase=Phase.STOPPED, kept_until=NOW + 9.0), id="a kept failure may have stopped"),
        pytest.param(State.KEPT, row(draining_at=NOW, kept_until=NOW + 9.0), id="a kept failure doesn't drain"),
        pytest.param(State.LEAVING, row(draining_at=NOW, phase=Phase.STOPPED), id="what drains may stop"),
        pytest.param(State.LEAVING, ill(99.0, draining_at=NOW), id="what drains may fall ill"),
        pytest.param(State.BROKEN, healthy(99.0, kept_until=NOW), id="what was kept never gets ready again"),
        pytest.param(State.BROKEN, ill(99.0, missing=True), id="what is ill is broken though a list lacks it"),
        pytest.param(State.AILING, healthy(99.0, missing=True), id="what a list lacks isn't ready"),
        pytest.param(State.READY, healthy(30.0, found_healthy=True), id="what has proven itself isn't proving"),
        pytest.param(State.STARTING, healthy(29.0), id="what was just healthy hasn't proven itself"),
        pytest.param(
            State.JOINING,
            healthy(99.0, served=True, found_healthy=True, membership=Membership.UNHEALTHY),
            id="what the balancer calls unhealthy isn't ready",
        ),
        pytest.param(
            State.JOINING,
            healthy(1.0, served=True, found_healthy=True),
            id="what was healthy when first seen isn't ready without its balancer",
        ),
        pytest.param(State.STARTING, healthy(1.0, served=True), id="what was just healthy doesn't join yet"),
        pytest.param(
            State.STARTING, row(health=Health.UNHEALTHY, launched_at=NOW - 899.0), id="bad answers are no news at first"
        ),
        pytest.param(State.STARTING, row(launched_at=NOW - 9e9), id="silence alone condemns nobody"),
        pytest.param(
            State.STARTING, row(phase=Phase.PENDING, launched_at=NOW - 299.0), id="a boot may take until its deadline"
        ),
    ],
)
def test_the_first_rule_wins(state: State, row: Row) -> None:
    assert state is classify(row, TERMS, NOW)[0]


def test_a_fleet_of_none_keeps_no_failures() -> None:
    unwanted = attrs.evolve(TERMS, wanted=False)

    assert State.BROKEN is classify(row(kept_until=NOW + 9.0), unwanted, NOW)[0]


def test_every_state_has_a_word() -> None:
    assert [] == [state for state in State if not state.word]


@pytest.mark.parametrize(
    ("count", "row"),
    [
        pytest.param(0, row(), id="nobody"),
        pytest.param(1, row(provider=Health.UNHEALTHY), id="the provider"),
        pytest.param(1, row(probed=Health.UNHEALTHY), id="the health check"),
        pytest.param(1, row(membership=Membership.UNHEALTHY), id="the balancer"),
        pytest.param(
            3,
            row(provider=Health.UNHEALTHY, probed=Health.UNHEALTHY, membership=Membership.UNHEALTHY),
            id="all three",
        ),
        pytest.param(0, row(membership=Membership.DRAINING, probed=Health.UNKNOWN), id="silence and draining are none"),
    ],
)
def test_witnesses_are_counted(count: int, row: Row) -> None:
    assert count == row.witnesses


# -- when the passing of time changes something

moments = st.integers(-1000, 1000).map(lambda seconds: NOW + seconds)
maybe = st.none() | moments
rows = st.builds(
    row,
    phase=st.sampled_from([Phase.PENDING, Phase.RUNNING, Phase.STOPPED]),
    launched_at=moments,
    kept_until=maybe,
    served=st.booleans(),
    ending=st.booleans(),
    ending_sent=st.booleans(),
    missing=st.booleans(),
    found_healthy=st.booleans(),
    was_healthy=st.booleans(),
    healthy_at=maybe,
    unhealthy_at=maybe,
    draining_at=maybe,
    health=st.sampled_from(Health),
    membership=st.sampled_from(Membership),
)
terms = st.builds(
    Terms,
    rollout=st.builds(
        Rollout,
        min_ready_s=st.integers(0, 300),
        launch_deadline_s=st.integers(1, 300),
        ready_deadline_s=st.integers(1, 900),
        drain_s=st.integers(0, 300),
    ),
    patience_s=st.integers(1, 60),
    wanted=st.booleans(),
)


@given(rows, terms, st.integers(0, 2000))
def test_no_state_changes_before_it_is_due(row: Row, terms: Terms, seconds: int) -> None:
    before = min(NOW + seconds, math.nextafter(due(row, terms, NOW), -math.inf))

    assert classify(row, terms, NOW)[0] is classify(row, terms, before)[0]


@pytest.mark.parametrize(
    ("state", "age_s", "known_s", "ours"),
    [
        pytest.param(State.STARTING, 0.0, 310.0 - 20.0, True, id="launched here, by a clock that is 310 s ahead"),
        pytest.param(State.BROKEN, -310.0, 300.0, True, id="launched here, by a clock that is behind"),
        pytest.param(State.STARTING, 320.0, 10.0, False, id="just seen, by a clock that is 310 s ahead"),
        pytest.param(State.STARTING, 1199.0, 0.0, False, id="just seen, as old as clocks may differ"),
        pytest.param(State.BROKEN, 1200.0, 0.0, False, id="just seen, older than that by its deadline"),
        pytest.param(State.BROKEN, -1e9, 300.0, False, id="launched in the future, and seen for long"),
        pytest.param(State.BROKEN, 1e9, 0.0, False, id="launched at the beginning of time"),
    ],
)
def test_a_boot_has_its_time_by_our_own_clock(state: State, age_s: float, known_s: float, ours: bool) -> None:
    one = row(phase=Phase.PENDING, launched_at=NOW - age_s, known_at=NOW - known_s, ours=ours)

    assert state is classify(one, TERMS, NOW)[0]


@given(rows, terms)
def test_what_is_due_lies_ahead(row: Row, terms: Terms) -> None:
    assert due(row, terms, NOW) > NOW


@pytest.mark.parametrize(
    ("at", "row"),
    [
        pytest.param(NOW + 29.0, healthy(1.0), id="min_ready"),
        pytest.param(NOW + 14.0, ill(1.0), id="patience"),
        pytest.param(NOW + 200.0, row(phase=Phase.PENDING), id="the deadline of the boot"),
        pytest.param(NOW + 800.0, row(), id="the deadline of readiness"),
        pytest.param(NOW + 700.0, healthy(99.0, unknown_at=NOW - 200.0), id="the end of waiting for its health"),
        pytest.param(NOW + 290.0, healthy(99.0, draining_at=NOW - 10.0), id="the end of draining"),
        pytest.param(NOW + 60.0, healthy(99.0, kept_until=NOW + 60.0), id="the end of keeping"),
        pytest.param(math.inf, row(ending=True), id="nothing once the end was accepted"),
        pytest.param(math.inf, healthy(99.0), id="nothing while all is well"),
    ],
)
def test_what_is_due_is(at: float, row: Row) -> None:
    assert at == due(row, TERMS, NOW)
