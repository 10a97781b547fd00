from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hands import Listed
from hypothesis import given, settings, strategies as st
from situations import fleet, instance
from stage import Stage

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    OutcomeUnknown,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern.model import (
    Event,
    EventKind,
    Fleet,
    Idempotency,
    Latencies,
    Outcome,
    RequestBudget,
    Result,
    Rollout,
)
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.simulation import EC2_LIKE, EPOCH, FaultKind, Faults, Window

DESTRUCTIVE = {"terminate", "deregister"}


def rolled(image: str = "img-2", wanted: Fleet | None = None, **facts: Any) -> tuple[Stage, Any]:
    """Return a stage on which a fleet of three runs, and the deployment that changes its image."""
    one = wanted or fleet(3)
    stage = Stage(**facts)
    stage.apply(stage.deployment(one))
    return stage, stage.deployment(one, image=image)


def images(stage: Stage) -> list[str]:
    return sorted(row.image for row in stage.live())


def at_times(events: list[Event], kind: EventKind) -> list[float]:
    return [event.at for event in events if event.kind is kind]


# -- the way it should go


def test_a_fleet_is_made_from_nothing() -> None:
    stage = Stage()
    outcome = stage.apply(stage.deployment(fleet(3)))

    assert (Result.COMPLETE, 3, 3) == (outcome.result, outcome.fleets["web"].created, outcome.fleets["web"].ready)


def test_a_new_image_replaces_every_instance() -> None:
    stage, changed = rolled()
    stage.apply(changed)

    assert ["img-2"] * 3 == images(stage)


def test_a_rollout_with_surge_never_has_fewer_ready_than_wanted() -> None:
    stage, changed = rolled()
    stage.apply(changed)

    assert 3 == min(event.ready for event in stage.events if event.fleet)


def test_a_rollout_never_has_more_than_size_and_surge() -> None:
    stage, changed = rolled()
    stage.apply(changed)

    assert 4 == max(event.total for event in stage.events)


def test_a_plan_after_success_is_empty() -> None:
    stage, changed = rolled()
    stage.apply(changed)

    assert not stage.plan(changed).changes


def test_carrying_out_an_empty_plan_does_nothing() -> None:
    stage, _ = rolled()
    outcome = stage.apply(stage.deployment(fleet(3)))

    assert Result.NOTHING is outcome.result


def test_what_a_fleet_has_in_a_cloud_where_it_no_longer_belongs_goes() -> None:
    stage = Stage("eu", "lab")
    stage.apply(stage.deployment(fleet(2, clouds=("eu", "lab"))))
    stage.apply(stage.deployment(fleet(2, clouds=("eu",))))

    assert ["eu", "eu"] == [row.cloud for row in stage.live()]


def test_a_rollout_behind_a_balancer_completes() -> None:
    stage, changed = rolled(wanted=fleet(3, balanced=True))

    assert Result.COMPLETE is stage.apply(changed).result


def test_every_member_is_drained_before_it_is_ended() -> None:
    stage, changed = rolled(wanted=fleet(3, balanced=True))
    stage.apply(changed)
    drained = [event.instances for event in stage.events if event.kind is EventKind.DRAINING]

    assert drained == [event.instances for event in stage.events if event.kind is EventKind.TERMINATING]


def test_reading_lists_comes_to_the_same_end_as_reading_changes() -> None:
    stage, changed = rolled()
    outcome = stage.apply(changed, drivers={"demo": Listed(stage.cloud)})

    assert (Result.COMPLETE, ["img-2"] * 3) == (outcome.result, images(stage))


@pytest.mark.parametrize("native", [pytest.param(True, id="health told"), pytest.param(False, id="no health known")])
@pytest.mark.parametrize("deadline_s", [55.0, 60.0, 65.0, 70.0])
def test_deadlines_fall_alike_by_lists_and_by_changes(deadline_s: float, native: bool) -> None:
    slow = attrs.evolve(EC2_LIKE, native_health=native, latencies=Latencies(boot_s=57.0, ready_s=9.0))
    strict = fleet(2, rollout=Rollout(launch_deadline_s=deadline_s))
    told = []
    for driver in (None, Listed):
        stage = Stage(capabilities=slow)
        wanted = stage.deployment(strict)
        if not native:
            wanted = attrs.evolve(wanted, services={"shop": attrs.evolve(wanted.services["shop"], health=None)})
        stage.apply(wanted, drivers={"demo": driver(stage.cloud)} if driver else None)
        told.append([(event.at, event.kind, event.instances) for event in stage.events])

    assert told[0] == told[1]


