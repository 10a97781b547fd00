"""Images: bases by name, family and vendor; one image for each digest; nothing in use is deleted."""

import attrs
import pytest
from gce.catalog import BASES, FAMILY, VENDOR
from gce.clouds import request
from gce.emulator import Emulator
from gce.faults import Fault, Where
from gce.refusal import Refusal

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.errors import Invalid, KeyConflict, NotFound, Transient
from vmpattern.model import ImageId, ImageState, InstanceId
from vmpattern_gcp import GcpDriver

SHOP = Selector("shop")
NEWEST = f"projects/{VENDOR}/global/images/{BASES[-1]}"
PROJECT = "acme-fleets"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        pytest.param(FAMILY, NEWEST, id="a vendor's family"),
        pytest.param(f"projects/{VENDOR}/global/images/family/{FAMILY}", NEWEST, id="a family's path"),
        pytest.param(f"projects/{VENDOR}/global/images/{BASES[0]}", None, id="an image's path"),
        pytest.param("golden", f"projects/{PROJECT}/global/images/golden", id="a name in the project"),
        pytest.param("golds", f"projects/{PROJECT}/global/images/golden", id="a family in the project"),
    ],
)
def test_a_base_is_found(gcp: GcpDriver, emulator: Emulator, base: str, expected: str | None) -> None:
    emulator.world.add("image", f"projects/{PROJECT}/global/images/golden", family="golds", status="READY")

    assert (expected or base) == gcp.resolve(base)


def test_a_base_that_isn_t_there_says_where_it_was_looked_for(gcp: GcpDriver) -> None:
    with pytest.raises(NotFound, match=r"debian-99.*images/family/debian-99.*debian-cloud"):
        gcp.resolve("debian-99")


def builder(gcp: GcpDriver, emulator: Emulator, name: str = "one") -> InstanceId:
    made = gcp.launch(request(fleet=naming.BUILDERS, script="echo x\npoweroff", key=f"k{name}")).created
    emulator.world.clock.advance(120)
    return made[0].id


def capture(gcp: GcpDriver, id: InstanceId, digest: str = "d1") -> ImageId:
    base = ImageId(NEWEST)
    return gcp.capture(CaptureRequest(builder=id, deployment="shop", service="web", digest=digest, base=base))


def test_an_image_bears_its_labels_and_a_family(gcp: GcpDriver, emulator: Emulator) -> None:
    id = capture(gcp, builder(gcp, emulator))
    (row,) = gcp.images(SHOP)
    image = emulator.world.find(id)[1]

    assert ("web", "d1", "shop-web") == (row.service, row.digest, image["family"])


def test_an_image_of_the_same_digest_isn_t_made_twice(gcp: GcpDriver, emulator: Emulator) -> None:
    first, second = builder(gcp, emulator, "one"), builder(gcp, emulator, "two")

    assert capture(gcp, first) == capture(gcp, second)


def test_a_mark_leaves_the_other_labels_and_a_change_in_between_loses_none(gcp: GcpDriver, emulator: Emulator) -> None:
    id = capture(gcp, builder(gcp, emulator))
    emulator.world.clock.advance(600)
    (before,) = gcp.images(SHOP)
    refused = Refusal(412, "conditionNotMet", "labels have changed")
    emulator.world.faults.append(Fault("compute.images.setLabels", refusal=refused))
    with pytest.raises(Transient):
        gcp.mark_verified(id)
    gcp.mark_verified(id)

    assert not before.verified
    assert (attrs.evolve(before, verified=True),) == gcp.images(SHOP)


def test_an_image_that_another_caller_made_and_marked_meanwhile_is_adopted(gcp: GcpDriver, emulator: Emulator) -> None:
    first, second = builder(gcp, emulator, "one"), builder(gcp, emulator, "two")
    id = capture(gcp, first)
    gcp.mark_verified(id)
    emulator.world.unlisted.add(id)

    assert id == capture(gcp, second)


def test_an_image_that_failed_is_made_anew(gcp: GcpDriver, emulator: Emulator) -> None:
    id = builder(gcp, emulator)
    emulator.world.faults.append(Fault("compute.images.insert", where=Where.OPERATION))
    failed = capture(gcp, id)
    emulator.world.clock.advance(60)
    anew = capture(gcp, id)
    emulator.world.clock.advance(60)

    states = {image.id: image.state for image in gcp.images(SHOP)}
    assert {failed: ImageState.FAILED, anew: ImageState.AVAILABLE} == states


def test_an_image_that_no_list_shows_yet_is_found_by_its_name(gcp: GcpDriver, emulator: Emulator) -> None:
    id = builder(gcp, emulator)
    made = capture(gcp, id)
    emulator.world.unlisted.add(made)

    assert made == capture(gcp, id)


def test_an_image_of_another_s_that_has_the_name_is_not_adopted(gcp: GcpDriver, emulator: Emulator) -> None:
    id = builder(gcp, emulator)
    made = capture(gcp, id)
    emulator.world.find(made)[1]["labels"] = {}

    with pytest.raises(KeyConflict):
        capture(gcp, id)


def test_an_image_in_use_stays_and_with_it_the_others(gcp: GcpDriver, emulator: Emulator) -> None:
    used, other = (capture(gcp, builder(gcp, emulator, name), f"d{name}") for name in ("one", "two"))
    emulator.world.clock.advance(60)
    gcp.launch(request(image=used))
    with pytest.raises(Invalid, match="in use"):
        gcp.delete_images([other, used])

    assert {used, other} == {image.id for image in gcp.images(SHOP)}


def test_an_image_of_a_vendor_is_not_ours_to_delete(gcp: GcpDriver) -> None:
    with pytest.raises(Invalid, match="lacks our labels"):
        gcp.delete_images([ImageId(NEWEST)])


def test_a_builder_that_runs_can_t_become_an_image(gcp: GcpDriver) -> None:
    (row,) = gcp.launch(request()).created

    with pytest.raises(Invalid, match="is running, not stopped"):
        capture(gcp, row.id)
