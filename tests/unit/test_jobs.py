"""Whose builders are whose: of one digest baked by several jobs, and what each may end, take over or leave alone."""

import shutil
from pathlib import Path

import attrs
import pytest
from recipes import Baking, Crash, Oven, noise

from vmpattern import naming
from vmpattern.bakery import Policy
from vmpattern.bakery.jobs import job_name
from vmpattern.bakery.order import BUILD, CHECK, SMOKE, label
from vmpattern.driver import CaptureRequest, LaunchRequest
from vmpattern.model import BakeState, EventKind, ImageId, Instance, LaunchKey, Market, Phase, Revision


@pytest.fixture
def oven(tmp_path: Path) -> Oven:
    return Oven(tmp_path)


def test_jobs_that_share_a_folder_of_locks_have_one_name(tmp_path: Path) -> None:
    assert job_name("demo", folder=tmp_path / "locks") == job_name("demo", folder=tmp_path / "locks")


def test_jobs_of_another_folder_of_a_copy_and_of_another_cloud_have_other_names(tmp_path: Path) -> None:
    first = job_name("demo", folder=tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    others = [
        job_name("demo", folder=tmp_path / "two"),
        job_name("demo", folder=tmp_path / "copy"),
        job_name("other", folder=tmp_path / "one"),
    ]

    assert 4 == len({first, *others})


def launched(oven: Oven, purpose: str, *, job: str, image: str = "img-debian-12", script: str = "") -> Instance:
    """Launch what a job would, which then goes on without it."""
    (bake,) = oven.bakes()
    request = LaunchRequest(
        key=LaunchKey(f"k{purpose}{job}"),
        count=1,
        deployment="shop",
        fleet=naming.BUILDERS,
        revision=Revision(bake.digest),
        zone="a",
        machine_type=bake.sites[0].machine_type,
        market=Market.ON_DEMAND,
        image=ImageId(image),
        inputs=label(purpose, "shop", job),
        script=script,
    )
    return oven.cloud.launch(request).created[0]


def test_a_builder_of_another_job_is_taken_over_and_outlives_an_interruption(oven: Oven) -> None:
    theirs = launched(oven, BUILD, job="job-2", script="poweroff")
    (result,) = oven.bake(stop=lambda: any("goes on" in event.message for event in oven.events)).results

    assert BakeState.INTERRUPTED is result.state
    assert [theirs.id] == [row.id for row in oven.builders()]
    assert f"left to the job that launched it: {theirs.id}" in result.message
    assert any("launched by another job" in event.message for event in oven.events)


def test_a_builder_that_an_earlier_job_of_this_machine_left_is_taken_over_and_ended_with_this_one(oven: Oven) -> None:
    launched(oven, BUILD, job="job-1", script="poweroff")
    (result,) = oven.bake(stop=lambda: any("goes on" in event.message for event in oven.events)).results

    assert "it was asked to stop" == result.message
    assert [] == oven.builders()


def test_of_several_builders_those_of_other_jobs_go_on(oven: Oven) -> None:
    oven.cloud._world.spec = attrs.evolve(oven.cloud.spec, bad_images=frozenset({ImageId("img-debian-12")}))
    rows = [launched(oven, BUILD, job=job, script="poweroff") for job in ("job-2", "job-3", "job-1")]
    oven.bake(stop=lambda: any("goes on" in event.message for event in oven.events))

    assert sorted(row.id for row in rows[:2]) == sorted(row.id for row in oven.builders())


@pytest.mark.parametrize("purpose", [CHECK, SMOKE])
def test_what_checks_for_another_job_goes_on_and_ends_when_its_time_is_up(oven: Oven, purpose: str) -> None:
    theirs = launched(oven, purpose, job="job-2")
    planned = oven.bakes()
    first = oven.bake(planned=planned)
    still = [row.id for row in oven.builders()]
    oven.cloud.advance(oven.cloud.clock.now() + 1900.0)
    second = oven.bake(planned=planned)

    assert (True, True) == (first.ok, second.ok)
    assert ([theirs.id], []) == (still, oven.builders())


def test_staged_files_stay_while_another_job_s_builder_may_fetch_them(oven: Oven) -> None:
    oven.write("serve", noise(40_000))
    launched(oven, BUILD, job="job-2", script="poweroff")
    (bake,) = oven.bakes()
    name = f"vmpattern-shop-{bake.digest}.tar.gz"
    oven.cloud.stage(name, b"", lifetime_s=60.0)
    oven.bake(stop=lambda: any("goes on" in event.message for event in oven.events))

    assert {name} == oven.staged()


def test_where_a_builder_is_ended_by_its_own_job_another_is_launched(oven: Oven) -> None:
    theirs = launched(oven, BUILD, job="job-2", script="poweroff")

    def end_it(event) -> None:
        if "goes on" in event.message:
            oven.cloud.terminate([theirs.id])

    (result,) = oven.bake(on_event=end_it).results

    assert BakeState.BAKED is result.state
    assert any("is gone: something else has ended it; begins again" in event.message for event in oven.events)


def test_an_image_that_was_made_of_another_builder_is_booted_though_ours_says_that_it_is_done(oven: Oven) -> None:
    """Another job made the image of a builder that stopped without a word, while ours was still asked for its own."""
    other = launched(oven, "other-", job="job-2", script="poweroff")
    planned, done = oven.bakes(), []

    def captured_meanwhile(verb: str, console: object) -> object:
        world = oven.cloud._world
        if world.vms[other.id].row.phase is Phase.STOPPED and not done:
            done.append(verb)
            request = CaptureRequest(
                builder=other.id,
                deployment="shop",
                service="shop",
                digest=planned[0].digest,
                base=ImageId("img-debian-12"),
            )
            world.spec = attrs.evolve(world.spec, bad_images=frozenset({oven.cloud.capture(request)}))
        return console

    bare = Baking(oven.cloud, after={"console": captured_meanwhile})
    (result,) = oven.bake(planned=planned, drivers={"demo": bare}).results

    assert "doesn't hold what was baked, so it was deleted" in result.message
    assert [] == oven.images()


def test_a_smoke_test_after_a_check_waits_for_no_key(tmp_path: Path) -> None:
    oven = Oven(tmp_path, console=False)
    plain = Oven(tmp_path, console=False).bake().duration_s
    outcome = oven.bake(policy=Policy(smoke=True))
    typical = oven.cloud.capabilities.latencies

    assert outcome.ok
    assert outcome.duration_s < plain + typical.boot_s + typical.ready_s + 10.0


def die(verb: str, answer: object) -> object:
    raise Crash


def test_a_key_of_another_job_whose_builder_is_gone_is_waited_for_once(oven: Oven) -> None:
    for job in ("job-2", "job-3"):
        with pytest.raises(Crash):
            oven.bake(drivers={"demo": Baking(oven.cloud, after={"launch": die})}, job=job)
        (row,) = oven.builders()
        oven.cloud.terminate([row.id])
        oven.cloud.advance(oven.cloud.clock.now() + 60.0)
    began = oven.cloud.clock.now()
    outcome = oven.bake()
    certain_s = oven.cloud.capabilities.staleness_s + oven.cloud.capabilities.call_timeout_s
    at = next(event.at for event in oven.events if "builds" in event.message)
    words = [event for event in oven.events if event.kind is EventKind.BAKING and "takes another key" in event.message]

    assert outcome.ok
    assert 2 == len(words)
    assert certain_s <= at - began < 2 * certain_s
