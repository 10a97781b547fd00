"""The engine in real time: threads, deadlines and a clock that nobody moves by hand. Small waits, no assert on time."""

import threading
import time
from collections.abc import Sequence

import attrs
from hands import Listed
from situations import fleet
from stage import Stage

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.executor import FleetOrder, RealRuntime, carry_out
from vmpattern.model import Event, InstanceId, Latencies, Outcome, Result, Rollout
from vmpattern.simulation import EC2_LIKE, CloudSpec, SimulatedCloud

QUICK = attrs.evolve(
    EC2_LIKE,
    call_timeout_s=0.3,
    latencies=Latencies(call_s=0.01, boot_s=0.05, ready_s=0.05, terminate_s=0.05, drain_s=0.05),
)


def real_stage() -> Stage:
    stage = Stage(capabilities=QUICK)
    stage.clouds = {"demo": SimulatedCloud(CloudSpec(name="demo", capabilities=QUICK), start=time.time())}
    return stage


def apply(stage: Stage, size: int, driver: object = None) -> Outcome:
    wanted = stage.deployment(fleet(size=size, rollout=Rollout(min_ready_s=0.1, progress_deadline_s=20.0)))
    made = stage.plan(wanted)
    orders = [
        FleetOrder(fleet=wanted.fleets[name], slots=part.slots, named=frozenset(part.terminates))
        for name, part in made.fleets.items()
    ]
    runtime = RealRuntime(list(stage.clouds.values()))
    return carry_out(wanted, orders, {"demo": driver or stage.cloud}, runtime, watch=False)  # type: ignore[dict-item]


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
        {"demo": driver},
        RealRuntime([stage.cloud]),
        watch=False,
        on_event=events.append,
    )

    assert (Result.FAILED, 0) == (outcome.result, outcome.fleets["web"].destroyed)
