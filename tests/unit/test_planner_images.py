"""Which image is launched, what is baked and why, and which images are still needed: as functions of values."""

import attrs
import pytest
from situations import NOW, instance
from some_images import CONTENTS, DIGEST, NEW_BASE, OLD_BASE, cloud, image, planned, seen, slots, uses, wanted

from vmpattern import naming
from vmpattern.errors import Problem, SpecError
from vmpattern.model import (
    CloudObservation,
    Contents,
    Existing,
    ImageId,
    ImageState,
    Instance,
    Unbaked,
)
from vmpattern.planner import resolve
from vmpattern.simulation import EC2_LIKE

# -- recipes


def test_an_image_that_is_there_is_launched_and_nothing_is_baked() -> None:
    one = cloud(image("own-1"))

    assert {"own-1"} == {slot.image for slot in slots(one).slots}
    assert () == planned(one)


def test_the_revision_is_the_same_before_and_after_the_bake() -> None:
    before, after = slots(cloud()), slots(cloud(image("own-1")))

    assert {Unbaked(DIGEST)} == {slot.image for slot in before.slots}
    assert {slot.revision for slot in before.slots} == {slot.revision for slot in after.slots}


@pytest.mark.parametrize("state", [ImageState.PENDING, ImageState.FAILED])
def test_an_image_that_isnt_available_is_still_to_be_baked(state: ImageState) -> None:
    (bake,) = planned(cloud(image("own-1", state=state)))

    assert DIGEST == bake.digest


def test_a_bake_says_where_how_long_and_from_what() -> None:
    (bake,) = planned(cloud())
    usual = EC2_LIKE.latencies

    assert ["a", "b"] == [site.zone for site in bake.sites]
    assert ("debian-12", OLD_BASE) == (bake.base, bake.resolved)
    assert usual.boot_s + usual.build_s + usual.capture_s == bake.duration_s


def reasons(one: CloudObservation, contents: Contents = CONTENTS, *, refresh: bool = False) -> list[str]:
    (bake,) = planned(one, contents=contents, refresh=refresh)
    return [reason.field.removeprefix("services.shop.image") for reason in bake.reasons]


def test_a_first_bake_has_no_image_before_it() -> None:
    assert [""] == reasons(cloud())


def test_a_bake_names_the_part_that_changed() -> None:
    changed = attrs.evolve(CONTENTS, files={"/opt/serve": "b" * 64}, provision="c" * 64)

    assert [".provision", '.files["/opt/serve"]'] == reasons(cloud(image("own-1")), changed)


def test_a_file_that_is_gone_is_told_as_files() -> None:
    assert [".files"] == reasons(cloud(image("own-1")), attrs.evolve(CONTENTS, files={}))


def test_a_base_that_moved_changes_nothing_until_it_is_refreshed() -> None:
    one = cloud(image("own-1"), base=NEW_BASE)

    assert () == planned(one)
    assert ["the base debian-12 has moved from img-1 to img-2: --refresh bakes it anew"] == list(slots(one).notes)
    assert [".base"] == reasons(one, refresh=True)
    assert naming.refreshed(DIGEST, NEW_BASE) == planned(one, refresh=True)[0].digest


def test_what_was_refreshed_stays() -> None:
    newer = image("own-2", naming.refreshed(DIGEST, NEW_BASE), age_s=10.0, base=NEW_BASE)
    one = cloud(image("own-1"), newer, base=NEW_BASE)

    assert {"own-2"} == {slot.image for slot in slots(one).slots}
    assert {"own-2"} == {slot.image for slot in slots(one, refresh=True).slots}


def test_refreshing_a_base_that_didnt_move_bakes_nothing() -> None:
    assert () == planned(cloud(image("own-1")), refresh=True)


def test_a_cloud_that_cant_be_read_bakes_nothing_and_its_image_is_unknown() -> None:
    one = cloud(error="no answer")

    assert () == planned(one)
    assert {None} == {slot.image for slot in slots(one).slots}


