"""One bake from beginning to end: look, build, capture, verify, clean up. Begun again anywhere, it converges.

An image may be launched from once it is marked as verified, which is the last thing that a bake does before it cleans
up. What was marked stays so; what isn't is verified by the next bake, or deleted and made again.
"""

import attrs

from vmpattern import naming
from vmpattern.access.tasks import Stopped, Task
from vmpattern.bakery.building import has_said_so, stopped_builder
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.leftovers import clean_up, is_over, named
from vmpattern.bakery.order import BUILD, SMOKE, BakeFailed, Gone, Order, Traces, is_for
from vmpattern.bakery.smoke import pass_smoke_test
from vmpattern.bakery.verifying import best_image, delete_unverified, verify
from vmpattern.driver import CaptureRequest
from vmpattern.errors import DriverError
from vmpattern.model import BakeResult, BakeState, EventKind, Image, ImageId, ImageState, Instance, InstanceId

MOST_ROUNDS = 3
"""How often a bake begins, where what another job made is gone before it could be used."""


def bake_image(desk: Desk, order: Order) -> Task[BakeResult]:
    """Make the image unless it is there, and leave no builder of its own; never raises for what a cloud does."""
    began, traces = desk.now(), Traces()
    try:
        state, image = yield from _made(desk, order, traces)
        result = BakeResult(
            service=order.bake.service,
            cloud=desk.cloud,
            digest=order.bake.digest,
            state=state,
            image=image,
            code="NotCleanedUp" if traces.left else "",
            message=traces.left,
        )
        if state is BakeState.BAKED:
            desk.tell(EventKind.BAKED, f"{order.bake.service}: the image {image} is there")
            if traces.left:
                desk.tell(EventKind.CALL_FAILED, f"{order.bake.service}: {traces.left}")
    except (Stopped, BakeFailed, DriverError) as error:
        result = yield from _ended(desk, order, traces, error)
        desk.tell(EventKind.BAKE_FAILED, f"{order.bake.service}: {result.message}")
    return attrs.evolve(result, duration_s=round(desk.now() - began, 3))


def _ended(desk: Desk, order: Order, traces: Traces, error: Exception) -> Task[BakeResult]:
    """Clean up, and say what went wrong; what goes wrong with cleaning up never hides it."""
    stopped = isinstance(error, Stopped)
    code, message = ("Interrupted", "it was asked to stop") if stopped else (getattr(error, "code", ""), str(error))
    kept, builder = None, traces.builder
    try:
        if order.keep_builder and not stopped and builder is not None and desk.is_own(builder):
            kept = builder.id
            message += f"; the builder {kept} is kept for inspection: the next `vmpattern bake` ends it"
        else:
            message += yield from _cleaned(desk, order, traces, stopped=stopped)
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
        builder=kept,
    )


def _cleaned(desk: Desk, order: Order, traces: Traces, *, stopped: bool) -> Task[str]:
    """End what this job launched, and return what is to be said of the rest.

    An image that wasn't verified goes with an interruption, unless another job still works on it.
    """
    left = yield from clean_up(desk, order, traces, is_verified=False)
    words = f"; left to the job that launched it: {named(left)}" if left else ""
    image = (yield from best_image(desk, order)) if stopped or traces.image is not None else None
    if image is None or image.is_usable or image.state is ImageState.FAILED:
        return words
    if stopped and not left:
        deleted = yield from delete_unverified(desk, image.id)
        return words + (f"; the image {image.id} wasn't verified yet and was deleted" if deleted else "")
    return words + f"; the image {image.id} isn't verified: the next bake goes on with it, and nothing else uses it"


def _made(desk: Desk, order: Order, traces: Traces) -> Task[tuple[BakeState, ImageId]]:
    """Look, and do what is lacking; begin again where another job took away what this one waited for."""
    for _ in range(MOST_ROUNDS - 1):
        try:
            return (yield from _once(desk, order, traces))
        except Gone as gone:
            if traces.builder is not None and desk.is_own(traces.builder):
                found = yield from best_image(desk, order)
                if found is None or found.state is ImageState.FAILED:
                    raise
            desk.tell(EventKind.BAKING, f"{order.bake.service}: {gone.message}; begins again")
            traces.builder = traces.image = None
    return (yield from _once(desk, order, traces))


def _once(desk: Desk, order: Order, traces: Traces) -> Task[tuple[BakeState, ImageId]]:
    found = yield from best_image(desk, order)
    if found is not None and found.is_usable:
        yield from clean_up(desk, order, traces, is_verified=True)
        if order.smoke is not None:
            yield from _try_again(desk, order, found.id)
        return BakeState.PRESENT, found.id
    if found is not None and found.state is ImageState.FAILED:
        yield from desk.delete_image(found.id)
        found = None
    builder = yield from (stopped_builder(desk, order, traces) if found is None else _left(desk, order, found))
    is_sure = builder is not None and (yield from has_said_so(desk, order, builder))
    traces.image = found.id if found else None
    if found is None and builder is not None:
        traces.image = yield from _captured(desk, order, builder)
    assert traces.image is not None, "it was found, or captured"
    yield from verify(desk, order, traces.image, builder=builder if is_sure else None)
    yield from _tidied(desk, order, traces)
    return BakeState.BAKED, traces.image


def _tidied(desk: Desk, order: Order, traces: Traces) -> Task[None]:
    """Clean up after an image that is verified, which stays good whatever becomes of the rest; note what is left."""
    for is_last in (False, True):
        try:
            yield from clean_up(desk, order, traces, is_verified=True)
            return
        except DriverError as trouble:
            if is_last:
                traces.left = f"what it left couldn't be cleaned up ({trouble}): the next `vmpattern bake` tries again"


def _captured(desk: Desk, order: Order, builder: Instance) -> Task[ImageId]:
    desk.tell(EventKind.BAKING, f"{order.bake.service}: is done, and its image is being made", builder.id)
    request = CaptureRequest(
        builder=builder.id,
        deployment=desk.deployment,
        service=order.bake.service,
        digest=order.bake.digest,
        base=builder.image,
        recipe=order.bake.recipe,
    )
    return (yield from desk.capture(request))


def _left(desk: Desk, order: Order, image: Image) -> Task[Instance | None]:
    """Return the builder that an image was made of, if it is there; end what is over, or an earlier smoke test left."""
    desk.tell(EventKind.BAKING, f"{order.bake.service}: the image {image.id} is there, and isn't verified yet")
    crew = yield from desk.crew(order.bake.digest)
    useless: list[InstanceId] = []
    for row in crew:
        is_test = is_for(row, SMOKE) and desk.is_own(row)
        if not is_for(row, BUILD) and (is_test or (yield from is_over(desk, row))):
            useless.append(row.id)
    if useless:
        yield from desk.terminate(useless)
    return next((row for row in crew if is_for(row, BUILD) and naming.builder_label(row.id) == image.builder), None)


def _try_again(desk: Desk, order: Order, image: ImageId) -> Task[None]:
    """Let an image that was verified before pass the smoke test; it stays, since instances may run from it."""
    assert order.smoke is not None, "only a bake with a smoke test tries an image again"
    try:
        yield from pass_smoke_test(desk, order, order.smoke, image)
    except BakeFailed as failure:
        text = f"{failure.message}; it was verified by an earlier bake and stays, and applies launch from it"
        raise BakeFailed(text, console=failure.console, code=failure.code) from None
