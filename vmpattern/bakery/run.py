"""Baking several images at the same time, one bake of a digest at a time on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vmpattern.access import Session
from vmpattern.access.leases import locked
from vmpattern.bakery.baking import bake_image
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.jobs import job_name, lock_name
from vmpattern.bakery.orders import Policy, orders_of
from vmpattern.errors import Locked
from vmpattern.model import Bake, BakeOutcome, BakeResult, BakeState, Deployment, Event, EventKind

WAIT_S = 0.25
"""How often somebody who waits for another bake looks whether to stop."""


def bake_all(
    deployment: Deployment,
    bakes: Sequence[Bake],
    session: Session,
    *,
    policy: Policy,
    tell: Callable[[Event], None],
    stop: Callable[[], bool],
    locks: Path | None = None,
    job: str = "",
) -> BakeOutcome:
    """Make every image that isn't there yet, all at the same time, and return what came of it.

    A digest that another process on this machine bakes is waited for; one that another machine bakes is adopted.

    Args:
        job: the name in the labels of builders; by default that of all jobs which share the locks, see `jobs`.

    Raises:
        StalePlan: files have changed since the bakes were planned.
        Refused: files can't be read any more.
    """
    runtime = session.runtime
    session.listener = tell
    began, calls_before = runtime.now(), session.calls
    capabilities = {name: driver.capabilities for name, driver in session.drivers.items()}
    orders = orders_of(deployment, bakes, capabilities, policy)
    names = sorted({lock_name(deployment.name, bake.cloud, bake.digest) for bake in bakes})

    told: set[str] = set()

    def refused(name: str) -> Locked | None:
        text = f"another process on this machine bakes {name.rpartition('.')[2]}: waiting for it"
        if name not in told:
            told.add(name)
            tell(Event(at=runtime.now(), kind=EventKind.BAKING, message=text))
        return Locked(text) if stop() else None

    desks = {
        name: Desk(name, deployment.name, session, tell, job=job or job_name(name, folder=locks))
        for name in session.drivers
    }
    try:
        with locked(names, folder=locks, wait_s=WAIT_S, refused=refused):
            results = session.run(
                [bake_image(desks[order.bake.cloud], order) for order in orders], tell=tell, stop=stop
            )
    except Locked:
        results = [_interrupted(bake) for bake in bakes]
    return BakeOutcome(results=tuple(results), duration_s=runtime.now() - began, api_calls=session.calls - calls_before)


def _interrupted(bake: Bake) -> BakeResult:
    return BakeResult(
        service=bake.service,
        cloud=bake.cloud,
        digest=bake.digest,
        state=BakeState.INTERRUPTED,
        code="Interrupted",
        message="it was asked to stop while another process on this machine baked the image",
    )
