"""Every verb, on one screen: what the command line, the Python API and a controller call, and nothing below it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from vmpattern.access import Session, StopSwitch, opened, read_clouds
from vmpattern.access.environments import environments
from vmpattern.access.leases import fleets_locked
from vmpattern.access.observing import scopes_of
from vmpattern.access.session import ignore
from vmpattern.access.stopping import never
from vmpattern.bakery import (
    DEADLINE_S,
    KEEP,
    Policy,
    Pruned,
    bake_all,
    bake_services,
    end_builders_in,
    images_in,
    prune_in,
)
from vmpattern.errors import Refused
from vmpattern.forecast import plan
from vmpattern.forecast.doctor import check_up
from vmpattern.model import BakeOutcome, Deployment, Event, InstanceId, Observation, Outcome, Plan, Result
from vmpattern.planner import Assessment, ImageUse, assess, decide
from vmpattern.planner.survey import survey
from vmpattern.reconcile import carry_out
from vmpattern.reconcile.former_balancers import forget_ended, settle
from vmpattern.reconcile.outcomes import found_no_room, not_baked, untouched, with_bakes
from vmpattern.reconcile.reconciler import Decide
from vmpattern.reconcile.staleness import check_fresh
from vmpattern.reconcile.targets import fleet_orders
from vmpattern.store.record import BalancerRecord, FileRecord, NoRecord

__all__ = ["apply", "bake", "check_up", "end_builders", "images", "observe", "plan", "prune", "survey"]

NO_RECORD = NoRecord()
NOTHING_BAKED = BakeOutcome(results=(), duration_s=0.0, api_calls=0)


def observe(deployment: Deployment, *, check: bool = True) -> Observation:
    """Read every cloud of the deployment: one that no fleet uses any more may still hold instances.

    Args:
        check: ask the drivers that can what is bound to fail, and what the account's limits leave, for a plan to refuse
            what can't be.

    Returns:
        One observation a cloud; a cloud that can't be read is there with its error, and nothing destructive follows.

    Raises:
        SpecError: a cloud's options are wrong.
        UnknownDriver: a cloud names a driver that isn't installed.
        ContractBroken: a driver did what the contract forbids.
    """
    with opened(deployment) as session:
        recorded = FileRecord(scopes=scopes_of(session)).read(deployment)
        return read_clouds(deployment, session, check=check, limits=check, recorded=recorded)


def apply(
    plan: Plan,
    *,
    on_event: Callable[[Event], None] | None = None,
    stop: StopSwitch | None = None,
    locks: Path | None = None,
) -> Outcome:
    """Carry out a plan, and return when the fleets are as asked for or can't get there.

    Images that the plan has to bake are baked first; unless all of them are there, no fleet is touched.

    Args:
        on_event: called with every event, in order, in the calling thread; what it raises ends the apply at once.
        stop: ask it to stop early; the outcome is then INTERRUPTED.
        locks: the folder of the lock files; the user's state folder by default.

    Returns:
        The outcome with all events; failures of a cloud are in it, never raised.

    Raises:
        StalePlan: instances of the plan's fleets came or went since it was made, or what it needs has changed; what
            fails later is replaced by the apply.
        Locked: another apply on this machine is changing one of the fleets.
        Refused: a secret can't be had, or a cloud can't be reached at all.

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
        return apply_in(session, plan, record=record, on_event=on_event, stop=switch, locks=locks)


