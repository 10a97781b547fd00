"""What bakes left that nobody will take up again: builders of recipes that have changed since."""

from collections.abc import Callable, Collection

import attrs

from vmpattern import naming
from vmpattern.bakery.building import is_over
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.orders import DEADLINE_S
from vmpattern.errors import DriverError
from vmpattern.executor import Session, opened, read_clouds
from vmpattern.executor.loop import Task
from vmpattern.executor.session import ignore
from vmpattern.model import Deployment, Event, EventKind, Instance, InstanceId, Observation
from vmpattern.planner import refuse_overlaps


def end_strays(
    deployment: Deployment,
    observation: Observation,
    session: Session,
    *,
    besides: Collection[str],
    tell: Callable[[Event], None],
) -> None:
    """End builders that failed or are overdue, `besides` those of digests that somebody looks after.

    Others may still be at work for another machine. What can't be ended now is told, and left to the next bake.
    """
    strays = [row for row in observation.instances() if _is_builder(row) and row.revision not in besides]
    desks = {name: Desk(name, deployment.name, session, tell) for name in session.drivers}
    session.run([_end(desks[row.cloud], row) for row in strays], tell=tell)


def end_builders(deployment: Deployment) -> tuple[InstanceId, ...]:
    """End every builder of a deployment that is to vanish, and return which there were.

    Raises:
        DriverError: one can't be ended.
        SpecError: two cloud entries are one account and region.
    """
    with opened(deployment) as session:
        # Neither fleets nor services: builders are all that has to be read.
        bare = attrs.evolve(deployment, fleets={}, services={})
        observation = read_clouds(bare, session)
        refuse_overlaps(observation)
        builders = [row for row in observation.instances() if _is_builder(row)]
        desks = {name: Desk(name, deployment.name, session, ignore) for name in session.drivers}
        session.run([desks[row.cloud].terminate([row.id]) for row in builders])
    return tuple(row.id for row in builders)


def _is_builder(row: Instance) -> bool:
    return row.fleet == naming.BUILDERS and row.phase.is_live


def _end(desk: Desk, row: Instance) -> Task[None]:
    try:
        if (yield from is_over(desk, row, DEADLINE_S)):
            yield from desk.terminate([row.id])
            desk.tell(EventKind.TERMINATED, "was left by an earlier bake", row.id)
    except DriverError as error:
        desk.tell(EventKind.CALL_FAILED, f"was left by an earlier bake and can't be ended: {error}", row.id)
