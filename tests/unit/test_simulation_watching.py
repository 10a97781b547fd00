"""The feed of changes: what lists show, without what spoils single lists, at the cost of what changed."""

import sys

import pytest
from hypothesis import given, strategies as st
from simulated import BALANCER, OURS, all_faults, capabilities, cloud, ids, request, scripts, specs, wait

from vmpattern.driver import Selector
from vmpattern.errors import Denied, DriverError, Transient, Unauthenticated
from vmpattern.model import HealthCheck, Phase
from vmpattern.simulation import EPOCH, FaultKind, Faults, SimulatedCloud, Window

OF_ALL_CALLS = {FaultKind.THROTTLE, FaultKind.ABSURD_RETRY, FaultKind.EXPIRED}
SPOILS_LISTS = {FaultKind.FAILED_PAGE, FaultKind.GARBLED, FaultKind.STALE_LIST}
OF_LISTS = {*OF_ALL_CALLS, *SPOILS_LISTS, FaultKind.UNREADABLE}
CHECK = HealthCheck()


def readable(faults: Faults) -> Faults:
    """The same faults, less those that lists and calls in general meet."""
    rates = {kind: rate for kind, rate in faults.rates.items() if kind not in OF_LISTS}
    return Faults(rates, tuple(w for w in faults.windows if w.kind not in OF_LISTS), faults.seed)


def listed(world, selector=OURS):
    return {row.id: row for row in world.instances(selector) if row.phase is not Phase.TERMINATED}


def standings(world, alive):
    return {id: standing for id, standing in world.members(BALANCER).items() if id in alive}


@given(st.lists(scripts(6), max_size=6), all_faults(), specs())
def test_following_the_changes_gives_the_list(parts, faults, spec) -> None:
    world = SimulatedCloud(spec, faults=readable(faults))
    view, probed, members, cursor = {}, {}, {}, 0
    for script in parts:
        script.play(world)
        changes = world.changes(OURS, cursor, [BALANCER])
        cursor = changes.cursor
        view.update({row.id: row for row in changes.instances})
        probed.update(changes.probed)
        members.update({row.id: changes.members[0].get(row.id) for row in changes.instances})
        alive = {id: row for id, row in view.items() if row.phase is not Phase.TERMINATED}

        assert listed(world) == alive
        assert world.probe(list(alive), CHECK) == {id: probed[id] for id in alive}
        assert standings(world, alive) == {id: members[id] for id in alive if members[id] is not None}
        assert changes.total == len(world.instances(OURS))


@given(st.lists(scripts(6), max_size=4), all_faults(), specs())
def test_nothing_changes_before_it_was_told_to(parts, faults, spec) -> None:
    world = SimulatedCloud(spec, faults=readable(faults))
    for script in parts:
        script.play(world)
        changes, due, now = world.changes(OURS, 0), world.next_at(), world.clock.now()
        if due is None:
            wait(world, 1e6)
        else:
            world.advance((now + due) / 2 if due > now + 1 else 0)

        ended = world.changes(OURS, changes.cursor).instances
        assert {Phase.TERMINATED} >= {row.phase for row in ended}


def test_each_turn_of_a_life_is_told_when_it_is_due() -> None:
    world = cloud()
    world.launch(request())
    due, told, cursor = [], [], 0
    while (following := world.next_at()) is not None:
        due.append(following - EPOCH)
        world.advance(following)
        changes = world.changes(OURS, cursor)
        cursor = changes.cursor
        told.append([row.phase for row in changes.instances])

    assert [20.0, 30.0] == due
    assert [[Phase.RUNNING], [Phase.RUNNING]] == told


def test_nobody_waits_for_the_end_of_what_is_ending() -> None:
    world = cloud()
    world.terminate(ids(world.launch(request())))

    assert world.next_at() is None
    wait(world, 20.0)
    assert [Phase.TERMINATED] == [row.phase for row in world.changes(OURS, 0).instances]


@pytest.mark.parametrize(
    ("kind", "patience_s", "told_s"),
    [
        pytest.param(None, 30.0, 30.0, id="that one runs which gets well in time isn't told"),
        pytest.param(None, 29.0, 20.0, id="that one runs which gets well too late is told"),
        pytest.param(FaultKind.SLOW_BOOT, 1e6, 200.0, id="that one runs which boots slowly is told"),
        pytest.param(FaultKind.NEVER_READY, 1e6, 20.0, id="that one runs which never gets well is told"),
    ],
)
def test_nobody_waits_for_the_beginning_of_what_gets_well_in_time(kind, patience_s, told_s) -> None:
    world = cloud(Faults({kind: 1.0} if kind else {}))
    world.launch(request())

    assert EPOCH + told_s == world.next_at(patience_s)


def test_what_began_to_run_unheard_is_told_when_it_gets_well() -> None:
    world = cloud()
    world.launch(request())
    wait(world, 25.0)

    assert EPOCH + 30.0 == world.next_at(30.0)


def test_what_is_ended_before_it_runs_is_waited_for_no_more() -> None:
    world = cloud()
    world.terminate(ids(world.launch(request())))

    assert world.next_at(30.0) is None


def test_the_end_of_draining_is_a_change() -> None:
    world = cloud()
    launched = ids(world.launch(request()))
    wait(world, 60.0)
    world.register(BALANCER, launched)
    world.deregister(BALANCER, launched)
    cursor, ends = world.changes(OURS, 0).cursor, world.next_at()
    world.advance(ends)

    assert EPOCH + 70.0 == ends
    assert launched == tuple(row.id for row in world.changes(OURS, cursor).instances)