def test_what_an_observer_raises_ends_the_apply_at_once() -> None:
    def raises(event: Event) -> None:
        raise ZeroDivisionError

    stage = Stage()
    with pytest.raises(ZeroDivisionError):
        stage.apply(stage.deployment(fleet(1)), on_event=raises)


# -- interruption


def interrupted(moment: int) -> tuple[Stage, Any, Outcome]:
    """Ask a rollout to stop at an event."""
    stage, changed = rolled(wanted=fleet(3, balanced=True))
    outcome = stage.apply(changed, stop=lambda: len(stage.events) > moment)
    return stage, changed, outcome


moments = st.integers(0, 45)
few = settings(max_examples=25)


@few
@given(moments)
def test_who_is_interrupted_says_so_unless_all_is_done(moment: int) -> None:
    stage, changed, outcome = interrupted(moment)

    assert outcome.result in (Result.INTERRUPTED, Result.COMPLETE if not stage.plan(changed).changes else None)


@few
@given(moments)
def test_who_is_interrupted_begins_nothing_more(moment: int) -> None:
    stage, _, _ = interrupted(moment)
    kinds = [event.kind for event in stage.events]
    after = kinds[kinds.index(EventKind.STOPPING) :] if EventKind.STOPPING in kinds else []

    assert {EventKind.LAUNCHING, EventKind.DRAINING, EventKind.TERMINATING}.isdisjoint(after)


@few
@given(moments)
def test_the_next_apply_after_an_interruption_converges(moment: int) -> None:
    stage, changed, _ = interrupted(moment)
    outcome = stage.apply(changed)

    assert (True, ["img-2"] * 3) == (outcome.ok, images(stage))


def test_what_is_in_flight_at_an_interruption_is_let_end() -> None:
    stage = Stage()
    asked = False

    def ask(event: Event) -> None:
        nonlocal asked
        asked = asked or event.kind is EventKind.LAUNCHING

    stage.apply(stage.deployment(fleet(3)), on_event=ask, stop=lambda: asked)

    assert EventKind.LAUNCHED in [event.kind for event in stage.events]


def test_what_gets_ready_between_the_reading_and_the_beginning_shows_at_the_next_tick() -> None:
    stage, wanted = Stage(), fleet(1, rollout=Rollout(min_ready_s=0.0))
    deployment = stage.deployment(wanted)
    stage.apply(deployment, stop=lambda: bool(at_times(stage.events, EventKind.LAUNCHED)))
    (row,) = stage.live()
    stage.cloud.advance(row.launched_at + 29.5)
    observation = stage.observe(deployment)
    stage.cloud.advance(row.launched_at + 30.5)
    slots = stage.plan(deployment).fleets["web"].slots
    order = FleetOrder(fleet=wanted, slots=slots, named=frozenset())
    outcome = carry_out(deployment, [order], stage.session(), observation=observation)
    (ready,) = (event for event in outcome.events if event.kind is EventKind.READY)

    assert ready.at <= observation.at + 2.0


def test_an_interruption_tells_what_remains() -> None:
    stage, changed = rolled()
    outcome = stage.apply(changed, stop=lambda: True)

    assert ("fleet web: 0 of 3 in date and ready, 3 out of date",) == outcome.remaining


def test_calls_that_wait_for_the_budget_are_taken_back_at_an_interruption() -> None:
    budgets = {"launch": RequestBudget(1, 0.001)}
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, budgets=budgets))
    asked = False

    def ask(event: Event) -> None:
        nonlocal asked
        asked = asked or event.kind is EventKind.LAUNCHED

    outcome = stage.apply(stage.deployment(fleet(3)), on_event=ask, stop=lambda: asked)

    assert (Result.INTERRUPTED, 1) == (outcome.result, stage.cloud.calls["launch"])


# -- drivers that misbehave


def raises(error: Exception, *verbs: str) -> Callable[[str, object], None]:
    def before(verb: str, argument: object) -> None:
        if verb in verbs:
            raise error

    return before


def answers(**instead: Callable[[Any], object]) -> Callable[[str, object], object]:
    return lambda verb, answer: instead[verb](answer) if verb in instead else answer


def with_stranger(report: LaunchReport) -> LaunchReport:
    return attrs.evolve(report, created=(instance("stranger", deployment="other"), *report.created[1:]))


