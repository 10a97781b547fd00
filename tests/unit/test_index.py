import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st
from situations import CHECK, NEW, NOW, OLD, Scene, fleet, instance, slot

from vmpattern import naming
from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import (
    OUTSIDE,
    Capabilities,
    Health,
    Instance,
    InstanceId,
    LaunchKey,
    Membership,
    Phase,
    Revision,
    Rollout,
    Share,
    Standing,
)
from vmpattern.planner import FleetIndex, Row, State, classify, covers, decide

I1, I2 = InstanceId("i1"), InstanceId("i2")
STALE = Capabilities(staleness_s=10.0)
ZONES = (slot("a"), slot("b"), slot(cloud="lab", placement=1))


def index(**facts: object) -> FleetIndex:
    """Return the index of a fleet of three that nobody has been seen of."""
    return Scene(fleet(3), **facts).index  # type: ignore[arg-type]


# -- counts, against a naive recount


def counted(index: FleetIndex) -> dict[str, object]:
    """Return everything that the index counts."""
    names = (
        "live",
        "visible",
        "kept",
        "serving",
        "reported",
        "leaving",
        "have",
        "pending",
        "ready_in",
        "broken_new",
        "broken_old",
        "drained",
        "joining",
        "old_idle",
        "old_ready",
        "dated",
    )
    return {name: getattr(index, name) for name in names}


def recounted(index: FleetIndex) -> dict[str, object]:
    """Count the same from the rows, in the plainest way."""
    rows = list(index.rows.values())
    live = [row for row in rows if row.state is not State.ENDING]
    fit = [row for row in live if row.state >= State.READY]
    slots = range(len(index.slots))

    def orders(chosen: Sequence[Row]) -> list[tuple[float, str]]:
        return sorted((row.instance.launched_at, row.instance.id) for row in chosen)

    def those(chosen: Sequence[Row], *states: State) -> list[Row]:
        return [row for row in chosen if row.state in states]

    return {
        "live": len(live),
        "visible": sum(naming.id_digest(row.instance.id) for row in live) % 2**128,
        "kept": len(those(rows, State.KEPT)),
        "serving": sum(row.dated for row in those(rows, State.READY, State.PROVING)),
        "reported": len(those(rows, State.READY, State.PROVING)),
        "leaving": len(those(rows, State.LEAVING)),
        "have": [sum(row.dated and row.slot == number for row in fit) for number in slots],
        "pending": [sum(one.count for one in index.launching.values() if one.slot == number) for number in slots],
        "ready_in": {
            name: sum(row.instance.cloud == name for row in those(rows, State.READY)) for name in index.clouds
        },
        "broken_new": orders([row for row in those(rows, State.BROKEN) if row.dated]),
        "broken_old": orders([row for row in those(rows, State.BROKEN) if not row.dated]),
        "drained": orders([row for row in those(rows, State.LEAVING) if row.drained and not row.ending_sent]),
        "joining": orders([row for row in those(rows, State.JOINING) if row.dated]),
        "old_idle": orders([row for row in fit if not row.dated and row.state is not State.READY]),
        "old_ready": orders([row for row in fit if not row.dated and row.state is State.READY]),
        "dated": [orders([row for row in fit if row.dated and row.slot == number]) for number in slots],
    }


Act = Callable[[FleetIndex, float], object]

ids = st.sampled_from([InstanceId(f"i{number}") for number in range(5)])
seconds = st.sampled_from([0.0, 1.0, 5.0, 20.0, 100.0, 400.0])
BIRTHS = {InstanceId(f"i{number}"): NOW - number % 2 for number in range(5)}


