"""What a balancer says of a member that gets no requests: people read it, and nothing is decided by it."""

import attrs
import pytest
from situations import NEW, NOW, Scene, deployment, fleet, instance

from vmpattern.model import Breakdown, Event, EventKind, Health, Instance, Membership, Phase, Standing
from vmpattern.planner import FleetIndex
from vmpattern.reconcile.fleet_run import FleetRun

BAD_GATEWAY = "Target.FailedHealthChecks: Health checks failed with these codes: [502]"
SHUNNED = Standing(Membership.UNHEALTHY, BAD_GATEWAY)
SERVED = Standing(Membership.HEALTHY)


def run_of(index: FleetIndex, events: list[Event]) -> FleetRun:
    service = deployment(index.fleet).services["shop"]
    return FleetRun(fleet=index.fleet, service=service, index=index, env={}, on_event=events.append)


def member(id: str = "i1") -> Instance:
    return instance(id, revision=NEW, launched_at=NOW)


def shunned_for_long() -> list[Event]:
    """Let a member be healthy and shunned until that is too long, and return what is told."""
    events: list[Event] = []
    run = run_of(Scene(fleet(3, balanced=True)).index, events)
    late = NOW + 100.0 + run.fleet.rollout.ready_deadline_s
    run.index.see(member(), NOW, probed=Health.HEALTHY, standing=SERVED, ours=True)
    run.index.advance(NOW + 100.0)
    run.index.see(member(), NOW + 100.0, probed=Health.HEALTHY, standing=SHUNNED)
    run.tell_changes(run.index.advance(late), late)
    return events


def test_a_failure_is_told_with_the_balancer_s_reason() -> None:
    (event,) = shunned_for_long()

    assert EventKind.FAILED is event.kind
    assert f"its balancer finds it unhealthy for too long: {BAD_GATEWAY}" == event.message


def test_an_unhealthy_member_is_told_with_the_balancer_s_reason() -> None:
    events: list[Event] = []
    run = run_of(Scene(fleet(3, balanced=True)).index, events)
    run.index.see(member(), NOW, probed=Health.HEALTHY, standing=SERVED, ours=True)
    run.tell_changes(run.index.see(member(), NOW + 5.0, probed=Health.UNHEALTHY, standing=SHUNNED), NOW + 5.0)

    assert [f"it answers badly: {BAD_GATEWAY}"] == [one.message for one in events if one.kind is EventKind.UNHEALTHY]


@pytest.mark.parametrize(
    ("standing", "breakdown", "expected"),
    [
        pytest.param(SHUNNED, None, BAD_GATEWAY, id="the balancer's words"),
        pytest.param(Standing(Membership.DRAINING, "it leaves"), None, "", id="none of what leaves"),
        pytest.param(SERVED, None, "", id="none of what serves"),
        pytest.param(
            SHUNNED, Breakdown(message="No valid host was found."), "No valid host was found.", id="the cause"
        ),
    ],
)
def test_a_complaint_is(standing: Standing, breakdown: Breakdown | None, expected: str) -> None:
    index = Scene(fleet(3, balanced=True)).index
    phase = Phase.STOPPED if breakdown else Phase.RUNNING
    index.see(attrs.evolve(member(), phase=phase, breakdown=breakdown), NOW, standing=standing)

    assert expected == index.rows[member().id].complaint


def test_another_reason_alone_is_taken_in_and_changes_nothing() -> None:
    index = Scene(fleet(3, balanced=True)).index
    index.see(member(), NOW, probed=Health.HEALTHY, standing=SHUNNED)
    version = index.version
    changes = index.see(member(), NOW, probed=Health.HEALTHY, standing=attrs.evolve(SHUNNED, reason="Target.Timeout"))

    assert ([], version, "Target.Timeout") == (changes, index.version, index.rows[member().id].said)


def test_a_member_that_is_kept_keeps_its_reason() -> None:
    index = Scene(fleet(3, balanced=True)).index
    index.see(member(), NOW, standing=SHUNNED)
    index.keep(member().id, NOW + 60.0, NOW)

    assert BAD_GATEWAY == index.rows[member().id].complaint


def test_what_remains_tells_the_reasons_that_are_given_most() -> None:
    run = run_of(Scene(fleet(3, balanced=True)).index, [])
    for number, reason in enumerate(["rare", BAD_GATEWAY, BAD_GATEWAY, "b", "b", "c", "c"]):
        run.index.see(member(f"i{number}"), NOW, standing=attrs.evolve(SHUNNED, reason=reason))

    assert f"; said of 2: {BAD_GATEWAY}; said of 2: b; said of 2: c" in run.remaining(NOW)[0]


def healthy(run: FleetRun, *names: str) -> None:
    for name in names:
        run.index.see(member(name), NOW, probed=Health.HEALTHY)
    run.index.advance(NOW + 60.0)


@pytest.mark.parametrize(
    ("size", "there", "expected"),
    [
        pytest.param(2, 2, (), id="as many as were asked for"),
        pytest.param(0, 0, (), id="none, as asked for"),
        pytest.param(0, 1, ("fleet web: 1 that shouldn't be there",), id="one too many"),
        pytest.param(2, 1, ("fleet web: 1 of 2 in date and ready",), id="one too few"),
    ],
)
def test_only_what_isnt_as_asked_for_remains(size: int, there: int, expected: tuple[str, ...]) -> None:
    run = run_of(Scene(fleet(size)).index, [])
    healthy(run, *(f"i{number}" for number in range(there)))
    for state in run.index.clouds.values():
        state.seen, state.fresh_until = True, NOW + 120.0

    assert expected == run.remaining(NOW + 60.0)


def test_a_cloud_that_wasnt_read_lately_remains_alone() -> None:
    run = run_of(Scene(fleet(0)).index, [])
    for state in run.index.clouds.values():
        state.seen = False

    assert all("couldn't be read lately" in text and "0 that" not in text for text in run.remaining(NOW))
    assert run.remaining(NOW)