MISBEHAVIOUR = [
    pytest.param("launch", {"before": raises(ValueError("oops"), "launch")}, id="a launch raises something undeclared"),
    pytest.param("launch", {"after": answers(launch=lambda report: None)}, id="a launch returns nothing"),
    pytest.param("launch", {"after": answers(launch=with_stranger)}, id="a launch returns a stranger"),
    pytest.param(
        "launch", {"after": answers(launch=lambda report: LaunchReport())}, id="a launch returns fewer than asked"
    ),
    pytest.param(
        "instances", {"before": raises(ValueError("oops"), "instances")}, id="a list raises something undeclared"
    ),
    pytest.param("instances", {"after": answers(instances=list)}, id="a list is a list"),
    pytest.param(
        "instances",
        {"after": answers(instances=lambda rows: (*rows, instance("stranger", deployment="other")))},
        id="a list shows a stranger",
    ),
    pytest.param("instances", {"after": answers(instances=lambda rows: (*rows, *rows))}, id="a list shows all twice"),
]


def misbehaved(how: Mapping[str, Any]) -> tuple[Stage, Listed, Outcome]:
    stage, changed = rolled()
    driver = Listed(stage.cloud, **how)
    return stage, driver, stage.apply(changed, drivers={"demo": driver})


@pytest.mark.parametrize(("verb", "how"), MISBEHAVIOUR)
def test_the_apply_fails_where(verb: str, how: Mapping[str, Any]) -> None:
    _, _, outcome = misbehaved(how)

    assert (Result.FAILED, "ContractBroken") == (outcome.result, outcome.errors[0].code)


@pytest.mark.parametrize(("verb", "how"), MISBEHAVIOUR)
def test_driver_and_verb_are_named_where(verb: str, how: Mapping[str, Any]) -> None:
    _, _, outcome = misbehaved(how)

    assert ("demo", True) == (outcome.errors[0].message.split(":")[0], verb in outcome.errors[0].message)


@pytest.mark.parametrize(("verb", "how"), MISBEHAVIOUR)
def test_nothing_is_ended_where(verb: str, how: Mapping[str, Any]) -> None:
    _, driver, _ = misbehaved(how)

    assert DESTRUCTIVE.isdisjoint(driver.verbs())


def test_an_end_that_raises_something_undeclared_is_asked_for_once() -> None:
    _, driver, outcome = misbehaved({"before": raises(ValueError("oops"), "terminate")})

    assert (Result.FAILED, 1) == (outcome.result, driver.verbs().count("terminate"))
    assert outcome.errors[0].message.startswith("demo: demo: terminate raised ValueError")


def test_an_empty_list_now_and_then_ends_nobody() -> None:
    stage, _ = rolled()
    turns = iter(range(1000))
    driver = Listed(stage.cloud, after=answers(instances=lambda rows: rows if next(turns) % 2 else ()))
    outcome = stage.apply(stage.deployment(fleet(3)), drivers={"demo": driver})

    assert (True, 3, False) == (outcome.ok, len(stage.live()), "terminate" in driver.verbs())


