"""From an image that was made to one that instances may be launched from: is it there, and does it hold what was baked?

Whatever happens, an image without the mark is launched from by bakes only. It is deleted where it turns out to be
wrong, but never once another job has verified it.
"""

from vmpattern import naming
from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.launching import obtained
from vmpattern.bakery.leftovers import CHECK_S
from vmpattern.bakery.order import CHECK, BakeFailed, Gone, Order, SmokeTest
from vmpattern.bakery.script import check_script
from vmpattern.bakery.smoke import pass_smoke_test
from vmpattern.errors import Invalid, NotFound
from vmpattern.model import EventKind, Image, ImageId, ImageState, Instance, Phase

CAPTURE_S = 3600.0
"""Seconds that a cloud may take to make an image."""
IN_USE_S = 120.0
"""Seconds for which a cloud may hold that an image is in use, after what ran from it was ended."""


def best_image(desk: Desk, order: Order) -> Task[Image | None]:
    """Return the image of the digest: one that is usable, else one that may get so, else one that failed."""
    images = yield from desk.images()
    own = [image for image in images if image.digest == order.bake.digest]
    return min(
        own,
        key=lambda image: (not image.is_usable, image.state is ImageState.FAILED, image.created_at, image.id),
        default=None,
    )


def verify(desk: Desk, order: Order, id: ImageId, *, builder: Instance | None) -> Task[None]:
    """Wait until the image is available, look what it holds, and mark it.

    Args:
        builder: one that has printed that it is done: an image that was made of it need not be booted for that.

    Raises:
        BakeFailed: it doesn't hold what was baked, or fails the smoke test; it was deleted.
        Gone: something else deleted it, or ended what was booted from it.
    """
    image = yield from _available(desk, id)
    is_sure = builder is not None and naming.builder_label(builder.id) == image.builder
    try:
        if not is_sure and not image.is_usable:
            yield from _check(desk, order, id)
        if order.smoke is not None:
            yield from _pass_or_delete(desk, order, order.smoke, id)
        yield from desk.mark_verified(id)
    except (Invalid, NotFound) as error:
        images = yield from desk.images()
        if any(image.id == id for image in images):
            raise
        raise Gone(f"the image {id} is gone: something else has deleted it") from error


def delete_unverified(desk: Desk, id: ImageId) -> Task[bool]:
    """Delete an image unless another job has verified it meanwhile; return whether it was deleted.

    Some clouds count what is ending as running from it, so that a refusal is taken for the last word only after a
    while.
    """
    until = desk.now() + IN_USE_S
    while True:
        images = yield from desk.images()
        if any(image.id == id and image.is_usable for image in images):
            return False
        try:
            yield from desk.delete_image(id)
        except Invalid:
            if desk.now() >= until:
                raise
            yield from desk.sleep(desk.poll_s)
        else:
            return True


def _available(desk: Desk, id: ImageId) -> Task[Image]:
    """Return the image as soon as it is available."""
    until = desk.now() + CAPTURE_S
    seen_at = desk.now()
    while True:
        images = yield from desk.patiently(desk.images())
        image = next((image for image in images or () if image.id == id), None)
        if image is not None and image.state is ImageState.AVAILABLE:
            return image
        if image is not None and image.state is ImageState.FAILED:
            raise BakeFailed(f"{desk.cloud} couldn't make the image {id}: try again, or ask the provider why")
        if image is not None or images is None:
            seen_at = desk.now()
        elif desk.now() >= seen_at + desk.certain_s:
            raise Gone(f"the image {id} is gone: something else has deleted it")
        if desk.now() >= until:
            raise BakeFailed(f"the image {id} isn't available after {CAPTURE_S / 60:.0f} minutes")
        yield from desk.sleep(desk.poll_s)


def _check(desk: Desk, order: Order, image: ImageId) -> Task[None]:
    """Boot the image with a script that stops it if it holds what was baked.

    Raises:
        BakeFailed: it doesn't; the image was deleted.
        Gone: something else ended what was booted.
    """
    desk.tell(EventKind.BAKING, f"{order.bake.service}: no console tells; {image} is booted to see what it holds")
    script = check_script(order.bake.digest)
    site = order.bake.sites[0]
    checker = yield from obtained(desk, order, site, image=image, purpose=CHECK, script=lambda nonce: script)
    seen_at, until = desk.now(), desk.now() + CHECK_S
    while desk.now() < until:
        crew = yield from desk.patiently(desk.crew(order.bake.digest))
        row = next((row for row in crew or () if row.id == checker.id), None)
        if row is not None and row.phase is Phase.STOPPED:
            return
        if row is not None or crew is None:
            seen_at = desk.now()
        elif desk.now() >= seen_at + desk.certain_s:
            raise Gone(f"{checker.id}, which was booted from {image}, is gone: something else has ended it")
        yield from desk.sleep(desk.poll_s)
    yield from desk.terminate([checker.id])
    if (yield from delete_unverified(desk, image)):
        raise BakeFailed(f"the image {image} doesn't hold what was baked, so it was deleted")


def _pass_or_delete(desk: Desk, order: Order, test: SmokeTest, image: ImageId) -> Task[None]:
    """Let a new image pass the smoke test; one that doesn't is deleted, so that nothing is launched from it."""
    try:
        yield from pass_smoke_test(desk, order, test, image)
    except BakeFailed as failure:
        deleted = yield from delete_unverified(desk, image)
        end = "was deleted" if deleted else "stays, since another job has verified it meanwhile"
        raise BakeFailed(f"{failure.message}; the image {end}", console=failure.console, code=failure.code) from None
