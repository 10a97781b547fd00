"""Applying with the real world around: drivers by name, secrets, locks, the right sense of time."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import attrs

from vmpattern.errors import Refused
from vmpattern.executor.carry import FleetOrder, carry_out
from vmpattern.executor.engine import Decide
from vmpattern.executor.environments import Environment, environments
from vmpattern.executor.freshness import check_fresh
from vmpattern.executor.lease import fleets_locked
from vmpattern.executor.observing import read_clouds, scopes_of
from vmpattern.executor.record import BalancerRecord, FileRecord, NoRecord, Recorded
from vmpattern.executor.runtime import Runtime
from vmpattern.executor.session import Session, never, opened
from vmpattern.executor.settling import forget_ended, former_balancers, recorded_balancers, settle
from vmpattern.model import (
    AnySlot,
    BakeOutcome,
    BakeState,
    Event,
    Failure,
    FleetOutcome,
    ImageId,
    NoRoom,
    Observation,
    Outcome,
    PendingSlot,
    Plan,
    Result,
    Unbaked,
)
from vmpattern.planner import Assessment, assess, decide, uneven

NO_RECORD = NoRecord()
NOTHING_BAKED = BakeOutcome(results=(), duration_s=0.0, api_calls=0)


class Bakery(Protocol):
    """What makes the images of a plan."""

    def __call__(
        self,
        plan: Plan,
        session: Session,
        *,
        tell: Callable[[Event], None],
        stop: Callable[[], bool],
        locks: Path | None,
    ) -> BakeOutcome:
        """Make every image that isn't there yet; what a cloud does is in the outcome, never raised."""
        ...


class StopSwitch:
    """Asks a running apply or bake to stop; safe in a signal handler, and from other threads.

    An apply launches no more and waits for the answers of calls in flight. A bake terminates what it launched and
    deletes an image that it hasn't verified. The library handles no signals: a program that shall stop in good order
    on SIGINT and SIGTERM calls `ask` in its handlers. Killed instead, it leaves instances and builders, from which the
    next apply or bake goes on.
    """

    def __init__(self) -> None:
        self._asked = False
        self._wake: Callable[[], None] | None = None

    def __call__(self) -> bool:
        """Return whether stopping was asked for."""
        return self._asked

    def ask(self) -> None:
        """Ask to stop, and wake whoever waits."""
        self._asked = True
        if self._wake is not None:
            self._wake()

    def wakes(self, runtime: Runtime) -> None:
        """Name the runtime to wake."""
        self._wake = runtime.wake


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
        Refused: the plan doesn't converge, a secret can't be had, or a cloud can't be reached at all.

    Guarantees:
        Terminates only what the plan names, what was launched under it, and what two witnesses condemn.
    """
    switch = stop or StopSwitch()
    with (
        fleets_locked(plan.deployment.name, tuple(plan.deployment.owners()), folder=locks),
        opened(plan.deployment) as session,
    ):
        switch.wakes(session.runtime)
        record = FileRecord(scopes=scopes_of(session))
        return apply_in(session, plan, on_event=on_event, stop=switch, locks=locks, record=record, bake=bake)


def apply_in(
    session: Session,
    plan: Plan,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: Callable[[], bool] = never,
    locks: Path | None = None,
    record: BalancerRecord = NO_RECORD,
    bake: Bakery,
    decide: Decide = decide,
) -> Outcome:
    """Carry out a plan as `apply` does, in a session that is open, while the caller holds the fleets' locks."""
    deployment = plan.deployment
    if not plan.forecast.converges:
        raise Refused("\n".join(["nothing was changed, since the plan doesn't converge", *plan.notes]))
    recorded = record.read(deployment).within(deployment)
    observation = read_clouds(deployment, session, check=True, fleets=deployment.fleets, recorded=recorded)
    check_fresh(plan, observation)
    settle(record, recorded, deployment, observation)
    standing = {
        name: assess(deployment, deployment.fleets[name], fleet.slots, observation, named=fleet.terminates)
        for name, fleet in plan.fleets.items()
    }
    if not plan.bakes and all(assessment.reached for assessment in standing.values()):
        return _untouched(Result.NOTHING, standing, api_calls=observation.calls, no_room=observation.no_room)
    found = environments(plan)
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)
        if on_event is not None:
            on_event(event)

    baked = bake(plan, session, tell=tell, stop=stop, locks=locks) if plan.bakes else NOTHING_BAKED
    if not baked.ok:
        return _not_baked(standing, baked, told)
    baked_ids = {(result.cloud, result.digest): result.image for result in baked.results}
    orders = _orders(plan, found, observation, recorded, baked_ids)
    outcome = carry_out(
        deployment,
        orders,
        session,
        observation=observation,
        no_room=observation.no_room,
        on_event=on_event,
        stop=stop,
        remember=partial(record.remember, deployment),
        decide=decide,
    )
    record.note_no_room(deployment, _found_no_room(outcome, observation))
    if outcome.ok:
        forget_ended(record, record.read(deployment), deployment, observation)
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


