"""The front desk: request budgets, counted calls, lost and failing ones."""

import attrs
import pytest
from hypothesis import given, strategies as st
from simulated import BALANCER, OURS, Failed, all_faults, capabilities, cloud, ids, request, scripts, specs, wait

from vmpattern import naming
from vmpattern.driver import TokenBucket
from vmpattern.errors import Invalid, OutcomeUnknown, Throttled, Transient, Unauthenticated
from vmpattern.model import RequestBudget
from vmpattern.simulation import EPOCH, FaultKind, Faults, SimulatedCloud, Window


def limited(**budgets: tuple[float, float]) -> SimulatedCloud:
    limits = {name.replace("_", "-"): RequestBudget(*budget) for name, budget in budgets.items()}
    return cloud(can=capabilities(budgets=limits, page_size=2, max_terminate=5))


def calls_until_throttled(call, most=50) -> int:
    for number in range(most):
        try:
            call(number)
        except Throttled:
            return number
    return most


@pytest.mark.parametrize(
    ("budget", "call"),
    [
        pytest.param("read", lambda world, n: world.instances(OURS), id="a list"),
        pytest.param("read", lambda world, n: world.members(BALANCER), id="members"),
        pytest.param("read", lambda world, n: world.machine_types(), id="machine types"),
        pytest.param("launch", lambda world, n: world.launch(request(f"k{n}", 4)), id="a launch"),
        pytest.param("terminate", lambda world, n: world.terminate(["i-1", "i-2"]), id="a terminate"),
        pytest.param("label", lambda world, n: world.label([], {}), id="a label"),
        pytest.param("balancer", lambda world, n: world.register(BALANCER, []), id="register"),
        pytest.param("balancer", lambda world, n: world.deregister(BALANCER, []), id="deregister"),
    ],
)
def test_a_call_takes_one_token_of_its_budget(budget, call) -> None:
    world = limited(**{budget: (7, 1.0)})

    assert 7 == calls_until_throttled(lambda number: call(world, number))


def test_instances_have_budgets_of_their_own() -> None:
    world = limited(launch_instances=(9, 1.0), terminate_instances=(9, 1.0))

    assert 2 == calls_until_throttled(lambda number: world.launch(request(f"k{number}", 4)))
    assert 4 == calls_until_throttled(lambda number: world.terminate(["i-1", "i-2"]))


def test_a_refused_call_takes_nothing_from_any_budget() -> None:
    world = limited(launch=(2, 0.001), launch_instances=(4, 1.0))
    world.launch(request("k1", 4))
    for _ in range(5):
        with pytest.raises(Throttled):
            world.launch(request("k2", 4))
    wait(world, 4.0)

    assert 4 == len(ids(world.launch(request("k2", 4))))


def test_a_list_takes_a_token_for_every_page() -> None:
    world = limited(read=(9, 0.0001))
    world.launch(request("k1", 5))

    assert 3 == calls_until_throttled(lambda _: world.instances(OURS))
    assert 3 * 4 == world.calls["instances"]


def test_probes_and_changes_are_no_calls() -> None:
    world = limited(read=(1, 0.0001))
    for _ in range(5):
        world.probe(["i-1"], None)
        world.changes(OURS, 0)

    assert {} == world.calls


def test_a_budget_refills() -> None:
    world = limited(read=(3, 0.5))
    calls_until_throttled(lambda _: world.instances(OURS))
    wait(world, 4.0)

    assert 2 == calls_until_throttled(lambda _: world.instances(OURS))


@given(st.floats(0.3, 100), st.integers(1, 20), st.floats(0, 1e6), st.integers(1, 30))
def test_after_the_wait_that_was_told_the_call_is_let_in(per_second, burst, later_s, count) -> None:
    world = limited(launch_instances=(burst, per_second))
    world.advance(EPOCH + later_s)
    for number in range(5):
        asked = request(f"k{number}", count)
        try:
            world.launch(asked)
        except Throttled as error:
            wait(world, error.retry_after_s or 0.0)
            world.launch(asked)


@given(
    st.floats(0.01, 1000),
    st.floats(1, 100),
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 20)), max_size=30),
)
def test_no_bucket_gives_more_than_burst_and_refill(per_second, burst, asks) -> None:
    bucket, now, taken = TokenBucket(burst, per_second), EPOCH, 0.0
    first = None
    for pause_s, cost in asks:
        now += pause_s
        if bucket.take(now, min(cost, burst)):
            first = now if first is None else first
            taken += min(cost, burst)
            assert taken <= burst + (now - first) * per_second * (1 + 1e-9) + 1e-5 * per_second