@st.composite
def sightings(draw: st.DrawFn) -> Act:
    id = draw(ids)
    row = instance(
        id,
        revision=draw(st.sampled_from([NEW, OLD])) if id == "i0" else (NEW if id < "i3" else OLD),
        zone=draw(st.sampled_from("ab")) if id == "i0" else "ab"[len(id) % 2],
        cloud="lab" if id == "i4" else "demo",
        phase=draw(st.sampled_from(Phase)),
        health=draw(st.sampled_from(Health)),
        launched_at=BIRTHS[id],
        kept_until=draw(st.sampled_from([None, None, None, NOW + 50.0])),
    )
    probed, ours = draw(st.sampled_from(Health)), draw(st.booleans())
    standing = draw(
        st.builds(Standing, st.sampled_from(Membership), st.sampled_from(("", "it times out", "it refuses")))
    )
    return lambda index, now: index.see(row, now, probed=probed, standing=standing, ours=ours)


@st.composite
def facts(draw: st.DrawFn) -> Act:
    """Draw what the reconciler enters itself."""
    some = draw(st.lists(ids, max_size=3, unique=True))
    known = draw(
        st.sampled_from(
            [
                {"ending_sent": True},
                {"ending_sent": False},
                {"ending": True},
                {"draining_at": NOW, "approved": True},
                {"draining_at": None, "approved": False},
                {"register_sent": True},
                {"keep_sent": True},
            ]
        )
    )
    return lambda index, now: index.update(some, now, **known)  # type: ignore[arg-type]


keys = st.sampled_from([LaunchKey("k1"), LaunchKey("k2")])
acts = st.one_of(
    sightings(),
    sightings(),
    facts(),
    st.builds(lambda id: lambda index, now: index.forget(id), ids),
    st.builds(lambda id: lambda index, now: index.keep(id, now + 60.0, now), ids),
    st.builds(lambda shown: lambda index, now: index.miss("demo", set(shown), now, now), st.lists(ids)),
    st.builds(lambda key: lambda index, now: key in index.launching or index.launch_sent(key, 1, 2), keys),
    st.builds(lambda key: lambda index, now: index.launch_ended(key), keys),
)
histories = st.lists(st.tuples(seconds, acts), max_size=12)


def deafened(index: FleetIndex) -> FleetIndex:
    """Let an index see everything but the reasons of balancers."""
    see = index.see

    def without_reason(instance: Instance, now: float, *, standing: Standing = OUTSIDE, **facts: Any) -> object:
        return see(instance, now, standing=Standing(standing.membership), **facts)

    index.see = without_reason  # type: ignore[assignment,method-assign]
    return index


def played(
    history: Sequence[tuple[float, Act]], *, balanced: bool = False, deaf: bool = False
) -> tuple[FleetIndex, float]:
    """Play a history; return the index and the moment at its end."""
    wanted = fleet(3, clouds=("demo", "lab"), balanced=balanced, rollout=Rollout(drain_s=50.0))
    index, now = Scene(wanted, slots=ZONES, capabilities=STALE, named=["i3"]).index, NOW
    index = deafened(index) if deaf else index
    for pause, act in history:
        now += pause
        index.advance(now)
        act(index, now)
    for cloud in index.clouds.values():
        cloud.fresh_until = now
    return index, now


@given(histories, st.booleans())
def test_every_count_is_what_a_recount_gives(history: Sequence[tuple[float, Act]], balanced: bool) -> None:
    index, _ = played(history, balanced=balanced)

    assert recounted(index) == counted(index)


@given(histories, st.booleans())
def test_every_row_is_in_the_state_that_the_table_says(history: Sequence[tuple[float, Act]], balanced: bool) -> None:
    index, now = played(history, balanced=balanced)

    assert {id: classify(row, index.terms, now)[0] for id, row in index.rows.items()} == {
        id: row.state for id, row in index.rows.items()
    }


@given(histories, st.booleans())
def test_a_decision_is_what_an_index_built_anew_gives(history: Sequence[tuple[float, Act]], balanced: bool) -> None:
    index, now = played(history, balanced=balanced)

    assert decide(index.fleet, index.rebuilt(now), now) == decide(index.fleet, index, now)


@given(histories, st.booleans())
def test_the_reasons_of_balancers_decide_nothing(history: Sequence[tuple[float, Act]], balanced: bool) -> None:
    (heard, now), (deaf, _) = (played(history, balanced=balanced, deaf=deaf) for deaf in (False, True))

    assert (decide(deaf.fleet, deaf, now), deaf.version) == (decide(heard.fleet, heard, now), heard.version)


