"""What a launch gives: checks, room, and the rules of each kind of idempotency."""

import math

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from simulated import OURS, all_faults, capabilities, cloud, ids, request, wait

from vmpattern.errors import (
    DriverError,
    Invalid,
    KeyConflict,
    KeySpent,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    Throttled,
)
from vmpattern.model import Capabilities, Idempotency, ImageId, MachineType, Market
from vmpattern.simulation import CloudSpec, FaultKind, Faults, SimulatedCloud, Window

DAY_S = 86400.0
ODD = MachineType(name="odd", vcpus=1, memory_mib=1024, zones=("b",))


def of(kind: Idempotency) -> Capabilities:
    return capabilities(idempotency=kind)


# -- what is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"zone": "z"}, "zone", id="no such zone"),
        pytest.param({"machine_type": "huge"}, "machine_type", id="no such machine type"),
        pytest.param({"machine_type": "odd"}, "machine_type", id="not offered in the zone"),
        pytest.param({"market": Market.SPOT}, "market", id="no such market"),
        pytest.param({"image": "debian-12"}, "image", id="no such image"),
        pytest.param({"count": 0}, "count", id="none"),
        pytest.param({"count": 101}, "count", id="more than a batch"),
    ],
)
def test_what_can_never_work_is_invalid_and_named(changes, field) -> None:
    usual = CloudSpec().machine_types
    world = cloud(can=capabilities(markets=frozenset({Market.ON_DEMAND})), machine_types=(*usual, ODD))
    with pytest.raises(Invalid) as caught:
        world.launch(request(**changes))

    assert field == caught.value.field
    assert () == world.instances(OURS)


# -- room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "error", "scope"),
    [
        pytest.param({"capacity": {("a", "medium"): 3}}, OutOfCapacity, "machine-type medium a", id="of a type"),
        pytest.param({"capacity": {("a", None): 3}}, OutOfCapacity, "machine-type medium a", id="of a zone"),
        pytest.param({"quota": 3}, QuotaExceeded, "account", id="of the account"),
    ],
)
def test_a_limit_cuts_a_launch_short_and_then_refuses(limits, error, scope) -> None:
    world = cloud(**limits)
    report = world.launch(request("k1", 5))
    with pytest.raises(error) as caught:
        world.launch(request("k2"))

    assert (3, [error, error]) == (len(report.created), [type(failure) for failure in report.failures])
    assert {scope} == {str(failure.scope) for failure in (*report.failures, caught.value)}


def test_what_ends_makes_room() -> None:
    world = cloud(quota=2)
    launched = ids(world.launch(request("k1", 2)))
    world.terminate(launched[:1])

    assert 1 == len(world.launch(request("k2", 2)).created)


def test_limits_of_other_places_do_not_count() -> None:
    world = cloud(capacity={("b", None): 0, ("a", "large"): 0})

    assert 5 == len(ids(world.launch(request("k1", 5))))


@pytest.mark.parametrize(
    ("window", "error"),
    [
        pytest.param(Window(FaultKind.STOCKOUT, 0, 60), OutOfCapacity, id="a stockout"),
        pytest.param(Window(FaultKind.STOCKOUT, 0, 60, "a", "medium"), OutOfCapacity, id="a stockout of the type"),
        pytest.param(Window(FaultKind.QUOTA, 0, 60), QuotaExceeded, id="a quota"),
        pytest.param(Window(FaultKind.THROTTLE, 0, 60), Throttled, id="throttling"),
    ],
)
def test_a_window_refuses_launches_while_it_is_open(window, error) -> None:
    world = cloud(Faults(windows=(window,)))
    with pytest.raises(error):
        world.launch(request())
    wait(world, 60.0)

    assert 1 == len(ids(world.launch(request())))


def test_a_partial_launch_gives_some_but_not_all() -> None:
    world = cloud(Faults({FaultKind.PARTIAL_LAUNCH: 1.0}))
    counts = [len(world.launch(request(f"k{n}", 10)).created) for n in range(20)]

    assert all(1 <= count <= 9 for count in counts)
    assert len(set(counts)) > 1