def _not_baked(standing: Mapping[str, Assessment], baked: BakeOutcome, told: Sequence[Event]) -> Outcome:
    """Return the outcome of an apply that touched no fleet, since an image is missing."""
    stopped = any(result.state is BakeState.INTERRUPTED for result in baked.results)
    untouched = _untouched(Result.INTERRUPTED if stopped else Result.FAILED, standing, api_calls=baked.api_calls)
    return attrs.evolve(
        untouched,
        duration_s=baked.duration_s,
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


def _orders(
    plan: Plan,
    found: Mapping[str, Environment],
    observation: Observation,
    recorded: Recorded,
    baked: Mapping[tuple[str, str], ImageId | None],
) -> list[FleetOrder]:
    """Compose the orders; slots that waited for an image have the one that was baked."""
    return [
        FleetOrder(
            fleet=fleet,
            slots=tuple(_with_image(slot, baked) for slot in plan.fleets[name].slots),
            named=frozenset(plan.fleets[name].terminates),
            former=former_balancers(observation, name),
            recorded=recorded_balancers(recorded, plan.deployment, observation, fleet),
            env=found[name].values,
            no_launch=found[name].lacks,
        )
        for name, fleet in plan.deployment.fleets.items()
    ]


def _with_image(slot: AnySlot, baked: Mapping[tuple[str, str], ImageId | None]) -> AnySlot:
    if isinstance(slot, PendingSlot) and isinstance(slot.image, Unbaked):
        image = baked.get((slot.cloud, slot.image.digest))
        return slot.with_image(image) if image is not None else slot
    return slot


def _found_no_room(outcome: Outcome, observation: Observation) -> tuple[NoRoom, ...]:
    """Return where there is no room after an apply: what it found itself, and what was known and every fleet leaves."""
    fleets = outcome.fleets.values()
    known = {one for one in observation.no_room if all(one in fleet.no_room for fleet in fleets)}
    found = {one for fleet in fleets for one in fleet.no_room} - set(observation.no_room)
    return tuple(sorted(known | found, key=lambda one: (one.cloud, str(one.scope), one.at)))


def _untouched(
    result: Result, standing: Mapping[str, Assessment], *, api_calls: int, no_room: Sequence[NoRoom] = ()
) -> Outcome:
    """Return the outcome of an apply that touched no fleet, with what was ready when it looked."""
    fleets = {
        name: FleetOutcome(
            created=0,
            destroyed=0,
            ready=assessment.ready,
            size=assessment.index.fleet.size,
            reached=assessment.reached,
            lowest_ready=assessment.ready,
            highest_total=assessment.index.total,
        )
        for name, assessment in standing.items()
    }
    remaining = [f"fleet {name}: {rest}" for name, one in standing.items() if (rest := uneven(one.index, no_room))]
    return Outcome(result=result, fleets=fleets, duration_s=0.0, api_calls=api_calls, remaining=tuple(remaining))