@given(histories)
def test_nothing_is_overdue_after_the_index_was_advanced(history: Sequence[tuple[float, Act]]) -> None:
    index, now = played(history)

    assert index.next_due() > now


@given(st.permutations(range(4)))
def test_a_decision_is_blind_to_the_order_of_arrival(order: list[int]) -> None:
    def decided(numbers: Sequence[int]) -> object:
        scene = Scene(fleet(3), slots=ZONES, clouds={"demo": STALE, "lab": STALE})
        for number in numbers:
            scene.ready(f"i{number}", revision=OLD, launched_at=NOW - 1000.0 - number % 2)
        return scene.decide()

    assert decided(range(4)) == decided(order)


# -- seeing


def test_a_terminated_instance_never_enters() -> None:
    here = index()

    here.see(instance("i1", phase=Phase.TERMINATED), NOW)

    assert {} == here.rows


def test_a_terminated_instance_leaves() -> None:
    here = Scene(fleet(3)).ready("i1").index

    here.see(instance("i1", phase=Phase.TERMINATED), NOW)

    assert {} == here.rows


def test_an_older_list_never_revives_what_is_ending() -> None:
    here = index()
    here.see(instance("i1", phase=Phase.TERMINATING), NOW)

    here.see(instance("i1", phase=Phase.RUNNING), NOW + 1.0, probed=Health.HEALTHY)

    assert State.ENDING is here.rows[I1].state


def test_the_moment_of_launch_stays_as_first_seen() -> None:
    here = Scene(fleet(3)).ready("i1").index
    first = here.rows[I1].instance.launched_at

    here.see(instance("i1", launched_at=first + 60.0), NOW)

    assert first == here.rows[I1].instance.launched_at


def test_seeing_the_same_again_is_no_change() -> None:
    here = index()
    here.see(instance("i1"), NOW, probed=Health.HEALTHY)

    assert [] == here.see(instance("i1"), NOW + 1.0, probed=Health.HEALTHY)


def test_health_must_be_continuous() -> None:
    here = index()
    for at, word in ((0.0, Health.HEALTHY), (20.0, Health.UNHEALTHY), (25.0, Health.HEALTHY)):
        here.see(instance("i1"), NOW + at, probed=word, ours=True)

    here.advance(NOW + 54.0)

    assert State.STARTING is here.rows[I1].state


def test_no_answer_interrupts_health_as_a_bad_one_does() -> None:
    here = index()
    for at, word in ((0.0, Health.HEALTHY), (20.0, Health.UNKNOWN), (25.0, Health.HEALTHY)):
        here.see(instance("i1"), NOW + at, probed=word, ours=True)

    here.advance(NOW + 54.0)

    assert State.STARTING is here.rows[I1].state


def test_who_gives_no_answer_any_more_is_not_ready() -> None:
    here = index()
    here.see(instance("i1"), NOW, probed=Health.HEALTHY, ours=True)
    here.advance(NOW + 30.0)

    here.see(instance("i1"), NOW + 40.0, probed=Health.UNKNOWN, ours=True)

    assert State.STARTING is here.rows[I1].state


def test_the_answer_of_a_launch_says_nothing_of_health() -> None:
    here = index()
    here.see(instance("i1"), NOW, probed=Health.HEALTHY, ours=True, listed=False)

    assert here.rows[I1].healthy_at is None


def test_what_runs_by_its_launch_alone_is_not_well_before_a_list_says_so() -> None:
    here = index(capabilities=Capabilities(native_health=False))
    here.check = None
    here.see(instance("i1"), NOW, ours=True, listed=False)
    here.see(instance("i1", phase=Phase.PENDING), NOW + 1.0, ours=True)
    older = here.rows[I1].healthy_at
    here.see(instance("i1"), NOW + 3.0, ours=True)

    assert (None, NOW + 3.0) == (older, here.rows[I1].healthy_at)


