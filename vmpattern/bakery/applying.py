"""The verbs that users call: bake, and apply, which bakes first."""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from vmpattern import executor, naming
from vmpattern.bakery.orders import DEADLINE_S, Policy
from vmpattern.bakery.run import bake_all
from vmpattern.bakery.strays import end_strays
from vmpattern.errors import Problem, Refused, SpecError
from vmpattern.executor import Session, StopSwitch, opened, read_clouds
from vmpattern.executor.session import ignore
from vmpattern.model import (
    BakeOutcome,
    BakeResult,
    BakeState,
    CloudObservation,
    Deployment,
    Event,
    Outcome,
    Plan,
    Recipe,
    Service,
)
from vmpattern.planner import Chosen, bakes, chosen_images, refuse_overlaps


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
        StalePlan: instances came or went since the plan was made, in a fleet that it changes, or a recipe changed.
        Locked: another apply on this machine is changing one of the fleets.
        Refused: a secret can't be had, or a cloud can't be reached at all.

    Guarantees:
        Terminates only what the plan names, what was launched under it, and what two witnesses condemn.
    """
    return executor.apply(plan, on_event=on_event, stop=stop, locks=locks, bake=_bake_plan)


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
    """Bake the images of services, in every cloud that runs them, unless they are there already.

    Args:
        services: their names; empty: every service that has a recipe.
        refresh: bake again what was made from a base that has moved since.
        smoke: boot an instance of each image, and see whether it serves; a new image that doesn't is deleted.
        keep_builder: leave a builder that failed, for a look.
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
    names = _services(deployment, services)
    switch = stop or StopSwitch()
    tell = on_event or ignore
    with opened(deployment) as session:
        # Fleets are left out of this reading: no instance has to be asked for its health here.
        observation = read_clouds(attrs.evolve(deployment, fleets={}), session)
        refuse_overlaps(observation)
        chosen = chosen_images(deployment, observation, services=names, refresh=refresh)
        settled = [result for each in chosen if (result := _settled(*each, smoke=smoke)) is not None]
        known = {(result.cloud, result.digest) for result in settled}
        every = bakes(deployment, observation, services=names, refresh=refresh, present=True)
        wanted = [bake for bake in every if (bake.cloud, bake.digest) not in known]
        switch.wakes(session.runtime)
        policy = Policy(deadline_s=deadline_s, keep_builder=keep_builder, smoke=smoke)
        outcome = bake_all(deployment, wanted, session, policy=policy, tell=tell, stop=switch, locks=locks)
        besides = {bake.digest for bake in every}
        end_strays(deployment, observation, session, besides=besides, tell=tell, locks=locks)
    calls = observation.calls + outcome.api_calls
    return attrs.evolve(outcome, results=(*settled, *outcome.results), api_calls=calls)


def _bake_plan(
    plan: Plan,
    session: Session,
    *,
    tell: Callable[[Event], None],
    stop: Callable[[], bool],
    locks: Path | None,
) -> BakeOutcome:
    return bake_all(plan.deployment, plan.bakes, session, policy=Policy(), tell=tell, stop=stop, locks=locks)


def _services(deployment: Deployment, names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in deployment.services:
            raise SpecError([Problem(f"services.{name}", f"isn't there; services: {', '.join(deployment.services)}")])
        if not isinstance(deployment.services[name].image, Recipe):
            raise Refused(f"the image of {name} is made elsewhere: there is nothing to bake")
    return list(names) or [name for name, one in deployment.services.items() if isinstance(one.image, Recipe)]


def _settled(service: Service, cloud: CloudObservation, chosen: Chosen, *, smoke: bool) -> BakeResult | None:
    """Return what came of an image that nothing has to be done for, or can be; None: a bake looks after it."""
    image = chosen.id if isinstance(chosen.id, str) else None
    result = BakeResult(
        service=service.name, cloud=cloud.name, digest=chosen.written, state=BakeState.PRESENT, image=image
    )
    if cloud.error is not None:
        message = f"{cloud.name} couldn't be read: {cloud.error}"
        return attrs.evolve(result, state=BakeState.FAILED, image=None, code="Unreadable", message=message)
    crew = [row for row in cloud.instances if row.fleet == naming.BUILDERS and row.revision == chosen.written]
    busy = smoke or chosen.to_bake or any(row.phase.is_live for row in crew)
    return None if busy else result