def test_too_many_ids_in_one_terminate_are_invalid() -> None:
    with pytest.raises(Invalid, match="at most 5"):
        limited().terminate([f"i-{number}" for number in range(6)])


def struck(kind: FaultKind) -> SimulatedCloud:
    return cloud(Faults({kind: 1.0}))


MUTATING = {
    "launch": lambda world: world.launch(request("k2")),
    "terminate": lambda world: world.terminate([row.id for row in world.changes(OURS, 0).instances]),
    "label": lambda world: world.label([row.id for row in world.changes(OURS, 0).instances], {naming.KEPT_UNTIL: "5"}),
    "register": lambda world: world.register(BALANCER, [row.id for row in world.changes(OURS, 0).instances]),
}
READING = {
    "instances": lambda world: world.instances(OURS),
    "images": lambda world: world.images(OURS),
    "machine_types": lambda world: world.machine_types(),
    "members": lambda world: world.members(BALANCER),
}


@pytest.mark.parametrize("verb", MUTATING)
@pytest.mark.parametrize("kind", [FaultKind.LOST_BEFORE, FaultKind.LOST_AFTER])
def test_a_lost_reply_leaves_the_outcome_unknown(verb, kind) -> None:
    world = cloud(Faults(windows=(Window(kind, 10.0, 20.0),)))
    world.launch(request("k1"))
    wait(world, 10.0)
    before = world.changes(OURS, 0).cursor
    with pytest.raises(OutcomeUnknown):
        MUTATING[verb](world)
    has_effect = world.changes(OURS, 0).cursor > before

    assert (kind is FaultKind.LOST_AFTER) == has_effect


@pytest.mark.parametrize("verb", READING)
@pytest.mark.parametrize(
    ("kind", "error"),
    [(FaultKind.FAILED_PAGE, Transient), (FaultKind.UNREADABLE, Transient), (FaultKind.GARBLED, Invalid)],
)
def test_a_failing_read_raises_and_never_shortens(verb, kind, error) -> None:
    with pytest.raises(error):
        READING[verb](struck(kind))


@pytest.mark.parametrize("verb", [*MUTATING, *READING])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.THROTTLE, Throttled),
        (FaultKind.ABSURD_RETRY, Throttled),
        (FaultKind.EXPIRED, Unauthenticated),
    ],
)
def test_every_call_can_be_refused(verb, kind, error) -> None:
    with pytest.raises(error):
        {**MUTATING, **READING}[verb](struck(kind))


def test_a_moment_told_as_a_pause_is_no_pause() -> None:
    with pytest.raises(Throttled) as caught:
        struck(FaultKind.ABSURD_RETRY).instances(OURS)

    assert caught.value.retry_after_s is None


def test_an_unreadable_cloud_can_still_be_changed() -> None:
    assert 1 == len(ids(struck(FaultKind.UNREADABLE).launch(request())))


def test_the_same_call_again_has_another_draw() -> None:
    world = cloud(Faults({FaultKind.FAILED_PAGE: 0.5}))
    outcomes = []
    for _ in range(40):
        try:
            world.instances(OURS)
            outcomes.append(True)
        except Transient:
            outcomes.append(False)

    assert 5 < sum(outcomes) < 35


@given(scripts(), scripts(5), all_faults())
def test_faults_of_a_call_do_not_depend_on_other_calls(script, others, faults) -> None:
    """Whatever else is asked in between, the n-th list of another deployment meets the same faults."""
    only = Faults({kind: rate for kind, rate in faults.rates.items() if kind is FaultKind.FAILED_PAGE})
    quiet, busy = cloud(only), cloud(only)
    script.play(busy)
    others.play(busy)
    elsewhere = attrs.evolve(OURS, deployment="elsewhere")

    assert [outcome(quiet, elsewhere) for _ in range(8)] == [outcome(busy, elsewhere) for _ in range(8)]


def outcome(world: SimulatedCloud, selector) -> bool:
    try:
        world.instances(selector)
    except Transient:
        return False
    return True


@given(scripts(), all_faults(), specs())
def test_the_same_script_gives_the_same_answers(script, faults, spec) -> None:
    worlds = [SimulatedCloud(spec, faults=faults) for _ in range(2)]
    first, second = (list(map(repr, script.play(world))) for world in worlds)

    assert first == second


@given(scripts())
def test_without_faults_nothing_fails_by_chance(script) -> None:
    failed = {answer.error for answer in script.play(cloud()) if isinstance(answer, Failed)}

    assert failed <= {"KeySpent", "KeyConflict", "NotFound"}