def test_the_time_to_drain_begins_when_the_balancer_has_answered() -> None:
    here = Scene(fleet(2, balanced=True)).index
    here.see(instance("i1"), NOW, standing=Standing(Membership.HEALTHY))
    here.update((I1,), NOW, draining_at=NOW, drain_sent=True)
    here.advance(NOW + 1000.0)
    waited = here.rows[I1].drained
    here.update((I1,), NOW + 1000.0, draining_at=NOW + 1000.0, drain_sent=False)
    here.advance(NOW + 1300.0)

    assert (False, True) == (waited, here.rows[I1].drained)


@pytest.mark.parametrize(
    ("state", "ours", "age_s"),
    [
        pytest.param(State.PROVING, False, 31.0, id="is taken for ready if it could have proven itself"),
        pytest.param(State.STARTING, False, 29.0, id="isn't if it is too young"),
        pytest.param(State.STARTING, True, 31.0, id="isn't if it was launched under this plan"),
    ],
)
def test_what_is_healthy_when_first_seen(state: State, ours: bool, age_s: float) -> None:
    here = index()

    here.see(instance("i1", launched_at=NOW - age_s), NOW, probed=Health.HEALTHY, ours=ours)

    assert state is here.rows[I1].state


@pytest.mark.parametrize(
    ("state", "native", "health"),
    [
        pytest.param(State.PROVING, True, Health.HEALTHY, id="the provider's word"),
        pytest.param(State.STARTING, True, Health.UNKNOWN, id="nothing while the provider says nothing"),
        pytest.param(State.PROVING, False, Health.UNKNOWN, id="running, where the provider knows no health"),
    ],
)
def test_without_a_health_check_what_counts_is(state: State, native: bool, health: Health) -> None:
    here = FleetIndex(
        deployment="shop",
        fleet=fleet(3),
        slots=[slot()],
        clouds={"demo": Capabilities(native_health=native)},
        check=None,
        now=NOW,
    )

    here.see(instance("i1", health=health), NOW)

    assert state is here.rows[I1].state


@pytest.mark.parametrize(
    ("number", "seen"),
    [
        pytest.param(0, instance("i1"), id="its zone's slot"),
        pytest.param(1, instance("i1", zone="b"), id="another zone's slot"),
        pytest.param(2, instance("i1", cloud="lab"), id="another cloud's slot"),
        pytest.param(-1, instance("i1", revision=OLD), id="none with another revision"),
        pytest.param(-1, instance("i1", zone="c"), id="none in a zone without a slot"),
        pytest.param(-1, instance("i1", machine_type="large"), id="none with a type that isn't admitted"),
    ],
)
def test_an_instance_is_in_date_in(number: int, seen: Instance) -> None:
    here = index(slots=ZONES, clouds={"demo": STALE, "lab": STALE})

    assert number == here.places.slot_of(seen)


# -- being missed


def missed(here: FleetIndex, *asked: float) -> FleetIndex:
    """Let complete lists that show nobody be asked for, so many seconds after NOW each."""
    for at in asked:
        here.miss("demo", set(), NOW + at, NOW + at)
    return here


def scene_with_one(capabilities: Capabilities = STALE) -> FleetIndex:
    here = index(capabilities=capabilities)
    here.see(instance("i1"), NOW, probed=Health.HEALTHY)
    return here


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        pytest.param(State.PROVING, [9.0], id="isn't missing while the list may be older than it"),
        pytest.param(State.AILING, [10.0], id="is missing when a list must show it"),
        pytest.param(State.AILING, [10.0, 19.0], id="isn't gone while two lists may show the same past"),
        pytest.param(State.AILING, [10.0, 10.0], id="isn't gone by the same list twice"),
        pytest.param(None, [10.0, 20.0], id="is gone when two lists far enough apart don't show it"),
    ],
)
def test_an_instance_that_lists_do_not_show(state: State | None, asked: list[float]) -> None:
    here = missed(scene_with_one(), *asked)

    assert state is (here.rows[I1].state if here.rows else None)


