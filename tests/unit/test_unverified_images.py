"""Images that no bake has verified: nothing runs from them, a plan says why, and a bake verifies or replaces them."""

from pathlib import Path

import attrs
import pytest
from recipes import Baking, Oven
from situations import instance
from some_images import DIGEST, NEW_BASE, cloud, image, planned, slots, uses

from vmpattern import naming
from vmpattern.bakery import Policy
from vmpattern.errors import Denied, Invalid, SpecError, StalePlan
from vmpattern.model import BakeState, Existing, ImageId, Phase, Revision, Unbaked
from vmpattern.reconcile.staleness import check_fresh

UNVERIFIED = image("own-1", verified=False)


@pytest.fixture
def oven(tmp_path: Path) -> Oven:
    return Oven(tmp_path)


# -- as values


def test_nothing_is_launched_of_one_and_it_is_baked_with_the_reason() -> None:
    (bake,) = planned(cloud(UNVERIFIED))
    found = slots(cloud(UNVERIFIED))

    assert {Unbaked(DIGEST)} == {slot.image for slot in found.slots}
    assert [("services.shop.image", "own-1, not verified", DIGEST)] == [
        (reason.field, reason.before, reason.after) for reason in bake.reasons
    ]
    assert any("own-1 isn't verified" in note for note in found.notes)


def test_one_of_a_newer_base_takes_the_place_of_no_usable_one() -> None:
    newer = image("own-2", naming.refreshed(DIGEST, NEW_BASE), age_s=10.0, base=NEW_BASE, verified=False)
    one = cloud(image("own-1"), newer, base=NEW_BASE)

    assert {"own-1"} == {slot.image for slot in slots(one).slots}
    assert () == planned(one)
    assert naming.refreshed(DIGEST, NEW_BASE) == planned(one, refresh=True)[0].digest


def test_one_counts_as_none_of_the_newest_and_may_go_unless_it_is_wanted_or_being_verified() -> None:
    checker = attrs.evolve(
        instance("i-1", fleet=naming.BUILDERS, revision=Revision("checked")), image=ImageId("own-checked")
    )
    one = cloud(
        image("own-wanted", age_s=50.0, verified=False),
        image("own-left", "left", age_s=10.0, verified=False),
        image("own-used", "used", age_s=20.0),
        image("own-made", "checked", age_s=30.0, verified=False),
        instances=(checker,),
    )

    assert {
        "own-wanted": "to be verified for shop",
        "own-left": "",
        "own-used": "one of the 1 newest",
        "own-made": "being verified",
    } == uses(one)


def test_one_that_a_file_names_by_its_id_is_refused() -> None:
    named = Existing({"demo": "own-1"})
    usable = slots(cloud(image("own-1"), resolved={"own-1": ImageId("own-1")}), source=named)

    assert {"own-1"} == {slot.image for slot in usable.slots}
    with pytest.raises(SpecError, match="own-1 can't be launched from: no bake has verified it yet"):
        slots(cloud(UNVERIFIED, resolved={"own-1": ImageId("own-1")}), source=named)


# -- by bakes


