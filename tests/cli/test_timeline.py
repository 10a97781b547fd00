"""The condensed timeline says what the steps and counts say."""

import cli_values as values
from hypothesis import given, strategies as st

from vmpattern.model import Action, Count
from vmpattern.report.timeline import timeline


def rows(count: int, *, surge: int, most: int = 12, drain_s: float = 0.0):
    fleet = values.fleet_plan(count, replace=count)
    steps = values.rolling_steps(count, surge=surge, drain_s=drain_s)
    return timeline(steps, values.counts(fleet, steps), rows=most)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 15), st.sampled_from([0.0, 7.0]))
def test_no_act_is_lost_and_counts_stay_in_bounds(count: int, surge: int, most: int, drain_s: float) -> None:
    found = rows(count, surge=surge, most=most, drain_s=drain_s)

    assert len(found) <= most + 2
    assert (count, count) == (sum(row.launch for row in found), sum(row.terminate for row in found))
    assert sum(row.drain for row in found) == (count if drain_s else 0)
    assert count == min(row.ready for row in found)
    assert max(row.total for row in found) <= count + surge
    assert (count, count) == (found[-1].ready, found[-1].total)


def test_what_never_gets_ready_is_never_counted_as_ready() -> None:
    steps = (
        values.step(Action.LAUNCH, values.ids("new", 2), 30.0, 21.0),
        values.step(Action.TERMINATE, values.ids("new", 1), 51.0, 1.0),
    )
    counts = (Count(at_s=0.0, ready=0, total=0), Count(at_s=30.0, ready=0, total=2), Count(at_s=52.0, ready=0, total=1))
    found = timeline(steps, counts, rows=12)

    assert [(0, 2), (0, 2), (0, 1)] == [(row.ready, row.total) for row in found]


def test_the_lowest_and_highest_counts_of_a_stretch_are_shown() -> None:
    steps = (values.step(Action.LAUNCH, values.ids("new", 2), 0.0, 60.0),)
    counts = tuple(
        Count(at_s=at_s, ready=ready, total=total) for at_s, ready, total in ((0.0, 4, 4), (10.0, 1, 6), (20.0, 3, 5))
    )

    assert [(1, 6), (3, 5)] == [(row.ready, row.total) for row in timeline(steps, counts, rows=12)]


def test_nothing_to_do_has_no_rows() -> None:
    assert () == timeline((), (Count(at_s=0.0, ready=6, total=6),), rows=12)


def test_instances_that_are_there_are_counted_when_they_get_ready() -> None:
    steps = (
        values.step(Action.WAIT, values.ids("old", 2), 0.0, 30.0),
        values.step(Action.REGISTER, values.ids("old", 2), 20.0, 1.0),
    )
    found = timeline(steps, values.counts(values.fleet_plan(4, keep=4, register=2, ready=2), steps), rows=12)

    assert [(2, 2), (0, 4)] == [(row.register, row.ready) for row in found]


def test_an_instance_that_drains_is_counted_out_once() -> None:
    steps = (
        values.step(Action.DRAIN, values.ids("old", 2), 0.0, 10.0),
        values.step(Action.TERMINATE, values.ids("old", 2), 10.0, 1.0),
    )
    found = timeline(steps, values.counts(values.fleet_plan(4, destroy=2, keep=4), steps), rows=12)

    assert [(4, 6), (4, 6), (4, 4)] == [(row.ready, row.total) for row in found]