def test_an_instance_that_comes_back_is_not_missing() -> None:
    here = missed(scene_with_one(), 10.0)

    here.see(instance("i1"), NOW + 12.0, probed=Health.HEALTHY)

    assert not here.rows[I1].missing


def test_an_instance_that_came_back_is_not_gone_at_the_next_bad_list() -> None:
    here = missed(scene_with_one(), 10.0)
    here.see(instance("i1"), NOW + 12.0, probed=Health.HEALTHY)

    missed(here, 25.0)

    assert [I1] == list(here.rows)


def test_one_empty_list_of_a_cloud_that_is_never_stale_loses_nobody() -> None:
    here = missed(scene_with_one(Capabilities(staleness_s=0.0)), 1.0)

    assert [I1] == list(here.rows)


def test_a_list_of_one_cloud_says_nothing_of_another() -> None:
    here = index(slots=ZONES, clouds={"demo": STALE, "lab": STALE})
    here.see(instance("i1", cloud="lab"), NOW)

    missed(here, 10.0, 30.0)

    assert [I1] == list(here.rows)


def test_an_instance_that_is_gone_is_told_as_a_change_to_nothing() -> None:
    changes = missed(scene_with_one(), 10.0).miss("demo", set(), NOW + 20.0, NOW + 20.0)

    assert [(State.AILING, None)] == [(change.before, change.after) for change in changes]


# -- failures


def fail(here: FleetIndex, *, ours: bool, revision: Revision = NEW) -> FleetIndex:
    """Let an instance be healthy, ill for long, healthy and ill for long again."""
    for at, word in enumerate((Health.HEALTHY, Health.UNHEALTHY, Health.HEALTHY, Health.UNHEALTHY)):
        here.see(instance("i1", revision=revision), NOW + at * 100.0, probed=word, ours=ours)
        here.advance(NOW + at * 100.0 + 50.0)
    return here


@pytest.mark.parametrize(
    ("failures", "ours", "revision"),
    [
        pytest.param(1, True, NEW, id="once, though an instance may fail twice"),
        pytest.param(0, False, NEW, id="not where this plan didn't launch it"),
        pytest.param(0, True, OLD, id="not where it is out of date"),
    ],
)
def test_a_failure_counts(failures: int, ours: bool, revision: Revision) -> None:
    assert failures == fail(index(), ours=ours, revision=revision).failures


def test_progress_is_an_instance_of_this_plan_that_became_ready() -> None:
    here = index()
    here.see(instance("i1"), NOW, probed=Health.HEALTHY, ours=True)

    here.advance(NOW + 30.0)

    assert NOW + 30.0 == here.progress_at


def test_an_old_instance_that_proves_itself_is_no_progress() -> None:
    here = index()
    here.see(instance("i1"), NOW + 1.0, probed=Health.HEALTHY)

    here.advance(NOW + 31.0)

    assert here.progress_at == NOW


# -- the envelope


@pytest.mark.parametrize(
    ("terminable", "scene"),
    [
        pytest.param(False, Scene(fleet(3)).ready("i1"), id="a healthy instance in date is outside"),
        pytest.param(True, Scene(fleet(3), named=["i1"]).ready("i1"), id="what the plan names is inside"),
        pytest.param(True, Scene(fleet(3), named=None).ready("i1"), id="everything is inside where a plan is made"),
        pytest.param(True, Scene(fleet(3)).ready("i1", ours=True), id="what this plan launched is inside"),
        pytest.param(True, Scene(fleet(3)).draining("i1"), id="what was drained with reason is inside"),
        pytest.param(False, Scene(fleet(3)).sick("i1", witnesses=1), id="one witness isn't enough"),
        pytest.param(True, Scene(fleet(3)).sick("i1", witnesses=2), id="two witnesses are enough"),
    ],
)
def test_of_the_envelope(terminable: bool, scene: Scene) -> None:
    assert terminable is scene.index.is_terminable(scene.index.rows[I1])


def test_two_witnesses_condemn_nobody_before_patience_is_over() -> None:
    here = Scene(fleet(3)).ready("i1").index

    here.see(instance("i1", health=Health.UNHEALTHY), NOW, probed=Health.UNHEALTHY)

    assert not here.is_terminable(here.rows[I1])