def interrupted_after(oven: Oven, verb: str, *, smoke: bool = False) -> None:
    def die(name: str, answer: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        oven.bake(drivers={"demo": Baking(oven.cloud, after={verb: die})}, policy=Policy(smoke=smoke))


def available(oven: Oven) -> ImageId:
    """Leave an image that is there, with its builder, of a bake that was killed while it was made."""
    interrupted_after(oven, "capture")
    oven.cloud.advance(oven.cloud.clock.now() + 300.0)
    (made,) = oven.images()
    return made.id


def test_a_bake_verifies_one_by_its_builder_s_word_and_boots_nothing(oven: Oven) -> None:
    id = available(oven)
    (result,) = oven.bake(planned=oven.bakes()).results

    assert (BakeState.BAKED, id) == (result.state, result.image)
    assert 1 == oven.cloud._api.calls["launch"]
    assert ([True], []) == ([made.is_usable for made in oven.images()], oven.builders())


def test_a_bake_boots_one_whose_builder_is_gone(oven: Oven) -> None:
    id = available(oven)
    oven.cloud.terminate([row.id for row in oven.builders()])
    (result,) = oven.bake(planned=oven.bakes()).results

    assert (BakeState.BAKED, id) == (result.state, result.image)
    assert 2 == oven.cloud._api.calls["launch"]


def test_one_that_turns_out_to_be_wrong_is_deleted(oven: Oven) -> None:
    id = available(oven)
    oven.cloud.terminate([row.id for row in oven.builders()])
    oven.cloud._world.spec = attrs.evolve(oven.cloud.spec, bad_images=frozenset({id}))
    (result,) = oven.bake(planned=oven.bakes()).results

    assert "so it was deleted" in result.message
    assert ([], []) == (oven.images(), oven.builders())


def test_an_interruption_deletes_one(tmp_path: Path) -> None:
    oven = Oven(tmp_path, console=False)
    (result,) = oven.bake(stop=lambda: any("booted to see" in event.message for event in oven.events)).results

    assert BakeState.INTERRUPTED is result.state
    assert "wasn't verified yet and was deleted" in result.message
    assert ([], []) == (oven.images(), oven.builders())


def test_an_interruption_deletes_one_whose_smoke_test_goes_on(oven: Oven) -> None:
    smoke = Policy(smoke=True)
    (result,) = oven.bake(policy=smoke, stop=lambda: any("serves" in event.message for event in oven.events)).results

    assert BakeState.INTERRUPTED is result.state
    assert ([], []) == (oven.images(), oven.builders())


def test_one_that_another_job_still_works_on_outlives_an_interruption(tmp_path: Path) -> None:
    oven = Oven(tmp_path, console=False)
    planned = oven.bakes()
    interrupted_after(oven, "capture")
    (result,) = oven.bake(
        planned=planned, job="job-2", stop=lambda: any("booted to see" in event.message for event in oven.events)
    ).results
    (made,) = oven.images()

    assert BakeState.INTERRUPTED is result.state
    assert f"the image {made.id} isn't verified: the next bake goes on with it" in result.message
    assert ["build-shop-job-1"] == [row.inputs for row in oven.builders()]


def test_where_it_cant_be_marked_nothing_runs_from_it(oven: Oven) -> None:
    def denied(verb: str, answer: object) -> object:
        raise Denied("no tags for you", code="UnauthorizedOperation")

    # The mark is set, and the answer says that it isn't: what counts is what the next list shows.
    def unmarked(verb: str, answer: object) -> object:
        images = oven.cloud._images
        images.rows.update({id: attrs.evolve(row, verified=False) for id, row in images.rows.items()})
        return denied(verb, answer)

    (result,) = oven.bake(drivers={"demo": Baking(oven.cloud, after={"mark_verified": unmarked})}).results
    (made,) = oven.images()

    assert (BakeState.FAILED, "UnauthorizedOperation") == (result.state, result.code)
    assert f"the image {made.id} isn't verified" in result.message
    assert 1 == len(oven.bakes())
    assert [] == oven.builders()


def test_an_image_that_was_verified_before_stays_when_it_fails_a_smoke_test(oven: Oven) -> None:
    planned = oven.bakes()
    oven.bake()
    (made,) = oven.images()
    oven.cloud._world.spec = attrs.evolve(oven.cloud.spec, bad_images=frozenset({made.id}))
    (result,) = oven.bake(planned=planned, policy=Policy(smoke=True)).results

    assert (BakeState.FAILED, "SmokeTestFailed") == (result.state, result.code)
    assert "it was verified by an earlier bake and stays, and applies launch from it" in result.message
    assert ([True], []) == ([one.is_usable for one in oven.images()], oven.builders())


def test_an_image_in_use_by_what_is_ending_is_deleted_as_soon_as_that_is_gone(oven: Oven) -> None:
    """EC2 refuses to deregister an image while something that runs from it shuts down."""
    id = available(oven)
    oven.cloud.terminate([row.id for row in oven.builders()])
    oven.cloud._world.spec = attrs.evolve(oven.cloud.spec, bad_images=frozenset({id}))

    class Strict(Baking):
        def delete_images(self, ids) -> None:
            rows = [vm.row for vm in self.cloud._world.vms.values()]
            if any(row.image in ids and row.phase is Phase.TERMINATING for row in rows):
                raise Invalid("in use", field="ids")
            super().delete_images(ids)

    (result,) = oven.bake(planned=oven.bakes(), drivers={"demo": Strict(oven.cloud)}).results

    assert "so it was deleted" in result.message
    assert [] == oven.images()


def test_a_saved_plan_whose_image_can_t_be_used_any_more_is_refused(oven: Oven) -> None:
    oven.bake()
    plan = oven.plan()
    images = oven.cloud._images
    images.rows.update({id: attrs.evolve(row, verified=False) for id, row in images.rows.items()})

    with pytest.raises(StalePlan, match="can't be used yet"):
        check_fresh(plan, oven.observe())
