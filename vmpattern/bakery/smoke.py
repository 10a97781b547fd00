"""The smoke test of an image: one instance of the service is booted from it, has to be healthy, and is ended."""

from vmpattern.access.probing import NetworkProber
from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.launching import obtained
from vmpattern.bakery.leftovers import READY_S
from vmpattern.bakery.order import SMOKE, BakeFailed, Order, SmokeTest
from vmpattern.model import EventKind, Health, ImageId, Instance, Phase


def pass_smoke_test(desk: Desk, order: Order, test: SmokeTest, image: ImageId) -> Task[None]:
    """Boot, ask until it is healthy, and end it.

    Raises:
        BakeFailed: it didn't get healthy in time; it has been ended.
    """
    service = order.bake.service
    row = yield from obtained(
        desk, order, order.bake.sites[0], image=image, purpose=SMOKE, env=test.env, port=test.port
    )
    sees = "serves" if test.check is not None else "runs, since the service has no health check"
    desk.tell(EventKind.BAKING, f"{service}: is booted from {image} to see whether it {sees}", row.id)
    prober = NetworkProber({row.fleet: test.port})
    until, healthy = desk.now() + READY_S, False
    while not healthy and desk.now() < until:
        yield from desk.sleep(desk.poll_s)
        healthy = yield from _is_healthy(desk, order, test, row, prober)
    console = "" if healthy else (yield from desk.console(row.id))
    yield from desk.terminate([row.id])
    if not healthy:
        message = f"the image {image} failed its smoke test: {row.id} wasn't healthy within {READY_S / 60:.0f} minutes"
        raise BakeFailed(message, console=console, code="SmokeTestFailed")


def _is_healthy(desk: Desk, order: Order, test: SmokeTest, launched: Instance, prober: NetworkProber) -> Task[bool]:
    """Ask as a fleet would: the service's check, else the provider's word, else whether it runs."""
    crew = yield from desk.patiently(desk.crew(order.bake.digest))
    row = next((one for one in crew or () if one.id == launched.id), None)
    if row is None or row.phase is not Phase.RUNNING:
        return False
    if test.check is not None:
        return (yield from desk.probe(row, test.check, prober)) is Health.HEALTHY
    return row.health is Health.HEALTHY if desk.capabilities.native_health else True