# -- the blast ledger


@pytest.mark.parametrize(
    ("left", "at"),
    [
        pytest.param(5, NOW - 1.0, id="all before anything"),
        pytest.param(2, NOW + 599.0, id="less while the window holds them"),
        pytest.param(5, NOW + 600.0, id="all when the window has passed"),
    ],
)
def test_of_the_blast_budget_is_left(left: int, at: float) -> None:
    here = index()
    if at >= NOW:
        here.destroyed(3, NOW)

    assert left == here.blast_left(at)


def test_the_blast_budget_frees_when_the_oldest_leaves_the_window() -> None:
    here = index()
    here.destroyed(1, NOW)
    here.destroyed(1, NOW + 100.0)

    assert NOW + 600.0 == here.blast_frees_at(NOW + 200.0)


def test_the_blast_budget_of_an_empty_window_frees_never() -> None:
    assert math.inf == index().blast_frees_at(NOW)


# -- launches, keys and blocks


def test_a_launch_counts_in_full_until_it_is_answered() -> None:
    here = Scene(fleet(3)).ready("i1").index

    here.launch_sent(LaunchKey("k1"), 0, 2)

    assert 3 == here.total


def sight(index: FleetIndex, id: str, **facts: Any) -> None:
    index.see(instance(id, key=LaunchKey("k1"), **facts), NOW, ours=True)


@pytest.mark.parametrize(
    ("after", "existing"),
    [
        pytest.param(lambda index: None, 3, id="as long as there is no answer"),
        pytest.param(lambda index: index.launch_ended(LaunchKey("k1")), 2, id="once the launch is over"),
        pytest.param(lambda index: index.forget(I1), 3, id="when it is gone again"),
        pytest.param(lambda index: index.update((I1,), NOW, ending=True), 3, id="when it is terminated again"),
    ],
)
def test_what_is_listed_before_its_launch_is_answered_is_reported_once(
    after: Callable[[FleetIndex], object], existing: int
) -> None:
    here = Scene(fleet(3)).ready("i0").index
    here.launch_sent(LaunchKey("k1"), 0, 2)
    sight(here, "i1")
    after(here)

    assert existing == here.existing


def test_a_launch_that_ended_twice_is_taken_out_once() -> None:
    here = index()
    here.launch_sent(LaunchKey("k1"), 0, 2)

    for _ in range(2):
        here.launch_ended(LaunchKey("k1"))

    assert 0 == here.total


def test_who_sees_the_same_asks_under_the_same_key() -> None:
    one, other = (Scene(fleet(3)).ready(*ids).index for ids in (("i1", "i2"), ("i2", "i1")))

    assert one.next_key(0, 1, set()) == other.next_key(0, 1, set())


def test_who_sees_another_instance_asks_under_another_key() -> None:
    one, other = (Scene(fleet(3)).ready(*ids).index for ids in (("i1",), ("i2",)))

    assert one.next_key(0, 1, set()) != other.next_key(0, 1, set())


def used(here: FleetIndex, key: LaunchKey, how: str) -> set[LaunchKey]:
    if how != "taken":
        here.launch_sent(key, 0, 1)
    if how == "spent":
        here.launch_ended(key, spent=True)
    return {key} if how == "taken" else set()


@pytest.mark.parametrize("how", ["in flight", "spent", "taken"])
def test_a_key_is_not_used_again_when_it_is(how: str) -> None:
    here = index()
    first = here.next_key(0, 1, set())

    assert first != here.next_key(0, 1, used(here, first, how))


def test_the_key_of_an_instance_that_is_gone_is_not_used_again() -> None:
    here = index()
    first = here.next_key(0, 1, set())
    here.see(attrs.evolve(instance("i1"), key=first), 0.0)
    here.forget(InstanceId("i1"))

    assert first != here.next_key(0, 1, set())