@pytest.mark.parametrize(
    "error",
    [QuotaExceeded("enough"), Denied("no"), Unauthenticated("who?"), Invalid("never", field="zone")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_a_person_must_mend_ends_the_apply_before_anything_old_goes(error: DriverError) -> None:
    stage, changed = rolled()
    driver = Listed(stage.cloud, before=raises(error, "launch"))
    outcome = stage.apply(changed, drivers={"demo": driver})

    assert (Result.FAILED, ["img-1"] * 3, 1) == (outcome.result, images(stage), driver.verbs().count("launch"))


@pytest.mark.parametrize("error", [Denied("no"), Unauthenticated("who?")], ids=lambda error: type(error).__name__)
def test_a_list_that_is_not_permitted_ends_the_apply(error: DriverError) -> None:
    stage, changed = rolled()
    driver = Listed(stage.cloud, before=raises(error, "instances"))
    outcome = stage.apply(changed, drivers={"demo": driver})

    assert (Result.FAILED, 1) == (outcome.result, len(driver.log))


@pytest.mark.parametrize("error", [Denied("no"), Unauthenticated("who?")], ids=lambda error: type(error).__name__)
def test_a_list_that_is_not_permitted_ends_nobody(error: DriverError) -> None:
    stage, changed = rolled()
    driver = Listed(stage.cloud, before=raises(error, "instances"))
    stage.apply(changed, drivers={"demo": driver})

    assert {"instances"} == set(driver.verbs())


def test_an_error_of_one_fleet_leaves_the_other_alone() -> None:
    stage = Stage()

    def refuse(verb: str, argument: object) -> None:
        if isinstance(argument, LaunchRequest) and argument.fleet == "web":
            raise Denied("no")

    outcome = stage.apply(
        stage.deployment(fleet(2), fleet(2, name="api")), drivers={"demo": Listed(stage.cloud, before=refuse)}
    )

    assert (Result.FAILED, 0, 2) == (outcome.result, len(stage.live("web")), len(stage.live("api")))


def test_a_persistently_bad_image_is_paused_with_the_old_ones_serving() -> None:
    stage, changed = rolled(image="img-bad", bad_images=["img-bad"])
    outcome = stage.apply(changed)
    old = [row for row in stage.live() if row.image == "img-1"]

    assert (Result.PAUSED, 3) == (outcome.result, len(old))


def test_a_failure_is_kept_for_a_look() -> None:
    stage, changed = rolled(image="img-bad", bad_images=["img-bad"])
    stage.apply(changed)

    assert ["img-bad"] == [row.image for row in stage.live() if row.kept_until is not None]


# -- replies that are lost


def lossy(seed: int) -> Faults:
    return Faults({FaultKind.LOST_AFTER: 0.4, FaultKind.LOST_BEFORE: 0.2}, seed=seed)


@few
@given(st.integers(0, 1000), st.sampled_from([Idempotency.BATCH, Idempotency.INSTANCE]))
def test_lost_replies_of_idempotent_launches_make_no_duplicate(seed: int, idempotency: Idempotency) -> None:
    stage = Stage(faults=lossy(seed), capabilities=attrs.evolve(EC2_LIKE, idempotency=idempotency))
    stage.apply(stage.deployment(fleet(3)))
    ever = [*stage.cloud._world.vms, *stage.cloud._world.gone]

    assert 3 == len(ever)


@few
@given(st.integers(0, 1000))
def test_lost_replies_of_other_launches_leave_no_lasting_duplicate(seed: int) -> None:
    stage = Stage(faults=lossy(seed), capabilities=attrs.evolve(EC2_LIKE, idempotency=Idempotency.NONE))
    wanted = stage.deployment(fleet(3))
    for _ in range(3):
        stage.apply(wanted)

    assert 3 == len(stage.live())


def sent_again(error: DriverError) -> list[object]:
    """Let every launch end so, and return the requests."""
    stage = Stage()
    driver = Listed(stage.cloud, before=raises(error, "launch"))
    stage.apply(stage.deployment(fleet(1, rollout=Rollout(progress_deadline_s=300.0))), drivers={"demo": driver})
    return [argument for verb, argument in driver.log if verb == "launch"]


def test_a_launch_of_unknown_outcome_is_sent_again_byte_for_byte() -> None:
    requests = sent_again(OutcomeUnknown("silence"))

    assert (True, requests[:1] * len(requests)) == (len(requests) > 8, requests)


def test_a_launch_that_never_answers_ends_in_a_pause() -> None:
    stage = Stage()
    driver = Listed(stage.cloud, before=raises(OutcomeUnknown("silence"), "launch"))
    outcome = stage.apply(
        stage.deployment(fleet(1, rollout=Rollout(progress_deadline_s=300.0))), drivers={"demo": driver}
    )

    assert (Result.PAUSED, "NoProgress") == (outcome.result, outcome.errors[-1].code)


def test_a_launch_of_which_nothing_came_is_told() -> None:
    silent = [OutcomeUnknown("silence")]

    def lose(verb: str, argument: object) -> None:
        if verb == "launch" and silent:
            raise silent.pop()

    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, idempotency=Idempotency.NONE))
    outcome = stage.apply(stage.deployment(fleet(1)), drivers={"demo": Listed(stage.cloud, before=lose)})
    kinds = (EventKind.LAUNCHING, EventKind.LAUNCH_UNKNOWN, EventKind.LAUNCH_FAILED, EventKind.LAUNCHED)
    told = [event for event in stage.events if event.kind in kinds]

    assert (Result.COMPLETE, [*kinds[:3], kinds[0], kinds[3]]) == (outcome.result, [event.kind for event in told])
    assert ("the cloud shows nothing of it", {told[0].key}) == (told[2].message, {event.key for event in told[:3]})


@pytest.mark.parametrize("error", [Throttled("slow down"), Transient("oops")], ids=lambda error: type(error).__name__)
def test_a_launch_that_is_refused_for_now_is_sent_again(error: DriverError) -> None:
    left = [error] * 3

    def refuse(verb: str, argument: object) -> None:
        if verb == "launch" and left:
            raise left.pop()

    stage = Stage()
    outcome = stage.apply(stage.deployment(fleet(1)), drivers={"demo": Listed(stage.cloud, before=refuse)})

    assert (Result.COMPLETE, 3) == (outcome.result, len(at_times(stage.events, EventKind.RETRYING)))


# -- several fleets, several clouds


