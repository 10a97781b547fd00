"""Baking the images of services that aren't there yet, and clearing away what earlier bakes left."""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.access import Session, read_clouds
from vmpattern.bakery.orders import Policy
from vmpattern.bakery.run import bake_all
from vmpattern.bakery.strays import end_strays
from vmpattern.errors import Problem, Refused, SpecError
from vmpattern.model import BakeOutcome, BakeResult, BakeState, CloudObservation, Deployment, Event, Recipe, Service
from vmpattern.planner import Chosen, bakes, chosen_images, refuse_overlaps


def bake_services(
    deployment: Deployment,
    services: Sequence[str],
    session: Session,
    *,
    refresh: bool,
    policy: Policy,
    tell: Callable[[Event], None],
    stop: Callable[[], bool],
    locks: Path | None,
) -> BakeOutcome:
    """Bake the images of these services, of all that have a recipe if none is named; see `operations.bake`."""
    names = _services(deployment, services)
    # Fleets are left out of this reading: no instance has to be asked for its health here.
    observation = read_clouds(attrs.evolve(deployment, fleets={}), session)
    refuse_overlaps(observation)
    # What is asked for by name is baked for fleets of size 0 as well: they may be given another size any time.
    chosen = chosen_images(deployment, observation, services=names, refresh=refresh, idle=True)
    settled = [result for each in chosen if (result := _settled(*each, smoke=policy.smoke)) is not None]
    known = {(result.cloud, result.digest) for result in settled}
    every = bakes(deployment, observation, services=names, refresh=refresh, present=True, idle=True)
    wanted = [bake for bake in every if (bake.cloud, bake.digest) not in known]
    outcome = bake_all(deployment, wanted, session, policy=policy, tell=tell, stop=stop, locks=locks)
    besides = {bake.digest for bake in every}
    end_strays(deployment, observation, session, besides=besides, tell=tell, locks=locks)
    calls = observation.calls + outcome.api_calls
    return attrs.evolve(outcome, results=(*settled, *outcome.results), api_calls=calls)


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