def test_a_key_that_failed_is_used_again() -> None:
    here = index()
    first = here.next_key(0, 1, set())
    here.launch_sent(first, 0, 1)
    here.launch_ended(first)

    assert first == here.next_key(0, 1, set())


@pytest.mark.parametrize(
    ("covered", "scope"),
    [
        pytest.param(True, Scope(ScopeKind.CLOUD), id="its cloud"),
        pytest.param(True, Scope(ScopeKind.REGION), id="its region"),
        pytest.param(True, Scope(ScopeKind.ACCOUNT), id="its account"),
        pytest.param(True, Scope(ScopeKind.ZONE, zone="a"), id="its zone"),
        pytest.param(False, Scope(ScopeKind.ZONE, zone="b"), id="another zone"),
        pytest.param(True, Scope(ScopeKind.MACHINE_TYPE, zone="a", machine_type="small"), id="its type in its zone"),
        pytest.param(True, Scope(ScopeKind.MACHINE_TYPE, machine_type="small"), id="its type in every zone"),
        pytest.param(False, Scope(ScopeKind.MACHINE_TYPE, zone="a", machine_type="large"), id="another type"),
        pytest.param(False, Scope(ScopeKind.MACHINE_TYPE, zone="b", machine_type="small"), id="its type elsewhere"),
        pytest.param(True, Scope(ScopeKind.ZONE, zone="a", market="on-demand"), id="its market"),
        pytest.param(False, Scope(ScopeKind.ZONE, zone="a", market="spot"), id="another market"),
    ],
)
def test_a_block_covers_a_slot_or_not(covered: bool, scope: Scope) -> None:
    assert covered is covers(scope, "demo", slot("a"))


def test_a_block_of_one_cloud_is_none_of_another() -> None:
    assert not covers(Scope(ScopeKind.CLOUD), "lab", slot())


@pytest.mark.parametrize(
    ("blocked", "at"),
    [
        pytest.param(True, NOW + 119.0, id="while it lasts"),
        pytest.param(False, NOW + 120.0, id="not any more when it is over"),
    ],
)
def test_a_slot_is_blocked(blocked: bool, at: float) -> None:
    here = index()
    here.block(Scope(ScopeKind.ZONE, zone="a"), "demo", NOW + 120.0)

    assert blocked is here.is_blocked(here.slots[0], at)


def test_two_clouds_may_be_blocked_in_zones_of_the_same_name() -> None:
    here = index(slots=ZONES, clouds={"demo": STALE, "lab": STALE})
    for cloud in ("demo", "lab"):
        here.block(Scope(ScopeKind.ZONE, zone="a"), cloud, NOW + 120.0)

    assert [True, False, True] == [here.is_blocked(one, NOW) for one in here.slots]


# -- how well it is known


def test_ready_instances_of_a_cloud_that_was_not_read_lately_do_not_count() -> None:
    here = Scene(fleet(3)).ready("i1", "i2").index

    assert (2, 0) == (here.ready(NOW + 15.0), here.ready(NOW + 16.0))


@pytest.mark.parametrize(
    ("may_act", "changes"),
    [
        pytest.param(True, {}, id="after enough lists, the last one young"),
        pytest.param(False, {"settled": False}, id="not before lists far enough apart were seen"),
        pytest.param(False, {"fresh_until": NOW - 1.0}, id="not when the last list is old"),
    ],
)
def test_one_may_act_in_a_cloud(may_act: bool, changes: dict[str, bool | float]) -> None:
    here = index()
    here.clouds["demo"] = attrs.evolve(here.clouds["demo"], **changes)  # type: ignore[arg-type]

    assert may_act is here.may_act("demo", NOW)


def test_patience_is_the_health_checks() -> None:
    assert CHECK.patience_s == index().terms.patience_s


def test_a_share_is_remembered_without_being_mixed_up() -> None:
    here = Scene(fleet(3, surge=Share(1)), slots=ZONES, clouds={"demo": STALE, "lab": STALE}).index

    shares = [here.shares(have, [False] * 3) for have in ([0, 0, 0], [0, 0, 3], [0, 0, 0])]

    assert shares[0] == shares[2]