def test_two_fleets_of_one_cloud_share_its_budget() -> None:
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, budgets={"launch": RequestBudget(1, 0.1)}))
    times: list[float] = []

    def note(verb: str, argument: object) -> None:
        if verb == "launch":
            times.append(stage.cloud.clock.now())

    stage.apply(stage.deployment(fleet(3), fleet(3, name="api")), drivers={"demo": Listed(stage.cloud, before=note)})
    gaps = [later - earlier for earlier, later in pairwise(times)]

    assert (6, []) == (len(times), [gap for gap in gaps if gap < 10.0 - 1e-3])


def test_fleets_of_one_cloud_are_never_throttled_together() -> None:
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, budgets={"launch": RequestBudget(1, 0.1)}))
    stage.apply(stage.deployment(fleet(3), fleet(3, name="api")))

    assert [] == at_times(stage.events, EventKind.RETRYING)


def split(error: DriverError | None = None) -> tuple[Stage, Listed, Outcome]:
    """Roll a fleet over two clouds of which one can't be read during the apply."""
    stage = Stage("eu", "lab")
    wanted = fleet(4, clouds=("eu", "lab"), rollout=Rollout(progress_deadline_s=600.0))
    stage.apply(stage.deployment(wanted))
    driver = Listed(stage.clouds["lab"], before=raises(error or Transient("no answer"), "instances"))
    return stage, driver, stage.apply(stage.deployment(wanted, image="img-2"), drivers={"lab": driver})


def test_nothing_is_done_in_a_cloud_that_cannot_be_read() -> None:
    _, driver, _ = split()

    assert {"instances"} == set(driver.verbs())


def test_a_cloud_that_cannot_be_read_counts_as_not_ready() -> None:
    stage, _, _ = split()

    assert ["img-1", "img-1", "img-2"] == sorted(row.image for row in stage.live() if row.cloud == "eu")


def test_an_apply_with_a_cloud_that_cannot_be_read_is_paused() -> None:
    _, _, outcome = split()

    assert Result.PAUSED is outcome.result


def test_a_cloud_that_cannot_be_read_is_told_once() -> None:
    stage, _, _ = split()

    assert ["lab"] == [event.cloud for event in stage.events if event.kind is EventKind.UNREADABLE]


def test_credentials_that_expire_stop_an_apply_that_follows_changes_and_has_nothing_to_send() -> None:
    stage = Stage(faults=Faults(windows=(Window(FaultKind.EXPIRED, 40.0, 1e6),)))
    outcome = stage.apply(stage.deployment(fleet(2)))

    assert (Result.FAILED, ["ExpiredToken"]) == (outcome.result, [error.code for error in outcome.errors])


def test_a_simulated_cloud_that_can_be_read_again_is_followed_again() -> None:
    stage = Stage(faults=Faults(windows=(Window(FaultKind.UNREADABLE, 10.0, 50.0),)))
    outcome = stage.apply(stage.deployment(fleet(2)))
    read = [event.kind for event in stage.events if event.kind in (EventKind.READ, EventKind.UNREADABLE)]

    assert (Result.COMPLETE, [EventKind.UNREADABLE, EventKind.READ]) == (outcome.result, read)


def test_a_cloud_in_which_a_fleet_has_no_place_may_refuse_to_be_read() -> None:
    stage = Stage("eu", "lab")
    driver = Listed(stage.clouds["lab"], before=raises(Denied("no"), "instances"))
    outcome = stage.apply(stage.deployment(fleet(2, clouds=("eu",))), drivers={"lab": driver})

    assert Result.COMPLETE is outcome.result


def test_a_cloud_that_can_be_read_again_is_used_again() -> None:
    stage = Stage("eu", "lab")
    wanted = stage.deployment(fleet(4, clouds=("eu", "lab")))
    until = EPOCH + 100.0

    def refuse(verb: str, argument: object) -> None:
        if stage.clouds["lab"].clock.now() < until:
            raise Transient("gone fishing")

    outcome = stage.apply(wanted, drivers={"lab": Listed(stage.clouds["lab"], before=refuse)})

    assert (Result.COMPLETE, 2) == (outcome.result, sum(row.cloud == "lab" for row in stage.live()))


def test_launches_never_exceed_the_limit() -> None:
    stage = Stage()
    outcome = stage.apply(stage.deployment(fleet(9, rollout=Rollout(max_in_flight=1))))
    launching, launched = (at_times(stage.events, kind) for kind in (EventKind.LAUNCHING, EventKind.LAUNCHED))

    assert (True, True) == (
        outcome.ok,
        all(begun >= ended for begun, ended in zip(launching[1:], launched, strict=False)),
    )
