"""Images: of ours only; and where a driver bakes, made of builders that have stopped, once, with their labels."""

import contextlib
from collections.abc import Sequence
from itertools import cycle, islice

import attrs

from vmpattern import naming
from vmpattern.driver import Baker, CaptureRequest
from vmpattern.errors import DriverError, Invalid, NotFound, OutcomeUnknown, Unsupported
from vmpattern.model import Image, ImageId, ImageState, Instance, InstanceId, Phase
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.clauses import clause
from vmpattern.testing.kit import Fault, NotGiven

SERVICE = "checked"
RECIPE = "b1234-p1234-r1234-f1234-x" + "123456" * 6
NOWHERE = "no-such-base"
SECONDS = 300.0


@clause("image-1", "`images` lists images of the deployment only.")
def images_are_of_the_deployment(bench: Bench) -> None:
    other = [image.id for image in bench.images() if image.deployment != bench.deployment]
    expect(not other, f"images of others: {told(other)}")


@clause("image-2", "`delete_images` of what isn't there is success.", exercises="baker")
def deletes_what_is_gone(bench: Bench) -> None:
    if not bench.can.baker:
        bench.patiently(lambda: bench.driver.delete_images([ImageId("no-such-image")]))
        return
    image = captured(bench, "gone")
    bench.patiently(lambda: bench.driver.delete_images([image.id]))
    bench.until(lambda: not bench.images(), "a deleted image isn't listed")
    bench.patiently(lambda: bench.driver.delete_images([image.id]))


@clause(
    "image-3",
    "`delete_images` of an image that an instance runs from is `Invalid`, and none is deleted.",
    exercises="baker",
)
def keeps_images_in_use(bench: Bench) -> None:
    if not bench.can.baker:
        bench.skip("baking isn't declared, and no image is ours that the driver didn't make")
    bench.need_room(2)
    used, other = captured(bench, "used"), captured(bench, "other")
    bench.launched(image=used.id)
    bench.raises(Invalid, "deleting an image in use", lambda: bench.driver.delete_images([other.id, used.id]))
    bench.settle()
    left = {image.id for image in bench.images()}
    expect(left == {used.id, other.id}, f"of two images, one in use, {told(left)} is left")


@clause("image-4", "`delete_images` never touches what lacks our labels; `mark_verified` of it is `NotFound`.")
def strangers_images_stay(bench: Bench) -> None:
    stranger = bench.kit.plant_image()
    with contextlib.suppress(DriverError):
        bench.patiently(lambda: bench.driver.delete_images([stranger]))
    driver = bench.driver
    if bench.can.baker and isinstance(driver, Baker):
        bench.raises(NotFound, "marking an image without our labels", lambda: driver.mark_verified(stranger))
    bench.settle()
    expect(bench.kit.image_lives(stranger), f"the image {stranger} lacks our labels and was deleted")


@clause(
    "bake-1",
    "A launch with a script runs it once; powered off by it, the VM is STOPPED until it is ended.",
    exercises="baker",
)
def builders_stop(bench: Bench) -> None:
    _baker(bench)
    builder = _stopped(bench, "stops")
    bench.settle()
    now = [row.phase for row in bench.rows() if row.id == builder.id]
    expect(now == [Phase.STOPPED], f"a builder that had stopped is {told(phase.value for phase in now)}")


@clause(
    "bake-2",
    "`capture` makes an image with its labels, which is AVAILABLE in the end, can be launched, and is no base.",
    exercises="baker",
)
def captures_what_can_be_launched(bench: Bench) -> None:
    driver, base = _baker(bench), bench.kit.base
    before = bench.patiently(lambda: driver.resolve(base)) if base else None
    builder = _stopped(bench, "whole")
    image = captured(bench, "whole", builder)
    made_of, base_label = naming.builder_label(builder.id), naming.base_label(bench.kit.image)
    wanted = (SERVICE, "dwhole", base_label, RECIPE, made_of, bench.kit.cloud)
    found = (image.service, image.digest, image.base, image.recipe, image.builder, image.cloud)
    expect(found == wanted, f"the labels of an image are {told(found)}, expected {told(wanted)}")
    (row,) = bench.launched(image=image.id)
    expect(row.image == image.id, f"launched from {image.id}, it is listed with {row.image}")
    after = bench.patiently(lambda: driver.resolve(base)) if base else None
    expect(after == before, f"the base {base} was {before}, and now that an image was made it is {after}")


