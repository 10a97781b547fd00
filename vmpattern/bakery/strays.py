"""What bakes left that no other will take up again: builders of recipes that have changed since."""

from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.access import Session, read_clouds
from vmpattern.access.leases import locked
from vmpattern.access.session import ignore
from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.jobs import job_name, lock_name
from vmpattern.bakery.leftovers import is_over
from vmpattern.errors import DriverError, Locked
from vmpattern.model import Deployment, Event, EventKind, Instance, InstanceId, Observation
from vmpattern.planner import refuse_overlaps


def end_strays(
    deployment: Deployment,
    observation: Observation,
    session: Session,
    *,
    besides: Collection[str],
    tell: Callable[[Event], None],
    locks: Path | None = None,
) -> None:
    """End what earlier bakes of this machine left, and what is over, `besides` that of digests that are looked after.

    What other machines launched and isn't over may still be at work. What can't be ended now is reported, and left to
    the next bake.
    """
    strays = [row for row in observation.instances() if _is_builder(row) and row.revision not in besides]
    if not strays:
        return
    desks = {
        name: Desk(name, deployment.name, session, tell, job=job_name(name, folder=locks)) for name in session.drivers
    }
    with ExitStack() as held:
        free = [row for row in strays if desks[row.cloud].is_own(row) and _lock(held, deployment, row, locks)]
        session.run([_end(desks[row.cloud], row, left=row in free) for row in strays], tell=tell)


def _lock(held: ExitStack, deployment: Deployment, row: Instance, locks: Path | None) -> bool:
    """Take the lock of a builder's digest, and return whether it could be had: no bake of this machine is at it."""
    name = lock_name(deployment.name, row.cloud, row.revision)
    try:
        held.enter_context(locked([name], folder=locks, wait_s=0.0, refused=lambda name: Locked(name)))
    except Locked:
        return False
    return True


def end_builders_in(deployment: Deployment, session: Session) -> tuple[InstanceId, ...]:
    """End every builder of a deployment, and return which there were; see `operations.end_builders`."""
    # Neither fleets nor services: builders are all that has to be read.
    observation = read_clouds(attrs.evolve(deployment, fleets={}, services={}), session)
    refuse_overlaps(observation)
    builders = [row for row in observation.instances() if _is_builder(row)]
    desks = {name: Desk(name, deployment.name, session, ignore, job="") for name in session.drivers}
    session.run([desks[row.cloud].terminate([row.id]) for row in builders])
    return tuple(row.id for row in builders)


def _is_builder(row: Instance) -> bool:
    return row.fleet == naming.BUILDERS and row.phase.is_live


def _end(desk: Desk, row: Instance, *, left: bool) -> Task[None]:
    try:
        if left or (yield from is_over(desk, row)):
            yield from desk.terminate([row.id])
            desk.tell(EventKind.TERMINATED, "was left by an earlier bake", row.id)
    except DriverError as error:
        desk.tell(EventKind.CALL_FAILED, f"was left by an earlier bake and can't be ended: {error}", row.id)
