"""One bake and several, in simulated clouds and virtual time: what is made, adopted, waited for, and cleaned up."""

from collections import Counter
from pathlib import Path

import attrs
import pytest
from recipes import Baking, Oven, noise

from vmpattern import naming
from vmpattern.access.leases import locked
from vmpattern.bakery import Policy
from vmpattern.errors import Denied, SpecError, StalePlan
from vmpattern.model import BakeState, EventKind, Idempotency, ImageId, ImageState
from vmpattern.simulation import CloudSpec, FaultKind, Faults, SimulatedCloud, Window


@pytest.fixture
def oven(tmp_path: Path) -> Oven:
    return Oven(tmp_path)


def test_an_image_is_baked_with_its_labels_and_no_builder_is_left(oven: Oven) -> None:
    (wanted,) = oven.bakes()
    (result,) = oven.bake().results
    (image,) = oven.images()

    assert (BakeState.BAKED, image.id) == (result.state, result.image)
    assert ("shop", wanted.digest, wanted.recipe, "img-debian-12") == (
        image.service,
        image.digest,
        image.recipe,
        image.base,
    )
    assert ImageState.AVAILABLE is image.state
    assert ([], set()) == (oven.builders(), oven.staged())


def test_a_second_bake_launches_nothing(oven: Oven) -> None:
    planned = oven.bakes()
    oven.bake()
    launches = oven.cloud._api.calls["launch"]
    (result,) = oven.bake(planned=planned).results

    assert BakeState.PRESENT is result.state
    assert launches == oven.cloud._api.calls["launch"]
    assert () == oven.bakes()


def test_several_clouds_bake_at_the_same_time(tmp_path: Path) -> None:
    oven = Oven(tmp_path, "eu", "us")
    outcome = oven.bake()
    alone = Oven(tmp_path).bake()

    assert outcome.ok
    assert {"eu", "us"} == {image.cloud for image in oven.images()}
    assert alone.duration_s == outcome.duration_s


def test_a_builder_that_is_there_is_adopted(oven: Oven) -> None:
    planned = oven.bakes()
    with pytest.raises(KeyboardInterrupt):
        oven.bake(planned=planned, on_event=interrupt_after(EventKind.BAKING))
    (builder,) = oven.builders()
    outcome = oven.bake(planned=planned)

    assert outcome.ok
    assert 1 == oven.cloud._api.calls["launch"]
    assert any(event.instances == (builder.id,) and "goes on" in event.message for event in oven.events)


def interrupt_after(kind: EventKind):
    def tell(event) -> None:
        if event.kind is kind:
            raise KeyboardInterrupt

    return tell


def test_an_image_that_is_on_its_way_is_waited_for(oven: Oven) -> None:
    planned = oven.bakes()

    def stop_after_capture(verb: str, answer: object) -> object:
        raise KeyboardInterrupt

    halted = Baking(oven.cloud, after={"capture": stop_after_capture})
    with pytest.raises(KeyboardInterrupt):
        oven.bake(planned=planned, drivers={"demo": halted})
    (pending,) = oven.images()
    outcome = oven.bake(planned=planned)

    assert ImageState.PENDING is pending.state
    assert [pending.id] == [result.image for result in outcome.results]
    assert [] == oven.builders()


def says(text: str):
    return lambda verb, answer: text


def test_a_builder_that_says_that_it_failed_is_ended_and_its_console_told(oven: Oven) -> None:
    def failed(verb: str, answer: object) -> object:
        (builder,) = oven.builders()
        nonce = naming.digest("nonce", builder.key, size=16)
        return f"lots of lines\nE: no such package\nvmpattern-failed {nonce} 1\n"

    began = oven.cloud.clock.now()
    outcome = oven.bake(drivers={"demo": Baking(oven.cloud, after={"console": failed})})
    (result,) = outcome.results

    assert (BakeState.FAILED, None) == (result.state, result.image)
    assert "E: no such package" in result.console
    assert ([], []) == (oven.builders(), oven.images())
    assert oven.cloud.clock.now() - began < 100  # long before the deadline


def test_a_builder_that_never_ends_is_ended_at_the_deadline(tmp_path: Path) -> None:
    oven = Oven(tmp_path)
    oven.clouds["demo"] = SimulatedCloud(CloudSpec(name="demo", bad_images=frozenset({ImageId("img-debian-12")})))
    outcome = oven.bake(policy=Policy(deadline_s=600.0))

    assert "within 10 minutes" in outcome.results[0].message
    assert [] == oven.builders()