@clause(
    "bake-3", "`capture` of a digest that has an image returns that one, after a lost reply too.", exercises="baker"
)
def captures_once(bench: Bench) -> None:
    driver = _baker(bench)
    builder = _stopped(bench, "once")
    request = _request(bench, builder, "once")
    faulty = bench.connect(Fault.LOST_AFTER)
    assert isinstance(faulty, Baker)
    bench.raises(OutcomeUnknown, "a capture whose reply was lost", lambda: faulty.capture(request))
    bench.until(lambda: bool(bench.images()), "an image is listed though the reply was lost")
    again = bench.patiently(lambda: driver.capture(request))
    bench.settle()
    ids = [image.id for image in bench.images()]
    expect(ids == [again], f"two captures of one digest returned {again}, and made {told(ids)}")


@clause(
    "bake-4",
    "`capture` of a builder that runs is `Invalid`, of one that isn't there `NotFound`; nothing is made.",
    exercises="baker",
)
def captures_only_what_has_stopped(bench: Bench) -> None:
    driver = _baker(bench)
    (row,) = bench.launched()
    bench.until(lambda: [one.phase for one in bench.rows()] == [Phase.RUNNING], "an instance runs")
    bench.raises(Invalid, "a capture of what runs", lambda: driver.capture(_request(bench, row, "runs")))
    bench.terminate([row.id])
    bench.until(lambda: not bench.rows(), "what was ended isn't listed")
    bench.raises(NotFound, "a capture of what is gone", lambda: driver.capture(_request(bench, row, "gone")))
    bench.settle()
    expect(not bench.images(), f"captures that can't be made {told(image.id for image in bench.images())}")


@clause("bake-5", "`resolve` returns an image that can be launched, `NotFound` where there is none.", exercises="baker")
def bases_are_found(bench: Bench) -> None:
    driver = _baker(bench)
    bench.raises(NotFound, f"the base {NOWHERE}", lambda: driver.resolve(NOWHERE))
    if not bench.kit.base:
        raise NotGiven("base")
    found = bench.patiently(lambda: driver.resolve(bench.kit.base))
    same = bench.patiently(lambda: driver.resolve(found))
    expect(same == found, f"the base {bench.kit.base} is {found}, and that is {same}")
    bench.launched(image=found)


@clause(
    "bake-6",
    "A script of `script_bytes` is taken, one of more is `Invalid`, names `script`, and creates nothing.",
    exercises="baker",
)
def scripts_are_as_long_as_declared(bench: Bench) -> None:
    _baker(bench)
    most = bench.can.script_bytes
    longer = bench.request(script=_script(bench, most + 1), fleet=naming.BUILDERS)
    error = bench.raises(Invalid, f"a script of {most + 1:,} bytes", lambda: bench.driver.launch(longer))
    expect(error.field == "script", f"the error of a long script names the field {error.field or 'not at all'}")
    bench.settle()
    expect(not bench.live(), f"a script that is too long made {told(bench.live())}")
    bench.launched(script=_script(bench, most), fleet=naming.BUILDERS)


@clause(
    "bake-7",
    "What is staged is found at its URL, again after the same `stage`, and no more after `unstage`.",
    exercises="staging",
)
def staged_data_is_found(bench: Bench) -> None:
    driver = _baker(bench)
    if not bench.can.staging:
        bench.skip("staging isn't declared")
    data = bytes(islice(cycle(range(256)), 100_000))
    name = f"{bench.deployment}.tar"
    bench.patiently(lambda: driver.stage(name, data, lifetime_s=SECONDS))
    url = bench.patiently(lambda: driver.stage(name, data, lifetime_s=SECONDS))
    found = bench.kit.fetch(url)
    expect(found == data, f"staged {len(data)} bytes, found {'nothing' if found is None else len(found)}")
    for _ in range(2):
        bench.patiently(lambda: driver.unstage([name]))
    expect(bench.kit.fetch(url) is None, "what was unstaged is found all the same")


