"""The engine in real time: threads, deadlines and a clock that nobody moves by hand. Small waits, no assert on time."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
from hands import Listed
from situations import fleet, instance
from stage import Stage

from vmpattern.access import RealRuntime, Session
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.model import Event, InstanceId, Latencies, Outcome, Result, Rollout
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.simulation import EC2_LIKE, CloudSpec, SimulatedCloud

QUICK = attrs.evolve(
    EC2_LIKE,
    call_timeout_s=0.3,
    latencies=Latencies(call_s=0.01, boot_s=0.05, ready_s=0.05, terminate_s=0.05, drain_s=0.05),
)


def real_stage(*, ago_s: float = 0.0) -> Stage:
    """Return a stage with a cloud that began so long ago."""
    stage = Stage(capabilities=QUICK)
    stage.clouds = {"demo": SimulatedCloud(CloudSpec(name="demo", capabilities=QUICK), start=time.time() - ago_s)}
    return stage


def apply(stage: Stage, size: int, driver: object = None, image: str = "img-1") -> Outcome:
    wanted = stage.deployment(fleet(size=size, rollout=Rollout(min_ready_s=0.1, progress_deadline_s=20.0)), image=image)
    made = stage.plan(wanted)
    orders = [
        FleetOrder(fleet=wanted.fleets[name], slots=part.slots, named=frozenset(part.terminates))
        for name, part in made.fleets.items()
    ]
    runtime = RealRuntime(list(stage.clouds.values()))
    return carry_out(wanted, orders, Session({"demo": driver or stage.cloud}, runtime), watch=False)  # type: ignore[dict-item]


def test_a_fleet_comes_up_and_shrinks_in_real_time() -> None:
    stage = real_stage()

    assert (Result.COMPLETE, Result.COMPLETE) == (apply(stage, 3).result, apply(stage, 1).result)


class Hanging(Listed):
    """A driver whose first launch has its effect and never answers."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        super().__init__(cloud)
        self.hung = threading.Event()

    def launch(self, request: LaunchRequest) -> LaunchReport:
        report = self.cloud.launch(request)
        if not self.hung.is_set():
            self.hung.set()
            threading.Event().wait(5.0)
        return report


def test_a_launch_that_hangs_stops_the_fleet_and_the_next_apply_makes_no_duplicate() -> None:
    stage = real_stage()
    driver = Hanging(stage.cloud)

    first, second = apply(stage, 2, driver), apply(stage, 2, driver)

    assert (Result.FAILED, "demo: demo: launch gave no answer in time") == (
        first.result,
        first.errors[0].message,
    )
    assert (True, 2) == (
        second.ok,
        sum(one.phase.is_live for one in stage.observe(stage.deployment(fleet(size=2))).instances()),
    )


class Deaf(Listed):
    """A driver whose terminations never answer."""

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        threading.Event().wait(5.0)


def test_a_termination_without_an_answer_is_never_taken_for_done() -> None:
    stage = real_stage()
    apply(stage, 1)
    wanted = stage.deployment(fleet(size=0, rollout=Rollout(min_ready_s=0.1)))
    made = stage.plan(wanted)
    orders = [FleetOrder(fleet=wanted.fleets["web"], slots=(), named=frozenset(made.fleets["web"].terminates))]
    driver, events = Deaf(stage.cloud), list[Event]()

    outcome = carry_out(
        wanted,
        orders,
        Session({"demo": driver}, RealRuntime([stage.cloud])),
        watch=False,
        on_event=events.append,
    )

    assert (Result.FAILED, 0) == (outcome.result, outcome.fleets["web"].destroyed)


def raising(verb: str, argument: object) -> None:
    raise ValueError("oops")


def hanging(verb: str, argument: object) -> None:
    threading.Event().wait(5.0)


def only(wanted: str, act: Callable[[str, object], None]) -> Mapping[str, Callable[[str, object], object]]:
    """Return what a driver does before one of its verbs."""
    return {"before": lambda verb, argument: act(verb, argument) if verb == wanted else None}


def strange(wanted: str, change: Callable[[Any], object]) -> Mapping[str, Callable[[str, object], object]]:
    """Return what a driver makes of the answer of one of its verbs."""
    return {"after": lambda verb, answer: change(answer) if verb == wanted else answer}


STRANGER = instance("stranger", deployment="other")


@pytest.mark.parametrize(
    ("verb", "how", "told"),
    [
        pytest.param("launch", only("launch", raising), "launch raised ValueError", id="a launch raises"),
        pytest.param("launch", only("launch", hanging), "launch gave no answer in time", id="a launch hangs"),
        pytest.param("instances", only("instances", hanging), "instances gave no answer in time", id="a list hangs"),
        pytest.param("terminate", only("terminate", hanging), "terminate gave no answer in time", id="an end hangs"),
        pytest.param(
            "instances",
            strange("instances", lambda rows: (*rows, STRANGER)),
            "instances returned stranger",
            id="a list shows a stranger",
        ),
    ],
)
def test_in_real_time_driver_and_verb_are_named_and_nothing_more_is_ended_where(
    verb: str, how: Mapping[str, Any], told: str
) -> None:
    stage = real_stage(ago_s=1000.0)
    stage.apply(stage.deployment(fleet(2)))
    driver = Listed(stage.cloud, **how)

    outcome = apply(stage, 2, driver, image="img-2")

    assert (Result.FAILED, "demo: ", True) == (
        outcome.result,
        outcome.errors[0].message[:6],
        told in outcome.errors[0].message,
    )
    assert (["terminate"] if verb == "terminate" else []) == [one for one in driver.verbs() if one == "terminate"]