def apply_in(
    session: Session,
    plan: Plan,
    *,
    record: BalancerRecord = NO_RECORD,
    on_event: Callable[[Event], None] | None = None,
    stop: Callable[[], bool] = never,
    locks: Path | None = None,
    decide: Decide = decide,
) -> Outcome:
    """Carry out a plan as `apply` does, in a session that is open, while the caller holds the fleets' locks."""
    deployment = plan.deployment
    if not plan.forecast.converges:
        raise Refused("\n".join(["nothing was changed, since the plan doesn't converge", *plan.notes]))
    recorded = record.read(deployment).within(deployment)
    observation = read_clouds(deployment, session, check=True, recorded=recorded)
    check_fresh(plan, observation)
    settle(record, recorded, deployment, observation)
    standing = _standing(plan, observation)
    if not plan.bakes and all(assessment.reached for assessment in standing.values()):
        return untouched(Result.NOTHING, standing, api_calls=observation.calls, no_room=observation.no_room)
    environment = environments(plan)
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)
        if on_event is not None:
            on_event(event)

    baked = NOTHING_BAKED
    if plan.bakes:
        baked = bake_all(deployment, plan.bakes, session, policy=Policy(), tell=tell, stop=stop, locks=locks)
    if not baked.ok:
        return not_baked(standing, baked, told)
    outcome = carry_out(
        deployment,
        fleet_orders(plan, environment, observation, recorded, baked),
        session,
        observation=observation,
        no_room=observation.no_room,
        on_event=on_event,
        stop=stop,
        remember=partial(record.remember, deployment),
        decide=decide,
    )
    record.note_no_room(deployment, found_no_room(outcome, observation))
    if outcome.ok:
        forget_ended(record, record.read(deployment), deployment, observation)
    return with_bakes(outcome, baked, told)


def _standing(plan: Plan, observation: Observation) -> dict[str, Assessment]:
    """Judge every fleet of a plan by what is there now."""
    fleets = plan.deployment.fleets
    return {
        name: assess(plan.deployment, fleets[name], fleet.slots, observation, named=fleet.terminates)
        for name, fleet in plan.fleets.items()
    }


def bake(
    deployment: Deployment,
    services: Sequence[str] = (),
    *,
    refresh: bool = False,
    smoke: bool = False,
    keep_builder: bool = False,
    deadline_s: float = DEADLINE_S,
    on_event: Callable[[Event], None] | None = None,
    stop: StopSwitch | None = None,
    locks: Path | None = None,
) -> BakeOutcome:
    """Bake the images of services, unless they are there already, in every cloud where a fleet may run them.

    The size of a fleet doesn't matter. A service that no fleet runs is baked in every cloud.

    Args:
        services: their names; empty: every service that has a recipe.
        refresh: bake again what was made from a base that has moved since.
        smoke: boot an instance of each image, and see whether it serves; a new image that doesn't is deleted.
        keep_builder: leave a builder that failed, for inspection.
        deadline_s: how long a builder may take.
        on_event: called with every event, in order, in the calling thread.
        stop: ask it to stop early; builders are then ended.
        locks: the folder of the lock files; the user's state folder by default.

    Returns:
        What came of each image; failures of a cloud are in it, never raised.

    Raises:
        SpecError: a service isn't there, its files can't be read, or its base isn't there; or two cloud entries are one
            account and region.
        Refused: a service has no recipe, or a smoke test's secret can't be had.
    """
    switch = stop or StopSwitch()
    policy = Policy(deadline_s=deadline_s, keep_builder=keep_builder, smoke=smoke)
    with opened(deployment) as session:
        switch.wakes(session.runtime)
        return bake_services(
            deployment,
            services,
            session,
            refresh=refresh,
            policy=policy,
            tell=on_event or ignore,
            stop=switch,
            locks=locks,
        )


def images(deployment: Deployment, *, keep: int = KEEP) -> tuple[tuple[ImageUse, ...], Observation]:
    """Return every image of the deployment with what it is needed for, and what all of that was told from.

    A cloud that couldn't be read is in the observation with its error, and none of its images is told.

    Raises:
        SpecError: two cloud entries are one account and region.
    """
    with opened(deployment) as session:
        return images_in(deployment, session, keep=keep)


def prune(deployment: Deployment, *, keep: int = KEEP) -> Pruned:
    """Delete the images that nothing needs, as they are now; what a cloud does is in the result, never raised.

    Guarantees:
        Never one that an instance runs from, a fleet wants, is being made, or can't be judged.

    Raises:
        SpecError: two cloud entries are one account and region.
    """
    with opened(deployment) as session:
        return prune_in(deployment, session, keep=keep)


def end_builders(deployment: Deployment) -> tuple[InstanceId, ...]:
    """End every builder of a deployment that is to vanish, and return which there were.

    Raises:
        DriverError: one can't be ended.
        SpecError: two cloud entries are one account and region.
    """
    with opened(deployment) as session:
        return end_builders_in(deployment, session)