@clause("bake-8", "Without `staging`, `stage` raises `Unsupported`; without `baker`, all its verbs do.")
def undeclared_baking_is_refused(bench: Bench) -> None:
    driver = bench.driver
    if not isinstance(driver, Baker) or (bench.can.baker and bench.can.staging):
        bench.skip("they are declared" if bench.can.baker else "the driver has no verb of a baker")
    bench.raises(Unsupported, "stage, which isn't declared,", lambda: driver.stage("x", b"", lifetime_s=SECONDS))
    if bench.can.baker:
        return
    request = CaptureRequest(
        builder=InstanceId("none"), deployment=bench.deployment, service=SERVICE, digest="d", base=bench.kit.image
    )
    bench.raises(Unsupported, "resolve, which isn't declared,", lambda: driver.resolve(NOWHERE))
    bench.raises(Unsupported, "capture, which isn't declared,", lambda: driver.capture(request))
    bench.raises(Unsupported, "a mark, which isn't declared,", lambda: driver.mark_verified(ImageId("none")))


@clause("bake-9", "The same `stage` again is success, and so is `unstage` of what is gone.", exercises="staging")
def stages_twice(bench: Bench) -> None:
    driver = _baker(bench)
    if not bench.can.staging:
        bench.skip("staging isn't declared")
    name = f"{bench.deployment}.tar"
    urls = [bench.patiently(lambda: driver.stage(name, b"data", lifetime_s=SECONDS)) for _ in range(2)]
    expect(all(urls), "staged data has no URL")
    for _ in range(2):
        bench.patiently(lambda: driver.unstage([name]))


@clause(
    "bake-10",
    "A captured image isn't verified until `mark_verified`, which changes nothing else; again is success.",
    exercises="baker",
)
def marks_what_is_verified(bench: Bench) -> None:
    driver = _baker(bench)
    before = captured(bench, "marked")
    expect(not before.verified, f"{before.id} is verified, and it was only captured")
    for _ in range(2):
        bench.patiently(lambda: driver.mark_verified(before.id))
    bench.until(lambda: all(image.verified for image in bench.images()), "an image that was marked is verified")
    after = bench.images()
    expect(after == (attrs.evolve(before, verified=True),), f"{before} was marked, and now it is {told(after)}")


@clause(
    "bake-11",
    "`mark_verified` of an image that is gone is `NotFound`.",
    exercises="baker",
)
def marks_only_what_is_there(bench: Bench) -> None:
    driver = _baker(bench)
    image = captured(bench, "deleted")
    bench.patiently(lambda: bench.driver.delete_images([image.id]))
    bench.until(lambda: not bench.images(), "a deleted image isn't listed")
    bench.raises(NotFound, "marking an image that is gone", lambda: driver.mark_verified(image.id))


def _baker(bench: Bench) -> Baker:
    if not bench.can.baker or not isinstance(bench.driver, Baker):
        bench.skip("baking isn't declared")
    return bench.driver


def _script(bench: Bench, size: int) -> str:
    """Return a script of so many bytes: the kit's, made longer by comments."""
    short = bench.kit.script
    return short + "\n#" + "x" * (size - len(short.encode()) - 2)


def _stopped(bench: Bench, name: str) -> Instance:
    """Launch a builder and wait until it has stopped."""
    (row,) = bench.launched(script=bench.kit.script, fleet=naming.BUILDERS, inputs=name)

    def stopped() -> Sequence[Instance]:
        return [one for one in bench.rows() if one.id == row.id and one.phase is Phase.STOPPED]

    bench.until(lambda: bool(stopped()), "a builder has stopped")
    return stopped()[0]


def _request(bench: Bench, builder: Instance, name: str) -> CaptureRequest:
    return CaptureRequest(
        builder=builder.id,
        deployment=bench.deployment,
        service=SERVICE,
        digest=f"d{name}",
        base=bench.kit.image,
        recipe=RECIPE,
    )


def captured(bench: Bench, name: str, builder: Instance | None = None) -> Image:
    """Make an image of a builder, of a new one unless it is given, end that, and return the image as listed."""
    driver = _baker(bench)
    builder = builder or _stopped(bench, name)
    id = bench.patiently(lambda: driver.capture(_request(bench, builder, name)))
    bench.until(lambda: _state(bench, id) is ImageState.AVAILABLE, "an image is available")
    bench.terminate([builder.id])
    return next(image for image in bench.images() if image.id == id)


def _state(bench: Bench, id: ImageId) -> ImageState | None:
    return next((image.state for image in bench.images() if image.id == id), None)
