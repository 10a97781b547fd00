"""Observing and applying with the real world around: drivers by name, secrets, locks, the right sense of time."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vmpattern.driver import Driver, Timekeeper, connect
from vmpattern.errors import Refused, StalePlan
from vmpattern.executor.carry import FleetOrder, carry_out
from vmpattern.executor.lease import fleets_locked
from vmpattern.executor.observing import read_clouds
from vmpattern.executor.probe import NetworkProber
from vmpattern.executor.requests import resolved_env
from vmpattern.executor.runtime import RealRuntime, Runtime, VirtualRuntime
from vmpattern.model import (
    Deployment,
    Event,
    FleetOutcome,
    Observation,
    Outcome,
    Plan,
    Result,
)
from vmpattern.planner import UNRESOLVED, refuse_failing


class StopSwitch:
    """Asks a running apply to stop: launches no more, lets what is in flight end. Safe in a signal handler."""

    def __init__(self) -> None:
        self._asked = False
        self._wake: Callable[[], None] | None = None

    def __call__(self) -> bool:
        """Tell whether stopping was asked for."""
        return self._asked

    def ask(self) -> None:
        """Ask to stop, and wake whoever waits."""
        self._asked = True
        if self._wake is not None:
            self._wake()

    def wakes(self, runtime: Runtime) -> None:
        """Name the runtime to wake."""
        self._wake = runtime.wake


def observe(deployment: Deployment, *, check: bool = True) -> Observation:
    """Read every cloud of the deployment: one that no fleet uses any more may still hold instances.

    Args:
        check: ask the drivers that can what is bound to fail, for a plan to refuse it.

    Returns:
        One observation a cloud; a cloud that can't be read is there with its error, and nothing destructive follows.

    Raises:
        SpecError: a cloud's options are wrong.
        UnknownDriver: a cloud names a driver that isn't installed.
    """
    with _connected(deployment) as drivers:
        return read_clouds(deployment, drivers, probe=_prober(deployment), check=check)


def apply(
    plan: Plan,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: StopSwitch | None = None,
    locks: Path | None = None,
) -> Outcome:
    """Carry out a plan, and return when the fleets are as asked for or can't get there.

    Args:
        on_event: called with every event, in order, in the calling thread; what it raises ends the apply at once.
        stop: ask it to stop early; the outcome is then INTERRUPTED.
        locks: the folder of the lock files; the user's state folder by default.

    Returns:
        The outcome with all events; failures of a cloud are in it, never raised.

    Raises:
        StalePlan: instances came or went since the plan was made, in a fleet that it changes.
        Locked: another apply on this machine is changing one of the fleets.
        SpecError: a driver says that something is bound to fail now.
        Refused: a secret can't be had, or a cloud can't be reached at all.

    Guarantees:
        Terminates only what the plan names, what was launched under it, and what two witnesses condemn.
    """
    deployment, switch = plan.deployment, stop or StopSwitch()
    if not plan.changes:
        return _nothing(plan)
    with fleets_locked(deployment.name, tuple(deployment.fleets), folder=locks), _connected(deployment) as drivers:
        probe = _prober(deployment)
        check_fresh(plan, read_clouds(deployment, drivers, probe=probe, check=True))
        clocks = [driver for driver in drivers.values() if isinstance(driver, Timekeeper)]
        runtime = _runtime(drivers, clocks)
        switch.wakes(runtime)
        return carry_out(
            deployment,
            _orders(plan),
            drivers,
            runtime,
            probe=probe,
            on_event=on_event,
            stop=switch,
        )


def check_fresh(plan: Plan, observation: Observation) -> None:
    """Hold a plan against what is there now.

    Raises:
        StalePlan: instances came or went since, or a cloud can be read that couldn't; the text names them.
        Refused: no cloud can be read.
        SpecError: a driver says that a launch of the plan is bound to fail.
    """
    if observation.clouds and all(cloud.error for cloud in observation.clouds.values()):
        errors = "; ".join(f"{cloud.name}: {cloud.error}" for cloud in observation.clouds.values())
        raise Refused(f"no cloud can be read, so nothing was touched: {errors}")
    unread = {name for name, cloud in observation.clouds.items() if cloud.error}
    live = {instance.id: instance for instance in observation.instances() if instance.phase.is_live}
    for name, fleet in plan.fleets.items():
        there = {i for i, instance in live.items() if instance.fleet == name}
        known = set(plan.observed.get(name, ()))
        came = sorted(there - known)
        went = sorted(i for i in set(fleet.terminates) - there if not unread)
        moved = [
            f"{', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''} {word}"
            for ids, word in ((came, "came"), (went, "went"))
            if ids
        ]
        blind = {slot.cloud for slot in fleet.slots if UNRESOLVED in (slot.zone, slot.machine_type)} - unread
        if blind:
            clouds = ", ".join(sorted(blind))
            raise StalePlan(f"the plan was made while {clouds} couldn't be read, and now it can: make a new plan")
        if moved:
            raise StalePlan(f"fleet {name} has moved since the plan was made ({'; '.join(moved)}): make a new plan")
    refuse_failing(plan.fleets, observation)


def _orders(plan: Plan) -> list[FleetOrder]:
    deployment, orders = plan.deployment, []
    for name, fleet in deployment.fleets.items():
        part = plan.fleets[name]
        service = deployment.services[fleet.service]
        directory = deployment.clouds[fleet.placements[0].cloud].directory
        env: Mapping[str, str] = resolved_env(service, directory) if part.create or part.replace else {}
        orders.append(FleetOrder(fleet=fleet, slots=part.slots, named=frozenset(part.terminates), env=env))
    return orders


def _runtime(drivers: Mapping[str, Driver], clocks: Sequence[Timekeeper]) -> Runtime:
    """Virtual time where every cloud has a time of its own, else the real one."""
    if clocks and len(clocks) == len(drivers):
        return VirtualRuntime(
            max(clock.clock.now() for clock in clocks), clocks, pace=min(clock.pace for clock in clocks)
        )
    return RealRuntime(clocks)


def _prober(deployment: Deployment) -> NetworkProber:
    return NetworkProber({name: deployment.services[fleet.service].port for name, fleet in deployment.fleets.items()})


@contextmanager
def _connected(deployment: Deployment) -> Generator[dict[str, Driver], None, None]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(connect(deployment.clouds[name])) for name in deployment.clouds}


def _nothing(plan: Plan) -> Outcome:
    fleets = {
        name: FleetOutcome(created=0, destroyed=0, ready=plan.forecast.lowest_ready.get(name, 0), size=fleet.size)
        for name, fleet in plan.fleets.items()
    }
    return Outcome(result=Result.NOTHING, fleets=fleets, duration_s=0.0, api_calls=0)
