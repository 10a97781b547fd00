"""The condensed timeline says what the steps say."""

import cli_values as values
from hypothesis import given, strategies as st

from vmpattern.model import Action
from vmpattern.report.timeline import timeline


def rows(count: int, *, surge: int, most: int = 12, drain_s: float = 0.0):
    fleet = values.fleet_plan(count, replace=count)
    steps = values.rolling_steps(count, surge=surge, drain_s=drain_s)
    return timeline(fleet, steps, rows=most)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 15), st.sampled_from([0.0, 7.0]))
def test_no_act_is_lost_and_counts_stay_in_bounds(count: int, surge: int, most: int, drain_s: float) -> None:
    found = rows(count, surge=surge, most=most, drain_s=drain_s)

    assert len(found) <= most + 2
    assert (count, count) == (sum(row.launch for row in found), sum(row.terminate for row in found))
    assert sum(row.drain for row in found) == (count if drain_s else 0)
    assert count == min(row.ready for row in found)
    assert max(row.total for row in found) <= count + surge
    assert (count, count) == (found[-1].ready, found[-1].total)


def test_the_first_to_go_are_those_that_are_not_ready() -> None:
    fleet, steps = values.fleet_plan(6, replace=6, ready=5), values.rolling_steps(6, surge=1)
    found = timeline(fleet, steps, rows=12)

    assert [5, 6] == [found[0].ready, found[1].ready]


def test_nothing_to_do_has_no_rows() -> None:
    assert () == timeline(values.fleet_plan(keep=6), (), rows=12)


def test_instances_that_are_there_are_counted_when_they_get_ready() -> None:
    steps = (
        values.step(Action.WAIT, values.ids("old", 2), 0.0, 30.0),
        values.step(Action.REGISTER, values.ids("old", 2), 20.0, 1.0),
    )
    found = timeline(values.fleet_plan(4, keep=4, register=2, ready=2), steps, rows=12)

    assert [(2, 2), (0, 4)] == [(row.register, row.ready) for row in found]


def test_an_instance_that_drains_is_counted_out_once() -> None:
    steps = (
        values.step(Action.DRAIN, values.ids("old", 2), 0.0, 10.0),
        values.step(Action.TERMINATE, values.ids("old", 2), 10.0, 1.0),
    )
    found = timeline(values.fleet_plan(4, destroy=2, keep=4), steps, rows=12)

    assert [(4, 6), (4, 6), (4, 4)] == [(row.ready, row.total) for row in found]