def test_what_cant_be_read_from_disk_is_told_unless_the_fleet_vanishes() -> None:
    broken = Contents(problems=(Problem("services.shop.image.provision", "none isn't there"),))
    gone = wanted(size=0)

    with pytest.raises(SpecError, match="none isn't there"):
        resolve(wanted(), wanted().fleets["web"], seen(cloud(), broken))
    assert () == resolve(gone, gone.fleets["web"], seen(cloud(), broken)).slots


# -- images made elsewhere

NAMED = Existing({"demo": "web"})


def running(id: str, written: str, launched_from: str, *, launched_at: float = NOW - 100.0) -> Instance:
    whole = wanted(NAMED)
    one, placement = whole.fleets["web"], whole.fleets["web"].placements[0]
    inputs = naming.inputs(whole.services["shop"], one, placement, written)
    row = instance(id, revision=inputs.revision, launched_at=launched_at)
    return attrs.evolve(row, inputs=inputs.text, image=ImageId(launched_from))


def test_a_name_is_resolved_and_what_instances_show_is_used_again() -> None:
    first = slots(cloud(), source=NAMED)
    later = slots(cloud(instances=(running("i-1", "web", "img-1"),), base=NEW_BASE), source=NAMED)

    assert {"img-1"} == {slot.image for slot in first.slots} == {slot.image for slot in later.slots}
    assert {slot.revision for slot in first.slots} == {slot.revision for slot in later.slots}
    assert "web has moved from img-1 to img-2: --refresh takes the new one" in later.notes


def test_a_refreshed_name_replaces_what_runs_once() -> None:
    old = running("i-1", "web", "img-1")
    refreshed = slots(cloud(instances=(old,), base=NEW_BASE), source=NAMED, refresh=True)
    new = running("i-2", "web@img-2", "img-2", launched_at=NOW)
    after = slots(cloud(instances=(old, new), base=NEW_BASE), source=NAMED)

    assert {"img-2"} == {slot.image for slot in refreshed.slots} == {slot.image for slot in after.slots}
    assert {new.revision} == {slot.revision for slot in refreshed.slots} == {slot.revision for slot in after.slots}
    assert old.revision != new.revision


def test_a_name_that_stands_for_nothing_is_told_unless_instances_show_it() -> None:
    lost = {"resolved": {}, "unresolved": {"web": "there is no image web"}}
    shown = slots(cloud(instances=(running("i-1", "web", "img-1"),), **lost), source=NAMED)

    with pytest.raises(SpecError, match="there is no image web"):
        slots(cloud(**lost), source=NAMED)
    assert {"img-1"} == {one.image for one in shown.slots}


# -- which images are needed


def test_images_that_nothing_needs_may_go() -> None:
    running_old = attrs.evolve(instance("i-1"), image=ImageId("own-old"))
    one = cloud(
        image("own-now", age_s=50.0),
        image("own-newest", "newest", age_s=10.0),
        image("own-old", "old", age_s=500.0),
        image("own-older", "older", age_s=600.0),
        image("own-made", "made", age_s=700.0, state=ImageState.PENDING),
        image("own-bad", "bad", age_s=5.0, state=ImageState.FAILED),
        image("own-base", "base", age_s=800.0),
        instances=(running_old,),
        resolved={"debian-12": OLD_BASE, "own-base": ImageId("own-base")},
    )

    assert {
        "own-now": "wanted by shop",
        "own-newest": "one of the 1 newest",
        "own-old": "1 instance",
        "own-older": "",
        "own-made": "being made",
        "own-bad": "",
        "own-base": "a base",
    } == uses(one)


def test_where_it_cant_be_told_what_is_wanted_nothing_may_go() -> None:
    broken = Contents(problems=(Problem("services.shop.image.provision", "none isn't there"),))
    found = uses(cloud(image("own-1", "one"), image("own-2", "two")), contents=broken)

    assert all("nobody can tell" in needed for needed in found.values())


def test_images_of_a_cloud_that_cant_be_read_arent_judged() -> None:
    assert {} == uses(cloud(image("own-1", "one"), error="no answer"))