def test_a_builder_that_failed_is_kept_on_request_and_ended_by_the_next_bake(tmp_path: Path) -> None:
    oven = Oven(tmp_path)
    spec = oven.cloud.spec
    oven.clouds["demo"] = SimulatedCloud(attrs.evolve(spec, bad_images=frozenset({ImageId("img-debian-12")})))
    (result,) = oven.bake(policy=Policy(deadline_s=600.0, keep_builder=True)).results
    (kept,) = oven.builders()
    oven.bake(policy=Policy(deadline_s=600.0))

    assert kept.id == result.builder
    assert kept.id in result.message
    assert [] == oven.builders()


def test_where_no_console_can_be_read_the_image_is_booted_to_see_what_it_holds(tmp_path: Path) -> None:
    oven = Oven(tmp_path, console=False)
    outcome = oven.bake()

    assert outcome.ok
    assert 2 == oven.cloud._api.calls["launch"]
    assert [] == oven.builders()


def test_an_image_that_doesnt_hold_what_was_baked_is_deleted(tmp_path: Path) -> None:
    oven = Oven(tmp_path)
    bare = Baking(oven.cloud, after={"console": says("nothing of use"), "capture": spoil(oven)})
    (result,) = oven.bake(drivers={"demo": bare}).results

    assert "doesn't hold what was baked" in result.message
    assert ([], []) == (oven.images(), oven.builders())


def spoil(oven: Oven):
    def make_bad(verb: str, image: object) -> object:
        world = oven.cloud._world
        world.spec = attrs.evolve(world.spec, bad_images=frozenset({image}))
        return image

    return make_bad


def test_files_that_are_too_large_for_a_script_are_staged_and_removed_afterwards(oven: Oven) -> None:
    oven.write("serve", noise(40_000))
    bare = Baking(oven.cloud)
    outcome = oven.bake(drivers={"demo": bare})

    assert outcome.ok
    assert Counter(stage=1, unstage=1) == Counter(verb for verb in bare.verbs() if "stage" in verb)
    assert set() == oven.staged()


def test_files_that_are_too_large_and_cant_be_staged_are_refused_by_the_plan_with_the_way_out(tmp_path: Path) -> None:
    oven = Oven(tmp_path, staging=False)
    oven.write("serve", noise(40_000))
    with pytest.raises(SpecError) as caught:
        oven.bakes()

    (problem,) = caught.value.problems
    assert "services.shop.image.files" == problem.path
    assert "more than fit into a script of 16,384 bytes on demo" in problem.message
    assert "url" in problem.message
    assert "sha256" in problem.message


def test_files_that_just_dont_fit_and_cant_be_staged_are_told_by_the_bake(tmp_path: Path) -> None:
    oven = Oven(tmp_path, staging=False)
    oven.write("serve", noise(20_000))
    (result,) = oven.bake().results

    assert "TooLarge" == result.code
    assert "sha256" in result.message
    assert 0 == oven.cloud._api.calls["launch"]


def test_files_that_fit_into_one_cloud_are_refused_for_the_other_only(tmp_path: Path) -> None:
    oven = Oven(tmp_path, "eu", "lab", staging=False)
    small = oven.clouds["lab"].capabilities
    oven.clouds["eu"] = SimulatedCloud(CloudSpec(name="eu", capabilities=attrs.evolve(small, script_bytes=2**20)))
    oven.write("serve", noise(40_000))
    with pytest.raises(SpecError, match="on lab") as caught:
        oven.bakes()

    assert 1 == len(caught.value.problems)


def test_a_zone_without_room_is_passed_over(tmp_path: Path) -> None:
    full = Window(FaultKind.STOCKOUT, 0, 10_000, zone="a")
    oven = Oven(tmp_path, faults=Faults(windows=(full,)))
    outcome = oven.bake()

    assert outcome.ok
    assert any(event.kind is EventKind.BLOCKED and "a has no room" in event.message for event in oven.events)


def test_where_no_zone_has_room_the_bake_fails_with_the_provider_s_word(tmp_path: Path) -> None:
    oven = Oven(tmp_path, faults=Faults(windows=(Window(FaultKind.STOCKOUT, 0, 10_000),)))
    (result,) = oven.bake().results

    assert (BakeState.FAILED, "InsufficientInstanceCapacity") == (result.state, result.code)


def test_what_the_cloud_refuses_is_told_by_its_code(oven: Oven) -> None:
    def denied(verb: str, answer: object) -> object:
        raise Denied("no images for you", code="UnauthorizedOperation")

    (result,) = oven.bake(drivers={"demo": Baking(oven.cloud, after={"capture": denied})}).results

    assert (BakeState.FAILED, "UnauthorizedOperation") == (result.state, result.code)
    assert [] == oven.builders()


