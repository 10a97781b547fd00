"""What is launched is complete and its outcome gets known: environments, keys, quotas, clocks, unknown health."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hands import Listed
from immutabledict import immutabledict
from situations import fleet
from stage import Stage

from vmpattern.driver import LaunchRequest
from vmpattern.errors import (
    DriverError,
    KeyConflict,
    OutOfCapacity,
    QuotaExceeded,
    Refused,
    Scope,
    ScopeKind,
    Throttled,
)
from vmpattern.model import (
    Deployment,
    Event,
    EventKind,
    Fleet,
    Health,
    Idempotency,
    Instance,
    Latencies,
    Market,
    Outcome,
    Phase,
    Place,
    Placement,
    Result,
    Rollout,
    Secret,
)
from vmpattern.operations import apply_in
from vmpattern.planner import assess, decide
from vmpattern.simulation import EC2_LIKE, FaultKind, Faults

ACCOUNT = Scope(ScopeKind.ACCOUNT)


def with_env(wanted: Deployment, **env: str | Secret) -> Deployment:
    services = {name: attrs.evolve(one, env=immutabledict(env)) for name, one in wanted.services.items()}
    return attrs.evolve(wanted, services=services)


def carried_out(stage: Stage, wanted: Deployment, *, on_event: Callable[[Event], None], **drivers: Listed) -> Outcome:
    made = stage.plan(wanted)
    return apply_in(stage.session(drivers), made, on_event=on_event)


def kills(stage: Stage, fleet: str) -> Callable[[Event], None]:
    """Return what kills one instance of a fleet when another fleet begins to launch."""
    left = [True]

    def on_event(event: Event) -> None:
        if event.kind is EventKind.LAUNCHING and event.fleet != fleet and left.pop():
            left.append(False)
            victim = stage.live(fleet)[0]
            stage.cloud._world.show(stage.cloud._world.vms[victim.id], Phase.STOPPED, None)

    return on_event


# -- environments

TWO = (fleet(2), fleet(1, name="api"))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, Deployment]:
    """Two fleets that run with a secret, of which one is to grow."""
    monkeypatch.setenv("SHOP_DB", "hunter22")
    stage = Stage()
    wanted = with_env(stage.deployment(*TWO), DB=Secret("env:SHOP_DB"), LOG="info")
    carried_out(stage, wanted, on_event=lambda event: None)
    grown = with_env(stage.deployment(fleet(3), TWO[1]), DB=Secret("env:SHOP_DB"), LOG="info")
    return stage, grown


def test_what_is_launched_for_a_fleet_that_the_plan_doesnt_change_is_complete(two: tuple[Stage, Deployment]) -> None:
    stage, grown = two
    driver = Listed(stage.cloud)
    carried_out(stage, grown, on_event=kills(stage, "api"), demo=driver)
    sent = [one for verb, one in driver.log if verb == "launch" and isinstance(one, LaunchRequest)]

    assert [("api", "hunter22", "info"), ("web", "hunter22", "info")] == sorted(
        (one.fleet, one.env.get("DB", ""), one.env.get("LOG", "")) for one in sent
    )


def test_an_apply_that_launches_is_refused_without_its_secret(
    two: tuple[Stage, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, grown = two
    monkeypatch.delenv("SHOP_DB")
    with pytest.raises(Refused, match="DB: the variable SHOP_DB isn't set in this environment"):
        carried_out(stage, grown, on_event=lambda event: None)

    assert 3 == len(stage.live())


def test_nothing_is_launched_for_a_fleet_whose_secret_cant_be_had(
    two: tuple[Stage, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, _ = two
    served = with_env(stage.deployment(fleet(2, balanced=True), TWO[1]), DB=Secret("env:SHOP_DB"), LOG="info")
    carried_out(stage, served, on_event=lambda event: None)
    wanted = with_env(stage.deployment(fleet(1, balanced=True), TWO[1]), DB=Secret("env:SHOP_DB"), LOG="info")
    monkeypatch.delenv("SHOP_DB")

    def on_event(event: Event) -> None:
        if event.kind is EventKind.DRAINING and event.fleet == "web":
            world = stage.cloud._world
            world.show(world.vms[stage.live("api")[0].id], Phase.STOPPED, None)

    launches = stage.cloud.calls["launch"]
    outcome = carried_out(stage, wanted, on_event=on_event)

    assert (launches, Result.PAUSED, 1) == (stage.cloud.calls["launch"], outcome.result, len(stage.live("web")))
    assert ["SHOP_DB isn't set" in error.message for error in outcome.errors] == [True]


# -- keys


@pytest.mark.parametrize("way", [Idempotency.BATCH, Idempotency.INSTANCE], ids=lambda way: way.value)
def test_a_rotated_secret_meets_an_old_key_and_another_follows(
    way: Idempotency, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, idempotency=way))
    wanted = with_env(stage.deployment(fleet(2)), DB=Secret("env:SHOP_DB"))
    monkeypatch.setenv("SHOP_DB", "hunter22")
    carried_out(stage, wanted, on_event=lambda event: None)
    stage.cloud.terminate([row.id for row in stage.live()])
    stage.cloud.advance(stage.cloud.clock.now() + 600.0)
    monkeypatch.setenv("SHOP_DB", "hunter23")
    events: list[Event] = []
    outcome = carried_out(stage, wanted, on_event=events.append)
    words = [event.message for event in events if event.kind is EventKind.LAUNCH_FAILED]

    assert (Result.COMPLETE, 2) == (outcome.result, len(stage.live()))
    assert words
    assert all("was used for another request" in text for text in words)
    assert not any("hunter" in str(event) for event in events)


def test_keys_that_always_conflict_end_in_words() -> None:
    stage = Stage()
    conflict = KeyConflict("the key was used with other parameters", code="IdempotentParameterMismatch")

    def before(verb: str, argument: object) -> None:
        if verb == "launch":
            raise conflict

    driver = Listed(stage.cloud, before=before)
    outcome = stage.apply(stage.deployment(fleet(1)), drivers={"demo": driver})

    assert (Result.FAILED, 8) == (outcome.result, driver.verbs().count("launch"))
    assert "8 launch keys in a row" in outcome.errors[0].message
    assert 8 == len({one.key for verb, one in driver.log if verb == "launch" and isinstance(one, LaunchRequest)})


@pytest.mark.parametrize("kind", [FaultKind.LOST_AFTER, FaultKind.LOST_BEFORE], ids=lambda kind: kind.value)
@pytest.mark.parametrize("listed", [True, False], ids=["by lists", "by changes"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_launch_that_cant_be_sent_again_is_resolved_by_listing(kind: FaultKind, listed: bool, seed: int) -> None:
    can = attrs.evolve(EC2_LIKE, idempotency=Idempotency.NONE, staleness_s=5.0)
    stage = Stage(capabilities=can, faults=Faults({kind: 0.5}, seed=seed))
    drivers = {"demo": Listed(stage.cloud)} if listed else {}
    outcome = stage.apply(stage.deployment(fleet(6)), drivers=drivers)

    assert (Result.COMPLETE, 6) == (outcome.result, len(stage.live()))


# -- quotas


def test_a_spent_quota_passes_its_share_on_to_the_next_cloud() -> None:
    stage = Stage("eu", "lab")
    stage.clouds["eu"]._world.spec = attrs.evolve(stage.clouds["eu"].spec, quota=2)
    wanted = attrs.evolve(fleet(6, clouds=("eu", "lab")), place=Place.ORDERED)
    outcome = stage.apply(stage.deployment(wanted))

    assert (Result.COMPLETE, ["eu"] * 2 + ["lab"] * 4) == (outcome.result, sorted(row.cloud for row in stage.live()))


def test_a_spent_quota_of_one_market_passes_its_share_on_to_the_other() -> None:
    stage = Stage(spot_quota=2)
    places = (Placement(cloud="demo", market=Market.SPOT, weight=3), Placement(cloud="demo"))
    outcome = stage.apply(stage.deployment(attrs.evolve(fleet(6), placements=places)))
    markets = [row.market for row in stage.live()]

    assert (Result.COMPLETE, 2, 4) == (
        outcome.result,
        markets.count(Market.SPOT),
        markets.count(Market.ON_DEMAND),
    )


def test_where_no_placement_is_left_the_apply_fails_with_the_providers_words_and_drains_nothing() -> None:
    stage = Stage(quota=3)
    stage.apply(stage.deployment(fleet(3, balanced=True)))
    outcome = stage.apply(stage.deployment(fleet(3, balanced=True), image="img-2"))
    drained = [event for event in stage.events if event.kind in (EventKind.DRAINING, EventKind.TERMINATING)]

    assert (Result.FAILED, "InstanceLimitExceeded") == (outcome.result, outcome.errors[0].code)
    assert ([], 3) == (drained, outcome.fleets["web"].ready)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(fleet(3, surge=0, unavailable=1), id="by ending first"),
        pytest.param(fleet(3, surge=2, unavailable=1), id="with a surge that has no room"),
        pytest.param(fleet(2), id="by shrinking"),
    ],
)
def test_a_rollout_at_a_full_quota_uses_what_it_frees(wanted: Fleet) -> None:
    stage, size = Stage(quota=3), wanted.size
    stage.apply(stage.deployment(fleet(3)))
    outcome = stage.apply(stage.deployment(wanted, image="img-2"))

    assert (Result.COMPLETE, ["img-2"] * size) == (outcome.result, [row.image for row in stage.live()])


def images(stage: Stage, name: str) -> list[str]:
    return [row.image for row in stage.live(name)]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")], ids=str)
@pytest.mark.parametrize("balanced", [False, True], ids=["alone", "balanced"])
@pytest.mark.parametrize(
    ("quota", "sizes", "image"),
    [
        pytest.param(4, {"a": 1, "b": 3}, "img-1", id="one shrinks"),
        pytest.param(4, {"a": 0, "b": 4}, "img-1", id="one is gone"),
        pytest.param(4, {"a": 1, "b": 2}, "img-2", id="one shrinks and both change"),
        pytest.param(5, {"a": 2, "b": 2}, "img-2", id="both need the same room"),
    ],
)
def test_a_launch_waits_for_what_another_fleet_of_the_run_frees(
    order: tuple[str, str], balanced: bool, quota: int, sizes: dict[str, int], image: str
) -> None:
    stage = Stage(quota=quota)
    stage.apply(stage.deployment(*(fleet(2, name=name, balanced=balanced) for name in order)))
    outcome = stage.apply(
        stage.deployment(*(fleet(sizes[name], name=name, balanced=balanced) for name in order), image=image)
    )

    assert (Result.COMPLETE, ()) == (outcome.result, outcome.errors)
    assert {name: [image] * size for name, size in sizes.items()} == {name: images(stage, name) for name in sizes}


def test_a_long_rollout_of_one_fleet_is_progress_of_another_that_waits_for_its_room() -> None:
    stage = Stage(quota=9, capabilities=attrs.evolve(EC2_LIKE, latencies=Latencies(boot_s=57.0, ready_s=9.0)))
    two = fleet(6, name="a"), fleet(2, name="b", rollout=Rollout(progress_deadline_s=200.0))
    stage.apply(stage.deployment(*two))
    outcome = stage.apply(stage.deployment(*two, image="img-2"))

    assert (Result.COMPLETE, ["img-2"] * 2) == (outcome.result, images(stage, "b"))
    assert outcome.duration_s > 2 * 200.0


@pytest.mark.parametrize(("moved_s", "is_stuck"), [(0.0, True), (1000.0, False)])
def test_a_fleet_that_waits_for_a_quota_is_stuck_only_when_no_fleet_gets_further(
    moved_s: float, is_stuck: bool
) -> None:
    stage = Stage()
    wanted = stage.deployment(fleet(2, name="a"), fleet(2, name="b"))
    made, seen = stage.plan(wanted), stage.observe(wanted)
    other, index = (
        assess(wanted, wanted.fleets[name], made.fleets[name].slots, seen, named=()).index for name in ("a", "b")
    )
    index.others = [other]
    index.quota_refused(ACCOUNT, "demo", 1, "the limit is reached")
    other.ask(0, 1)
    other.progress_at += moved_s

    assert is_stuck is bool(decide(index.fleet, index, seen.at + 1500.0).stuck)


def test_a_launch_doesnt_wait_until_the_other_fleet_is_done() -> None:
    stage = Stage(quota=6)
    stage.apply(stage.deployment(fleet(6, name="a", balanced=True)))
    slow = fleet(5, name="a", surge=0, unavailable=1, balanced=True)
    outcome = stage.apply(stage.deployment(slow, fleet(1, name="b"), image="img-2"))
    ready = [event.fleet for event in stage.events if event.kind is EventKind.READY]

    assert (Result.COMPLETE, "a", 1) == (outcome.result, ready[-1], ready.count("b"))


def test_a_launch_waits_for_instances_that_are_too_many_and_not_proven_yet() -> None:
    stage, patient = Stage(quota=4), Rollout(min_ready_s=120.0)
    stage.apply(stage.deployment(fleet(2, name="a"), fleet(2, name="b")))
    outcome = stage.apply(stage.deployment(fleet(1, name="a", rollout=patient), fleet(3, name="b")))

    assert (Result.COMPLETE, ()) == (outcome.result, outcome.errors)


def test_a_launch_waits_for_a_fleet_that_moves_to_a_cloud_without_room_for_a_while() -> None:
    stage = Stage("eu", "lab")
    stage.clouds["eu"]._world.spec = attrs.evolve(stage.clouds["eu"].spec, quota=4)
    stage.apply(stage.deployment(*(fleet(2, name=name, clouds=("eu",)) for name in "ab")))
    lab, until = stage.clouds["lab"], stage.clouds["lab"].clock.now() + 100.0

    def before(verb: str, argument: object) -> None:
        if verb == "launch" and lab.clock.now() < until:
            raise OutOfCapacity("no room", code="OutOfCapacity", scope=ACCOUNT)

    moved = stage.deployment(fleet(2, name="a", clouds=("lab",)), fleet(4, name="b", clouds=("eu",)))
    outcome = stage.apply(moved, drivers={"lab": Listed(lab, before=before)})

    assert (Result.COMPLETE, ()) == (outcome.result, outcome.errors)
    assert ["eu"] * 4 + ["lab"] * 2 == sorted(row.cloud for row in stage.live())


def test_fleets_that_would_wait_for_each_other_for_ever_fail_with_the_providers_words() -> None:
    stage = Stage(quota=4)
    two = [fleet(2, name=name) for name in "ab"]
    stage.apply(stage.deployment(*two))
    outcome = stage.apply(stage.deployment(*two, image="img-2"))

    assert (Result.FAILED, {"InstanceLimitExceeded"}) == (outcome.result, {error.code for error in outcome.errors})
    assert [["img-1"] * 2] * 2 == [images(stage, name) for name in "ab"]
    assert outcome.duration_s < 300.0


def test_once_another_fleet_goes_no_further_nothing_waits_for_it() -> None:
    stage = Stage(quota=5, bad_images=frozenset({"img-2"}))
    stage.apply(stage.deployment(fleet(2, name="a"), fleet(2, name="b")))
    outcome = stage.apply(stage.deployment(fleet(2, name="a"), fleet(2, name="b"), image="img-2"))

    assert not outcome.ok
    assert outcome.errors
    assert [2, 2] == [one.ready for one in outcome.fleets.values()]
    assert outcome.duration_s < 1200.0


def test_a_quota_that_counts_what_is_ending_is_asked_again_once_that_is_gone() -> None:
    stage = Stage()
    stage.apply(stage.deployment(fleet(3)))
    full = QuotaExceeded("the quota CPUS is spent", code="QUOTA_EXCEEDED", scope=ACCOUNT)

    def before(verb: str, argument: object) -> None:
        there = [vm for vm in stage.cloud._world.vms.values() if vm.row.phase is not Phase.TERMINATED]
        if isinstance(argument, LaunchRequest) and len(there) + argument.count > 3:
            raise full

    one = fleet(3, surge=0, unavailable=1)
    outcome = stage.apply(stage.deployment(one, image="img-2"), drivers={"demo": Listed(stage.cloud, before=before)})

    assert (Result.COMPLETE, ["img-2"] * 3) == (outcome.result, [row.image for row in stage.live()])


def test_of_a_batch_that_a_quota_refuses_as_a_whole_so_many_are_launched_as_fit() -> None:
    stage = Stage()

    def before(verb: str, argument: object) -> None:
        if isinstance(argument, LaunchRequest) and len(stage.live()) + argument.count > 4:
            raise QuotaExceeded("too many", code="VcpuLimitExceeded", scope=ACCOUNT)

    driver = Listed(stage.cloud, before=before)
    wanted = attrs.evolve(fleet(6), placements=(Placement(cloud="demo", zones=("a",)),))
    outcome = stage.apply(stage.deployment(wanted), drivers={"demo": driver})

    assert (Result.FAILED, "VcpuLimitExceeded", 4) == (outcome.result, outcome.errors[0].code, len(stage.live()))


# -- clocks, and answers that make no sense


@pytest.mark.parametrize("skew_s", [310.0, -310.0, 1e9, -1e9], ids=str)
def test_own_launches_are_timed_by_our_own_clock(skew_s: float) -> None:
    stage = Stage()

    def skewed(row: Instance) -> Instance:
        return attrs.evolve(row, launched_at=row.launched_at - skew_s)

    def after(verb: str, answer: Any) -> object:
        if verb == "launch":
            return attrs.evolve(answer, created=tuple(map(skewed, answer.created)))
        return tuple(map(skewed, answer)) if verb == "instances" else answer

    driver = Listed(stage.cloud, after=after)
    outcome = stage.apply(stage.deployment(fleet(3)), drivers={"demo": driver})

    assert (Result.COMPLETE, False) == (outcome.result, "terminate" in driver.verbs())


@pytest.mark.parametrize("wish_s", [1767225600.0, 86400.0, float("inf"), float("nan"), -5.0], ids=str)
def test_a_pause_that_makes_no_sense_doesnt_stop_the_apply(wish_s: float) -> None:
    stage = Stage()
    left = [Throttled("slow down", retry_after_s=wish_s)] * 2

    def before(verb: str, argument: object) -> None:
        if verb in ("launch", "instances") and left:
            raise left.pop()

    outcome = stage.apply(stage.deployment(fleet(1)), drivers={"demo": Listed(stage.cloud, before=before)})

    assert outcome.ok
    assert outcome.duration_s < 600.0


def unprobed(_: object, __: object) -> Mapping[Any, Health]:
    return {}


@pytest.mark.parametrize("size", [1, 3])
def test_health_that_is_never_known_ends_the_apply_with_names_and_terminates_nothing(size: int) -> None:
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, probes=False))
    driver = Listed(stage.cloud, capabilities=stage.cloud.capabilities)
    strict: Fleet = fleet(size, rollout=Rollout(ready_deadline_s=300.0))
    outcome = stage.apply(stage.deployment(strict), drivers={"demo": driver})
    ids = [row.id for row in stage.live()]

    assert (Result.PAUSED, False) == (outcome.result, "terminate" in driver.verbs())
    assert outcome.duration_s < 400.0
    assert all(id in outcome.remaining[0] for id in ids)
    assert "health was never known" in outcome.remaining[0]


def test_an_error_of_a_driver_keeps_a_pause_that_makes_sense() -> None:
    wishes = [None, 0.0, 7.5, 119.0, 3600.0, 1767225600.0, -1.0, float("nan"), float("inf")]

    assert [None, 0.0, 7.5, 119.0, 120.0, None, None, None, None] == [
        DriverError("no", retry_after_s=wish).retry_after_s for wish in wishes
    ]
