"""What bakes left that nobody will take up again: builders of recipes that have changed since."""

from collections.abc import Callable, Collection, Mapping

from vmpattern import naming
from vmpattern.bakery.building import is_over
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.loop import Loop, Task
from vmpattern.bakery.orders import DEADLINE_S
from vmpattern.driver import Driver
from vmpattern.errors import DriverError
from vmpattern.executor import Runtime
from vmpattern.model import Deployment, Event, EventKind, Instance, Observation


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


def _is_builder(row: Instance) -> bool:
    return row.fleet == naming.BUILDERS and row.phase.is_live


def _end(desk: Desk, row: Instance) -> Task[None]:
    try:
        if (yield from is_over(desk, row, DEADLINE_S)):
            yield from desk.terminate([row.id])
            desk.tell(EventKind.TERMINATED, "was left by an earlier bake", row.id)
    except DriverError as error:
        desk.tell(EventKind.CALL_FAILED, f"was left by an earlier bake and can't be ended: {error}", row.id)