def test_a_launch_of_one_is_never_partial() -> None:
    assert 1 == len(ids(cloud(Faults({FaultKind.PARTIAL_LAUNCH: 1.0})).launch(request())))


@given(all_faults(), st.integers(1, 9), st.sampled_from(Idempotency), st.integers(0, 4))
def test_the_counts_of_a_report_add_up(faults, count, kind, ended) -> None:
    world = cloud(faults, can=of(kind), capacity={("a", None): 6})
    for _ in range(3):
        try:
            report = world.launch(request("k1", count))
            assert count == len(report.created) + len(report.adopted) + len(report.failures) + report.unknown
            world.terminate([row.id for row in report.created[:ended]])
        except DriverError:
            pass


# -- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Idempotency.BATCH, Idempotency.INSTANCE])
def test_the_same_request_again_adopts(kind) -> None:
    world = cloud(can=of(kind))
    first = world.launch(request("k1", 3))
    again = world.launch(request("k1", 3))

    assert (first.created, ()) == (again.adopted, again.created)
    assert 3 == len(world.instances(OURS))


def test_adopted_rows_are_as_of_now() -> None:
    world = cloud()
    world.launch(request())
    wait(world, 60.0)

    assert world.instances(OURS) == world.launch(request()).adopted


@pytest.mark.parametrize("kind", [Idempotency.BATCH, Idempotency.INSTANCE])
@pytest.mark.parametrize(
    "changes",
    [{"count": 2}, {"zone": "b"}, {"image": ImageId("img-2")}, {"env": {"A": "1"}}, {"options": {"x": 1}}],
    ids=str,
)
def test_another_request_under_a_key_is_a_conflict(kind, changes) -> None:
    world = cloud(can=of(kind))
    world.launch(request("k1"))
    with pytest.raises(KeyConflict):
        world.launch(request("k1", **changes))

    assert 1 == len(world.instances(OURS))


@pytest.mark.parametrize("kind", [Idempotency.BATCH, Idempotency.INSTANCE])
@pytest.mark.parametrize("after_s", [0.0, 20.0, 100.0, DAY_S])
def test_a_key_is_spent_when_its_instances_are_gone(kind, after_s) -> None:
    world = cloud(can=of(kind))
    world.terminate(ids(world.launch(request("k1", 2))))
    wait(world, after_s)
    with pytest.raises(KeySpent):
        world.launch(request("k1", 2))


def test_a_key_is_forgotten_a_day_after_its_instances() -> None:
    world = cloud()
    world.terminate(ids(world.launch(request("k1", 2))))
    wait(world, 80.0 + DAY_S)

    assert 2 == len(world.launch(request("k1", 2)).created)


def test_a_key_lives_as_long_as_its_instances() -> None:
    world = cloud()
    first = world.launch(request("k1"))
    wait(world, 100 * DAY_S)

    assert ids(first) == ids(world.launch(request("k1")))


@pytest.mark.parametrize("kind", [Idempotency.BATCH, Idempotency.INSTANCE])
def test_what_is_gone_of_a_key_is_a_failure_and_not_created_again(kind) -> None:
    world = cloud(can=of(kind))
    launched = ids(world.launch(request("k1", 3)))
    world.terminate(launched[:1])
    again = world.launch(request("k1", 3))

    assert ([KeySpent], ()) == ([type(failure) for failure in again.failures], again.created)
    assert set(launched[1:]) == {row.id for row in again.adopted}


def test_a_partial_launch_replayed_gives_the_original_ones_only() -> None:
    world = cloud(quota=2)
    first = world.launch(request("k1", 5))
    again = world.launch(request("k1", 5))

    assert first.created == again.adopted
    assert [OutOfCapacity] * 3 == [type(failure) for failure in again.failures]