@pytest.mark.parametrize(
    ("world", "error"),
    [
        pytest.param(cloud(Faults({FaultKind.EXPIRED: 1.0})), Unauthenticated, id="the credentials have expired"),
        pytest.param(cloud(Faults({FaultKind.UNREADABLE: 1.0})), Transient, id="nothing can be read"),
        pytest.param(cloud(denied=frozenset({"instances"})), Denied, id="lists aren't permitted"),
    ],
)
def test_changes_are_refused_where_every_list_is(world: SimulatedCloud, error: type[DriverError]) -> None:
    with pytest.raises(error):
        world.instances(OURS)

    with pytest.raises(error):
        world.changes(OURS, 0)


@pytest.mark.parametrize("kind", [FaultKind.EXPIRED, FaultKind.UNREADABLE])
def test_followers_look_when_reading_begins_and_ends_to_fail(kind: FaultKind) -> None:
    world = cloud(Faults(windows=(Window(kind, 100.0, 200.0),)))
    begins = world.next_at()
    world.advance(EPOCH + 100.0)

    assert (EPOCH + 100.0, EPOCH + 200.0) == (begins, world.next_at())


def test_an_outage_is_told_when_it_begins_and_ends() -> None:
    world = cloud(Faults(windows=(Window(FaultKind.ZONE_OUTAGE, 100.0, 200.0, "a"),)))
    world.launch(request())
    wait(world, 60.0)
    begins = world.next_at()
    world.advance(begins)

    assert (EPOCH + 100.0, EPOCH + 200.0) == (begins, world.next_at())


def test_what_vanished_is_told_as_terminated() -> None:
    world = cloud()
    launched = ids(world.launch(request()))
    before = world.changes(OURS, 0).cursor
    world.terminate(launched)
    wait(world, 1000.0)
    changes = world.changes(OURS, before)

    assert [(launched[0], Phase.TERMINATED)] == [(row.id, row.phase) for row in changes.instances]
    assert (0, {}) == (changes.total, dict(changes.probed))


def test_a_saved_world_forgets_after_a_day_what_vanished() -> None:
    world = cloud()
    world.terminate(ids(world.launch(request())))
    wait(world, 80.0 + 86400.0)
    world.to_json()

    assert () == world.changes(OURS, 0).instances


def test_changes_are_sorted_by_id_and_selected() -> None:
    world = cloud()
    world.launch(request("k1", 20))
    world.launch(request("k2", 5, fleet="db"))
    changed = [row.id for row in world.changes(Selector("shop", "web"), 0).instances]

    assert (20, sorted(changed)) == (len(changed), changed)


@pytest.mark.parametrize("kind", sorted(SPOILS_LISTS, key=str))
def test_no_fault_that_spoils_lists_touches_the_feed(kind) -> None:
    world = cloud(Faults({kind: 1.0}), can=capabilities(staleness_s=50.0))
    launched = ids(world.launch(request()))

    assert launched == tuple(row.id for row in world.changes(OURS, 0).instances)


def test_a_change_costs_as_much_in_a_large_world_as_in_a_small_one() -> None:
    """Counted in calls of the world's own functions, so that no clock is asked."""
    small, large = (_steps_of_a_life(beside) for beside in (1, 3000))

    assert large <= small


def _steps_of_a_life(beside: int) -> int:
    world = cloud()
    for number in range(-(-beside // 100)):
        world.launch(request(f"b{number}", min(beside, 100)))
    wait(world, 100.0)
    cursor, steps = world.changes(OURS, 0).cursor, 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        launched = world.launch(request("k1")).created[0].id
        for _ in range(3):
            cursor = world.changes(OURS, cursor).cursor
            world.advance(world.next_at() or 0.0)
        world.terminate([launched])
    finally:
        sys.setprofile(None)
    return steps


# -- stale lists ------------------------------------------------------------------------------------------------------


def stale(staleness_s: float = 30.0) -> SimulatedCloud:
    return cloud(Faults({FaultKind.STALE_LIST: 1.0}), can=capabilities(staleness_s=staleness_s))


def test_a_stale_list_shows_the_past_and_jumps_to_and_fro() -> None:
    world = stale()
    wait(world, 100.0)
    for number in range(30):
        world.launch(request(f"k{number}"))
        wait(world, 1.0)
    lengths = [len(world.instances(OURS)) for _ in range(40)]

    assert min(lengths) < 10
    assert max(lengths) > 20
    assert lengths != sorted(lengths)


def test_a_stale_list_is_never_older_than_declared() -> None:
    world = stale(5.0)
    world.launch(request("k1"))
    wait(world, 5.0)

    assert all(1 == len(world.instances(OURS)) for _ in range(40))


def test_without_declared_staleness_lists_are_fresh() -> None:
    world = stale(0.0)
    launched = ids(world.launch(request("k1")))

    assert launched == tuple(row.id for row in world.instances(OURS))


@given(st.lists(st.tuples(st.sampled_from(("launch", "end", "wait")), st.integers(0, 5)), max_size=20))
def test_a_stale_list_is_a_list_of_some_moment(steps) -> None:
    world, moments, launched = stale(30.0), [(EPOCH, frozenset())], []
    for number, (what, much) in enumerate(steps):
        if what == "launch":
            launched += ids(world.launch(request(f"k{number}", much + 1)))
        elif what == "end":
            world.terminate(launched[:much])
        else:
            for _ in range(much * 4):
                wait(world, 1.0)
                moments.append((world.clock.now(), _fresh(world)))
        moments.append((world.clock.now(), _fresh(world)))
        shown = frozenset((row.id, row.phase) for row in world.instances(OURS))
        recent = [seen for at, seen in moments if at >= world.clock.now() - 31.0]

        assert shown in recent


def _fresh(world):
    return frozenset((row.id, row.phase) for row in world.changes(OURS, 0).instances if row.id in world._world.vms)