def test_trouble_with_cleaning_up_hides_nothing(oven: Oven) -> None:
    def denied(verb: str, answer: object) -> object:
        raise Denied(f"{verb} isn't allowed")

    after = {"capture": denied, "terminate": denied}
    (result,) = oven.bake(drivers={"demo": Baking(oven.cloud, after=after)}).results

    assert "capture isn't allowed" in result.message
    assert "terminate isn't allowed" in result.message


@pytest.mark.parametrize("kind", [EventKind.BAKING, EventKind.RETRYING])
def test_a_bake_that_is_stopped_ends_its_builder(tmp_path: Path, kind: EventKind) -> None:
    faults = Faults({FaultKind.THROTTLE: 0.5}) if kind is EventKind.RETRYING else Faults()
    oven = Oven(tmp_path, faults=faults)
    asked: list[EventKind] = []
    outcome = oven.bake(on_event=lambda event: asked.append(event.kind), stop=lambda: kind in asked)

    assert [BakeState.INTERRUPTED] == [result.state for result in outcome.results]
    assert [] == oven.builders()


def test_a_bake_that_was_stopped_before_launches_nothing(oven: Oven) -> None:
    outcome = oven.bake(stop=lambda: True)

    assert [BakeState.INTERRUPTED] == [result.state for result in outcome.results]
    assert 0 == oven.cloud._api.calls["launch"]


def test_files_that_changed_since_they_were_planned_are_refused(oven: Oven) -> None:
    planned = oven.bakes()
    oven.write("serve", "another")

    with pytest.raises(StalePlan, match="shop"):
        oven.bake(planned=planned)

    assert [] == oven.builders()


def test_another_process_that_bakes_the_same_is_waited_for(oven: Oven) -> None:
    (wanted,) = planned = oven.bakes()
    name = f"shop.demo.{wanted.digest}"
    with locked([name], folder=oven.folder / "locks-job-1", wait_s=0.0, refused=lambda name: None):
        outcome = oven.bake(planned=planned, stop=lambda: bool(oven.events))

    assert [BakeState.INTERRUPTED] == [result.state for result in outcome.results]
    assert "waiting for it" in oven.events[0].message


def test_a_base_that_moved_is_told_and_baked_anew_with_refresh(oven: Oven) -> None:
    oven.bake()
    oven.clouds["demo"]._images.resolve = lambda base: ImageId("img-debian-12-new")  # the family got a new member
    (wanted,) = oven.bakes(refresh=True)
    oven.bake(refresh=True)

    assert ["services.shop.image.base"] == [reason.field for reason in wanted.reasons]
    assert {"img-debian-12", "img-debian-12-new"} == {image.base for image in oven.images()}
    assert () == oven.bakes()
    assert () == oven.bakes(refresh=True)


def test_where_launches_arent_remembered_a_bake_looks_before_it_launches(tmp_path: Path) -> None:
    oven = Oven(tmp_path, idempotency=Idempotency.NONE)
    oven.bake()
    launched_at = next(event.at for event in oven.events if event.instances)

    assert launched_at - oven.cloud._world.start >= oven.cloud.capabilities.call_timeout_s


def test_a_reply_that_is_lost_makes_no_second_builder(tmp_path: Path) -> None:
    for idempotency in Idempotency:
        lost = Window(FaultKind.LOST_AFTER, 0, 10_000)
        oven = Oven(tmp_path, faults=Faults(windows=(attrs.evolve(lost, until_s=40.0),)), idempotency=idempotency)
        outcome = oven.bake()

        assert (True, []) == (outcome.ok, oven.builders())
        assert 1 == len(oven.images())


def test_a_new_image_that_fails_its_smoke_test_is_deleted(oven: Oven) -> None:
    bare = Baking(oven.cloud, after={"capture": spoil(oven)})
    (result,) = oven.bake(drivers={"demo": bare}, policy=Policy(smoke=True)).results

    assert "SmokeTestFailed" == result.code
    assert "the image was deleted" in result.message
    assert ([], []) == (oven.images(), oven.builders())


def test_no_environment_gets_to_a_builder(oven: Oven) -> None:
    bare = Baking(oven.cloud)
    oven.bake(drivers={"demo": bare})
    (request,) = [argument for verb, argument in bare.log if verb == "launch"]

    assert ({}, None) == (request.env, request.port)
    assert request.script
