"""One bake from beginning to end: look, build, capture, wait, check, clean up. Begun again anywhere, it converges."""

import attrs

from vmpattern.bakery.building import has_said_so, stopped_builder
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.launching import obtained
from vmpattern.bakery.order import BUILD, CHECK, BakeFailed, Order, SmokeTest, Traces, is_for
from vmpattern.bakery.script import check_script
from vmpattern.bakery.smoke import pass_smoke_test
from vmpattern.driver import CaptureRequest
from vmpattern.errors import DriverError
from vmpattern.executor.loop import Stopped, Task
from vmpattern.model import BakeResult, BakeState, EventKind, Image, ImageId, ImageState, Phase

CAPTURE_S = 3600.0
"""How long a cloud may take to make an image."""
CHECK_S = 600.0
"""How long the first boot of a new image may take."""


def bake_image(desk: Desk, order: Order) -> Task[BakeResult]:
    """Make the image unless it is there, and leave no builder behind; never raises for what a cloud does."""
    began, traces = desk.now(), Traces()
    try:
        state, image = yield from _made(desk, order, traces)
        result = BakeResult(
            service=order.bake.service, cloud=desk.cloud, digest=order.bake.digest, state=state, image=image
        )
        if state is BakeState.BAKED:
            desk.tell(EventKind.BAKED, f"{order.bake.service}: the image {image} is there")
    except (Stopped, BakeFailed, DriverError) as error:
        result = yield from _ended(desk, order, traces, error)
        desk.tell(EventKind.BAKE_FAILED, f"{order.bake.service}: {result.message}")
    return attrs.evolve(result, duration_s=round(desk.now() - began, 3))


def _ended(desk: Desk, order: Order, traces: Traces, error: Exception) -> Task[BakeResult]:
    """Clean up, and tell what went wrong; what goes wrong with cleaning up never hides it."""
    stopped = isinstance(error, Stopped)
    code, message = ("Interrupted", "interrupted") if stopped else (getattr(error, "code", ""), str(error))
    builder = None
    try:
        if order.keep_builder and not stopped and traces.builder is not None:
            builder = traces.builder
            message += f"; the builder {builder} is kept for a look: the next `vmpattern bake` ends it"
        else:
            yield from _clean(desk, order, traces)
    except DriverError as trouble:
        message += f"; what it left couldn't be cleaned up ({trouble}): the next `vmpattern bake` tries again"
    return BakeResult(
        service=order.bake.service,
        cloud=desk.cloud,
        digest=order.bake.digest,
        state=BakeState.INTERRUPTED if stopped else BakeState.FAILED,
        code=code,
        message=message,
        console=error.console if isinstance(error, BakeFailed) else "",
        builder=builder,
    )


def _made(desk: Desk, order: Order, traces: Traces) -> Task[tuple[BakeState, ImageId]]:
    there = yield from _image(desk, order)
    if there is not None and there.state is ImageState.FAILED:
        yield from desk.delete_image(there.id)
        there = None
    if there is not None:
        yield from _until_available(desk, order, there.id)
        yield from _settle(desk, order, there.id, traces)
        if order.smoke is not None:
            yield from pass_smoke_test(desk, order, order.smoke, there.id)
        return BakeState.PRESENT, there.id
    builder = yield from stopped_builder(desk, order, traces)
    is_sure = yield from has_said_so(desk, order, builder)
    desk.tell(EventKind.BAKING, f"{order.bake.service}: is done, and its image is being made", builder.id)
    image = yield from desk.capture(
        CaptureRequest(
            builder=builder.id,
            deployment=desk.deployment,
            service=order.bake.service,
            digest=order.bake.digest,
            base=builder.image,
            recipe=order.bake.recipe,
        )
    )
    yield from _until_available(desk, order, image)
    if not is_sure:
        yield from _check(desk, order, image)
    if order.smoke is not None:
        yield from _pass_or_delete(desk, order, order.smoke, image)
    yield from _clean(desk, order, traces)
    return BakeState.BAKED, image


def _pass_or_delete(desk: Desk, order: Order, test: SmokeTest, image: ImageId) -> Task[None]:
    """Let a new image pass the smoke test; one that doesn't is deleted, so that nothing is launched from it."""
    try:
        yield from pass_smoke_test(desk, order, test, image)
    except BakeFailed as failure:
        yield from desk.delete_image(image)
        raise BakeFailed(
            f"{failure.message}; the image was deleted", console=failure.console, code=failure.code
        ) from None


def _image(desk: Desk, order: Order) -> Task[Image | None]:
    """Return the image of the digest, one that is good or may get so before one that failed."""
    images = yield from desk.images()
    own = [image for image in images if image.digest == order.bake.digest]
    return min(own, key=lambda image: (image.state is ImageState.FAILED, image.created_at, image.id), default=None)


def _until_available(desk: Desk, order: Order, id: ImageId) -> Task[None]:
    until = desk.now() + CAPTURE_S
    while True:
        images = yield from desk.patiently(desk.images())
        state = next((image.state for image in images or () if image.id == id), ImageState.PENDING)
        if state is ImageState.AVAILABLE:
            return
        if state is ImageState.FAILED:
            raise BakeFailed(f"{desk.cloud} couldn't make the image {id}: try again, or ask the provider why")
        if desk.now() >= until:
            raise BakeFailed(f"the image {id} isn't available after {CAPTURE_S / 60:.0f} minutes")
        yield from desk.sleep(desk.poll_s)


def _settle(desk: Desk, order: Order, image: ImageId, traces: Traces) -> Task[None]:
    """Finish what a bake that was cut short left: an image isn't trusted while its builder is still there."""
    crew = yield from desk.crew(order.bake.digest)
    builder = next((row for row in crew if is_for(row, BUILD) and row.phase is Phase.STOPPED), None)
    if builder is not None and not (yield from has_said_so(desk, order, builder)):
        yield from _check(desk, order, image)
    if crew:
        yield from _clean(desk, order, traces)


def _check(desk: Desk, order: Order, image: ImageId) -> Task[None]:
    """Boot the image with a script that stops it if it holds what was baked.

    Raises:
        BakeFailed: it doesn't; the image is deleted.
    """
    desk.tell(EventKind.BAKING, f"{order.bake.service}: no console tells; {image} is booted to see what it holds")
    script, until = check_script(order.bake.digest), desk.now() + CHECK_S
    checker = yield from obtained(
        desk, order, order.bake.sites[0], image=image, purpose=CHECK, script=lambda nonce: script
    )
    while desk.now() < until:
        crew = yield from desk.patiently(desk.crew(order.bake.digest))
        if any(row.id == checker.id and row.phase is Phase.STOPPED for row in crew or ()):
            return
        yield from desk.sleep(desk.poll_s)
    yield from desk.terminate([checker.id])
    yield from desk.delete_image(image)
    raise BakeFailed(f"the image {image} doesn't hold what was baked, so it was deleted")


def _clean(desk: Desk, order: Order, traces: Traces) -> Task[None]:
    """Unstage and end all that this bake made: staged data first, since a builder shows that there is some."""
    if order.staged:
        yield from desk.unstage(order.staged_as)
    crew = yield from desk.crew(order.bake.digest)
    ids = sorted({*(row.id for row in crew), *filter(None, [traces.builder])})
    if ids:
        yield from desk.terminate(ids)
