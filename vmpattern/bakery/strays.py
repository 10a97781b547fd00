"""What bakes left that nobody will take up again: builders of recipes that have changed since."""

from collections.abc import Callable, Collection, Mapping

import attrs

from vmpattern import naming
from vmpattern.bakery.building import is_over
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.loop import Loop, Task
from vmpattern.bakery.orders import DEADLINE_S
from vmpattern.driver import Driver
from vmpattern.errors import DriverError
from vmpattern.executor import Runtime, connected, runtime_for, silent_probe
from vmpattern.executor.observing import read_clouds
from vmpattern.model import Deployment, Event, EventKind, Instance, InstanceId, Observation


def end_strays(
    deployment: Deployment,
    observation: Observation,
    drivers: Mapping[str, Driver],
    runtime: Runtime,
    *,
    besides: Collection[str],
    tell: Callable[[Event], None],
) -> None:
    """End builders that failed or are overdue, `besides` those of digests that somebody looks after.

    Others may still be at work for another machine. What can't be ended now is told, and left to the next bake.
    """
    strays = [row for row in observation.instances() if _is_builder(row) and row.revision not in besides]
    loop = Loop(drivers, runtime, tell=tell, stop=lambda: False)
    desks = {name: Desk(name, driver, deployment.name, runtime, tell) for name, driver in drivers.items()}
    loop.run([_end(desks[row.cloud], row) for row in strays])


def end_builders(deployment: Deployment) -> tuple[InstanceId, ...]:
    """End every builder of a deployment that is to vanish, and return which there were.

    Raises:
        DriverError: one can't be ended.
    """
    with connected(deployment) as drivers:
        # Neither fleets nor services: builders are all that has to be read.
        bare = attrs.evolve(deployment, fleets={}, services={})
        observation = read_clouds(bare, drivers, probe=silent_probe)
        builders = [row for row in observation.instances() if _is_builder(row)]
        runtime = runtime_for(drivers)
        loop = Loop(drivers, runtime, tell=_ignore, stop=lambda: False)
        desks = {name: Desk(name, driver, deployment.name, runtime, _ignore) for name, driver in drivers.items()}
        loop.run([desks[row.cloud].terminate([row.id]) for row in builders])
    return tuple(row.id for row in builders)


def _ignore(event: Event) -> None:
    """Take an event that nobody wants."""


def _is_builder(row: Instance) -> bool:
    return row.fleet == naming.BUILDERS and row.phase.is_live


def _end(desk: Desk, row: Instance) -> Task[None]:
    try:
        if (yield from is_over(desk, row, DEADLINE_S)):
            yield from desk.terminate([row.id])
            desk.tell(EventKind.TERMINATED, "was left by an earlier bake", row.id)
    except DriverError as error:
        desk.tell(EventKind.CALL_FAILED, f"was left by an earlier bake and can't be ended: {error}", row.id)
