"""Baking several images at the same time, one bake of a digest at a time on this machine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vmpattern.bakery.baking import bake_image
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.loop import Loop
from vmpattern.bakery.orders import Policy, orders_of
from vmpattern.driver import Driver
from vmpattern.errors import Locked
from vmpattern.executor import Runtime
from vmpattern.executor.lease import locked
from vmpattern.model import Bake, BakeOutcome, BakeResult, BakeState, Deployment, Event, EventKind

WAIT_S = 0.25
"""How often somebody who waits for another bake looks whether to stop."""


def bake_all(
    deployment: Deployment,
    bakes: Sequence[Bake],
    drivers: Mapping[str, Driver],
    runtime: Runtime,
    *,
    policy: Policy,
    tell: Callable[[Event], None],
    stop: Callable[[], bool],
    locks: Path | None = None,
) -> BakeOutcome:
    """Make every image that isn't there yet, all at the same time, and return what came of it.

    A digest that another process on this machine bakes is waited for; one that another machine bakes is adopted.

    Raises:
        StalePlan: files have changed since the bakes were planned.
        Refused: files can't be read any more.
    """
    began = runtime.now()
    capabilities = {name: driver.capabilities for name, driver in drivers.items()}
    orders = orders_of(deployment, bakes, capabilities, policy)
    names = sorted({f"{deployment.name}.{bake.cloud}.{bake.digest}" for bake in bakes})

    told: set[str] = set()

    def refused(name: str) -> Locked | None:
        text = f"another process on this machine bakes {name.rpartition('.')[2]}: waiting for it"
        if name not in told:
            told.add(name)
            tell(Event(at=runtime.now(), kind=EventKind.BAKING, message=text))
        return Locked(text) if stop() else None

    loop = Loop(drivers, runtime, tell=tell, stop=stop)
    desks = {name: Desk(name, driver, deployment.name, runtime, tell) for name, driver in drivers.items()}
    try:
        with locked(names, folder=locks, wait_s=WAIT_S, refused=refused):
            results = loop.run([bake_image(desks[order.bake.cloud], order) for order in orders])
    except Locked:
        results = [_interrupted(bake) for bake in bakes]
    return BakeOutcome(results=tuple(results), duration_s=runtime.now() - began, api_calls=loop.calls)


def _interrupted(bake: Bake) -> BakeResult:
    return BakeResult(
        service=bake.service,
        cloud=bake.cloud,
        digest=bake.digest,
        state=BakeState.INTERRUPTED,
        code="Interrupted",
        message="interrupted",
    )
