"""Observing and applying with the real world around: drivers by name, secrets, locks, the right sense of time."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import attrs

from vmpattern.driver import Driver, Timekeeper, connect
from vmpattern.executor.carry import FleetOrder, carry_out
from vmpattern.executor.freshness import check_fresh
from vmpattern.executor.lease import fleets_locked
from vmpattern.executor.observing import read_clouds
from vmpattern.executor.probe import NetworkProber
from vmpattern.executor.requests import resolved_env
from vmpattern.executor.runtime import RealRuntime, Runtime, VirtualRuntime
from vmpattern.model import (
    BakeOutcome,
    BakeState,
    Deployment,
    Event,
    Failure,
    FleetOutcome,
    ImageId,
    Observation,
    Outcome,
    Plan,
    Result,
)
from vmpattern.planner import UNBAKED

NOTHING_BAKED = BakeOutcome(results=(), duration_s=0.0, api_calls=0)


class Bakery(Protocol):
    """What makes the images of a plan."""

    def __call__(
        self,
        plan: Plan,
        drivers: Mapping[str, Driver],
        runtime: Runtime,
        *,
        tell: Callable[[Event], None],
        stop: Callable[[], bool],
        locks: Path | None,
    ) -> BakeOutcome:
        """Make every image that isn't there yet; what a cloud does is in the outcome, never raised."""
        ...


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
    with connected(deployment) as drivers:
        return read_clouds(deployment, drivers, probe=_prober(deployment), check=check)


def apply(
    plan: Plan,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: StopSwitch | None = None,
    locks: Path | None = None,
    bake: Bakery,
) -> Outcome:
    """Carry out a plan, and return when the fleets are as asked for or can't get there.

    Args:
        bake: makes the images that the plan has to bake, before anything else is touched.
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
    # A plan without steps that doesn't get there was made blind: whether there is nothing to do isn't known.
    if not plan.changes and plan.forecast.ends == "complete":
        return _nothing(plan)
    with fleets_locked(deployment.name, tuple(deployment.fleets), folder=locks), connected(deployment) as drivers:
        probe = _prober(deployment)
        check_fresh(plan, read_clouds(deployment, drivers, probe=probe, check=True))
        runtime = runtime_for(drivers)
        switch.wakes(runtime)
        told: list[Event] = []

        def tell(event: Event) -> None:
            told.append(event)
            if on_event is not None:
                on_event(event)

        baked = bake(plan, drivers, runtime, tell=tell, stop=switch, locks=locks) if plan.bakes else NOTHING_BAKED
        if not baked.ok:
            return _not_baked(plan, baked, told)
        orders = _orders(plan, {(result.cloud, result.digest): result.image for result in baked.results})
        outcome = carry_out(deployment, orders, drivers, runtime, probe=probe, on_event=on_event, stop=switch)
        return _with_bakes(outcome, baked, told)


def _with_bakes(outcome: Outcome, baked: BakeOutcome, told: Sequence[Event]) -> Outcome:
    """Add what baking took to what the fleets took."""
    made = outcome.result is Result.NOTHING and bool(baked.results)
    return attrs.evolve(
        outcome,
        result=Result.COMPLETE if made else outcome.result,
        duration_s=baked.duration_s + outcome.duration_s,
        api_calls=baked.api_calls + outcome.api_calls,
        events=(*told, *outcome.events),
    )


def _not_baked(plan: Plan, baked: BakeOutcome, told: Sequence[Event]) -> Outcome:
    """Return the outcome of an apply that touched no fleet, since an image is missing."""
    stopped = any(result.state is BakeState.INTERRUPTED for result in baked.results)
    return Outcome(
        result=Result.INTERRUPTED if stopped else Result.FAILED,
        fleets={
            name: FleetOutcome(created=0, destroyed=0, ready=plan.forecast.lowest_ready.get(name, 0), size=fleet.size)
            for name, fleet in plan.fleets.items()
        },
        duration_s=baked.duration_s,
        api_calls=baked.api_calls,
        errors=tuple(
            Failure(
                code=result.code,
                scope=f"image of {result.service} in {result.cloud}",
                message="\n".join(filter(None, [result.message, result.console])),
            )
            for result in baked.results
            if result.state is BakeState.FAILED
        ),
        remaining=tuple(
            f"the image of {result.service} in {result.cloud} isn't baked, and no fleet was touched"
            for result in baked.results
            if result.image is None
        ),
        events=tuple(told),
    )


def _orders(plan: Plan, baked: Mapping[tuple[str, str], ImageId | None]) -> list[FleetOrder]:
    """Compose the orders; slots that waited for an image have the one that was baked."""
    deployment, orders = plan.deployment, []
    for name, fleet in deployment.fleets.items():
        part = plan.fleets[name]
        service = deployment.services[fleet.service]
        directory = deployment.clouds[fleet.placements[0].cloud].directory
        env: Mapping[str, str] = resolved_env(service, directory) if part.create or part.replace else {}
        slots = tuple(
            attrs.evolve(slot, image=baked.get((slot.cloud, slot.image.removeprefix(UNBAKED))) or slot.image)
            for slot in part.slots
        )
        orders.append(FleetOrder(fleet=fleet, slots=slots, named=frozenset(part.terminates), env=env))
    return orders


def runtime_for(drivers: Mapping[str, Driver]) -> Runtime:
    """Return virtual time where every cloud has a time of its own, else the real one."""
    clocks = [driver for driver in drivers.values() if isinstance(driver, Timekeeper)]
    if clocks and len(clocks) == len(drivers):
        return VirtualRuntime(
            max(clock.clock.now() for clock in clocks), clocks, pace=min(clock.pace for clock in clocks)
        )
    return RealRuntime(clocks)


def _prober(deployment: Deployment) -> NetworkProber:
    return NetworkProber({name: deployment.services[fleet.service].port for name, fleet in deployment.fleets.items()})


@contextmanager
def connected(deployment: Deployment) -> Generator[dict[str, Driver], None, None]:
    """Make the drivers of every cloud, by name, and close them at the end of the `with` block."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(connect(deployment.clouds[name])) for name in deployment.clouds}


def _nothing(plan: Plan) -> Outcome:
    fleets = {
        name: FleetOutcome(created=0, destroyed=0, ready=plan.forecast.lowest_ready.get(name, 0), size=fleet.size)
        for name, fleet in plan.fleets.items()
    }
    return Outcome(result=Result.NOTHING, fleets=fleets, duration_s=0.0, api_calls=0)
