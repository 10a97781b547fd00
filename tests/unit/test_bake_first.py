"""Baking by the public verbs, on a simulated cloud in a file: bake, apply that bakes first, list, prune."""

from pathlib import Path

import attrs
import pytest

import vmpattern as vmp
from vmpattern.access.leases import locked
from vmpattern.errors import Refused, SpecError, StalePlan
from vmpattern.model import BakeState, EventKind, Result
from vmpattern.operations import images, prune

FILE = """
deployment = "shop"
clouds.demo = { driver = "memory", path = "demo.json", speed = 0, bad_images = [BAD] }

[services.web]
port = 8080
health = { http = "/" }
env = { TOKEN = { secret = "env:SHOP_TOKEN" } }

[services.web.image]
base = "debian-12"
provision = "provision.sh"
files = { "app" = "/opt/app" }
run = "/opt/app"

[services.other]
image = { existing = { demo = "img-1" } }

[fleets.web]
service = "web"
size = 2
placements = [{ cloud = "demo" }]
rollout = { min_ready = "1s" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_TOKEN", "pa55word")
    (tmp_path / "provision.sh").write_text("echo hello\n", "utf-8")
    (tmp_path / "app").write_text("one", "utf-8")
    return tmp_path


def load(folder: Path, *, bad: str = "") -> vmp.Deployment:
    return vmp.loads(FILE.replace("BAD", bad), directory=str(folder))


def planned(folder: Path, **options: str) -> vmp.Plan:
    deployment = load(folder, **options)
    return vmp.plan(deployment, vmp.observe(deployment))


def applied(folder: Path) -> vmp.Outcome:
    return vmp.apply(planned(folder), locks=folder)


def test_an_apply_bakes_first_and_rolls_then(folder: Path) -> None:
    plan = planned(folder)
    outcome = vmp.apply(plan, locks=folder)
    kinds = [event.kind for event in outcome.events]
    observation = vmp.observe(load(folder))

    assert (Result.COMPLETE, 2) == (outcome.result, outcome.fleets["web"].ready)
    assert kinds.index(EventKind.BAKED) < kinds.index(EventKind.LAUNCHING)
    assert {image.id for image in observation.clouds["demo"].images} == {
        one.image for one in observation.instances() if one.fleet == "web" and one.phase.is_live
    }
    assert not planned(folder).changes


def test_a_forecast_takes_as_long_as_the_apply(folder: Path) -> None:
    plan = planned(folder)
    outcome = vmp.apply(plan, locks=folder)

    assert plan.forecast.duration_s == pytest.approx(outcome.duration_s, rel=0.1)


def test_a_changed_file_is_baked_and_rolled_out(folder: Path) -> None:
    applied(folder)
    (folder / "app").write_text("two", "utf-8")
    plan = planned(folder)

    assert ['services.web.image.files["/opt/app"]'] == [reason.field for reason in plan.fleets["web"].reasons]
    assert ['services.web.image.files["/opt/app"]'] == [reason.field for reason in plan.bakes[0].reasons]
    assert (1, 2) == (len(plan.bakes), plan.fleets["web"].replace)
    assert vmp.apply(plan, locks=folder).ok
    assert not planned(folder).changes


def test_a_bake_that_fails_leaves_the_fleet_as_it_was(folder: Path) -> None:
    applied(folder)
    before = {one.id for one in vmp.observe(load(folder)).instances() if one.phase.is_live}
    (folder / "app").write_text("two", "utf-8")
    outcome = vmp.apply(planned(folder, bad='"img-debian-12"'), locks=folder)
    after = {one.id for one in vmp.observe(load(folder)).instances() if one.phase.is_live}

    assert Result.FAILED is outcome.result
    assert ["image of web in demo"] == [error.scope for error in outcome.errors]
    assert before == after


def test_a_saved_plan_whose_files_changed_is_refused(folder: Path) -> None:
    plan = planned(folder)
    (folder / "app").write_text("two", "utf-8")

    with pytest.raises(StalePlan, match="the recipe or files of web have changed"):
        vmp.apply(plan, locks=folder)

    assert () == vmp.observe(load(folder)).instances()


def test_a_saved_plan_whose_image_is_gone_is_refused(folder: Path) -> None:
    vmp.bake(load(folder), locks=folder)
    plan = planned(folder)
    deployment = load(folder)
    with vmp.connect(deployment.clouds["demo"]) as driver:
        driver.delete_images([slot.image for slot in plan.fleets["web"].slots])

    with pytest.raises(StalePlan, match="is gone"):
        vmp.apply(plan, locks=folder)


def test_a_plan_with_bakes_has_a_json_form(folder: Path) -> None:
    plan = planned(folder)

    assert plan == vmp.plan_from_json(vmp.plan_to_json(plan))
    assert 1 == len(vmp.plan_to_json(plan)["bakes"])


@pytest.mark.parametrize("again", [False, True])
def test_a_smoke_test_boots_an_instance_and_ends_it(folder: Path, again: bool) -> None:
    if again:
        vmp.bake(load(folder), locks=folder)
    told: list[vmp.Event] = []
    outcome = vmp.bake(load(folder), smoke=True, on_event=told.append, locks=folder)
    (result,) = outcome.results

    assert BakeState.PRESENT if again else BakeState.BAKED is result.state
    assert any("to see whether it serves" in event.message for event in told)
    assert [] == [one for one in vmp.observe(load(folder)).instances() if one.phase.is_live]


def test_an_image_that_was_there_and_fails_its_smoke_test_is_told_and_stays(folder: Path) -> None:
    vmp.bake(load(folder), locks=folder)
    (use,) = images(load(folder))[0]
    (result,) = vmp.bake(load(folder, bad=f'"{use.image.id}"'), smoke=True, locks=folder).results

    assert (BakeState.FAILED, "SmokeTestFailed") == (result.state, result.code)
    assert [use.image.id] == [one.image.id for one in images(load(folder))[0]]
    assert [] == [one for one in vmp.observe(load(folder)).instances() if one.phase.is_live]


def test_pruning_deletes_what_nothing_needs(folder: Path) -> None:
    applied(folder)
    for text in ("two", "three", "four"):
        (folder / "app").write_text(text, "utf-8")
        vmp.bake(load(folder), locks=folder)
    before = {use.image.id: use.needed for use in images(load(folder), keep=1)[0]}
    pruned = prune(load(folder), keep=1)
    left = {use.image.id for use in images(load(folder))[0]}

    assert pruned.ok
    assert {id for id, needed in before.items() if not needed} == set(pruned.deleted)
    assert {id for id, needed in before.items() if needed} == left
    assert 2 == len(left)


def kept_builder(folder: Path) -> str:
    """Leave a builder that failed, of a recipe that changes afterwards."""
    deployment = load(folder, bad='"img-debian-12"')
    kept = vmp.bake(deployment, keep_builder=True, deadline_s=60.0, locks=folder).results[0].builder
    assert kept is not None
    (folder / "app").write_text("two", "utf-8")
    return kept


def builders(folder: Path) -> list[str]:
    return [one.id for one in vmp.observe(load(folder)).instances() if one.phase.is_live]


def test_a_builder_of_another_recipe_is_ended_by_the_next_bake_of_this_machine_as_the_plan_says(folder: Path) -> None:
    kept = kept_builder(folder)
    notes = planned(folder).notes
    vmp.bake(load(folder), locks=folder)
    text = "was launched to bake an image: if no bake is under way, `vmpattern bake` terminates it"

    assert [f"{kept} {text}, at once if this machine launched it, else when it is overdue"] == list(notes)
    assert [] == builders(folder)


def test_a_builder_of_another_machine_is_ended_once_it_is_overdue(folder: Path) -> None:
    kept = kept_builder(folder)
    vmp.bake(load(folder), locks=folder / "elsewhere")
    first = builders(folder)
    with vmp.connect(load(folder).clouds["demo"]) as driver:
        driver.advance(driver.clock.now() + 3600.0)  # type: ignore[attr-defined]
    vmp.bake(load(folder), locks=folder / "elsewhere")

    assert ([kept], []) == (first, builders(folder))


def test_a_builder_that_another_bake_of_this_machine_works_with_goes_on(folder: Path) -> None:
    kept = kept_builder(folder)
    digest = next(one.revision for one in vmp.observe(load(folder)).instances() if one.id == kept)
    with locked([f"shop.demo.{digest}"], folder=folder, wait_s=0.0, refused=lambda name: None):
        vmp.bake(load(folder), locks=folder)

    assert [kept] == builders(folder)


def test_what_isnt_baked_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(Refused, match="other"):
        vmp.bake(load(folder), ["other"], locks=folder)
    with pytest.raises(SpecError, match=r"services\.nothing"):
        vmp.bake(load(folder), ["nothing"], locks=folder)


def test_a_cloud_that_cant_be_read_is_told(folder: Path) -> None:
    deployment = load(folder)
    cloud = deployment.clouds["demo"]
    options = cloud.options | {"faults": {"cloud-unreadable": 1.0}}
    away = attrs.evolve(deployment, clouds={"demo": attrs.evolve(cloud, options=options)})
    (result,) = vmp.bake(away, locks=folder).results

    assert (BakeState.FAILED, "Unreadable") == (result.state, result.code)