def test_names_complete_what_was_never_created() -> None:
    world = cloud(can=of(Idempotency.INSTANCE), quota=2)
    first = world.launch(request("k1", 3))
    world.terminate([first.created[0].id])
    again = world.launch(request("k1", 3))

    assert (1, 1, [KeySpent]) == (len(again.adopted), len(again.created), [type(each) for each in again.failures])
    assert again.created[0].id not in {row.id for row in first.created}


def test_without_idempotency_every_launch_creates_anew() -> None:
    world = cloud(can=of(Idempotency.NONE))
    first, again = world.launch(request("k1", 2)), world.launch(request("k1", 2))

    assert 4 == len({*ids(first), *ids(again)})
    assert {"k1"} == {row.key for row in world.instances(OURS)}


def test_a_launch_without_result_leaves_its_key_unused() -> None:
    world = cloud(Faults(windows=(Window(FaultKind.STOCKOUT, 0, 60),)))
    with pytest.raises(OutOfCapacity):
        world.launch(request("k1"))
    wait(world, 60.0)

    assert 2 == len(world.launch(request("k1", 2)).created)


@pytest.mark.parametrize(
    ("kind", "launched"),
    [pytest.param(FaultKind.LOST_BEFORE, 0, id="before"), pytest.param(FaultKind.LOST_AFTER, 2, id="after")],
)
def test_a_reply_is_lost_before_or_after_the_effect(kind, launched) -> None:
    world = cloud(Faults(windows=(Window(kind, 0, 60),)))
    with pytest.raises(OutcomeUnknown):
        world.launch(request("k1", 2))

    assert launched == len(world.instances(OURS))


class KeysModel(RuleBasedStateMachine):
    """Keys against a model: which ordinals of each key were made, and which of them are still alive."""

    @initialize(kind=st.sampled_from(Idempotency), quota=st.sampled_from((math.inf, 4)))
    def begin(self, kind, quota) -> None:
        self.kind, self.quota = kind, quota
        self.world = cloud(can=of(kind), quota=None if quota == math.inf else quota)
        self.counts: dict[str, int] = {}
        self.made: dict[str, list[str]] = {}
        self.alive: set[str] = set()

    @rule(key=st.sampled_from(("k1", "k2", "k3")), count=st.integers(1, 3))
    def launch(self, key, count) -> None:
        known = self.made.get(key, []) if self.kind is not Idempotency.NONE else []
        room = min(count, self.quota - len(self.alive))
        try:
            report = self.world.launch(request(key, count))
        except KeyConflict:
            assert known
            assert count != self.counts[key]
        except KeySpent:
            assert known
            assert not set(known) & self.alive
            assert self.kind is Idempotency.BATCH or len(known) == count
        except QuotaExceeded:
            assert room == 0
            assert not known
        else:
            assert not known or count == self.counts[key]
            self.check(key, count, room, known, report)

    def check(self, key, count, room, known, report) -> None:
        adopted, created = {row.id for row in report.adopted}, [row.id for row in report.created]
        missing = count - len(known) if not known or self.kind is Idempotency.INSTANCE else 0
        assert adopted == set(known) & self.alive
        assert len(created) == min(missing, room)
        assert not set(created) & set(self.made.get(key, []))
        self.counts[key] = count
        self.made.setdefault(key, []).extend(created)
        self.alive |= set(created)

    @rule(number=st.integers(0, 9))
    def terminate(self, number) -> None:
        if self.alive:
            ended = sorted(self.alive)[number % len(self.alive)]
            self.world.terminate([ended])
            self.alive.discard(ended)

    @rule(seconds=st.sampled_from((5.0, 90.0)))
    def wait(self, seconds) -> None:
        wait(self.world, seconds)

    @invariant()
    def exactly_the_living_are_listed_as_live(self) -> None:
        if hasattr(self, "world"):
            assert self.alive == {row.id for row in self.world.instances(OURS) if row.phase.is_live}


def test_keys_behave_as_their_rules_say() -> None:
    run_state_machine_as_test(KeysModel)


def test_the_usual_cloud_takes_every_image_of_its_own() -> None:
    assert 1 == len(SimulatedCloud().launch(request(image="img-anything")).created)
