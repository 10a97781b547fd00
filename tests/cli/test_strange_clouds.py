"""What the commands make of VMs whose labels can't be read, and of two cloud entries that are one cloud."""

import json
import shutil
from pathlib import Path

import pytest

FILE = """
deployment = "shop-prod"

[clouds.demo]
driver = "memory"
path = "demo.json"
speed = 0
{more}
[services.shop]
image = {{ existing = {{ demo = "img-1"{image} }} }}

[fleets.shop]
service = "shop"
size = 3
placements = [{{ cloud = "demo" }}{placement}]
rollout = {{ min_ready = "1s" }}
"""
TWIN = """
[clouds.twin]
driver = "memory"
path = "{path}"
speed = 0
"""
REASON = "its label vmpattern-fleet is 'Web.1', which is no fleet's name"
CHANGING = (("plan",), ("apply", "--yes"), ("scale", "shop", "1", "--yes"), ("destroy", "--yes"))


def write(folder: Path, *, twin: str = "") -> None:
    more, image, placement = (TWIN.format(path=twin), ', twin = "img-2"', ', { cloud = "twin" }') if twin else ("",) * 3
    (folder / "vmpattern.toml").write_text(FILE.format(more=more, image=image, placement=placement), "utf-8")


@pytest.fixture(autouse=True)
def applied(tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three instances that run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path)
    assert call("apply", "--yes").status == 0
    return tmp_path


def relabelled(folder: Path, value: str = "Web.1") -> str:
    """Edit the world's file, and return whose label was changed."""
    file = folder / "demo.json"
    document = json.loads(file.read_text("utf-8"))
    del document["sha256"]
    row = document["world"]["vms"][0]["row"]
    row["fleet"] = value
    file.write_text(json.dumps(document), "utf-8")
    return row["id"]


def live(folder: Path) -> list[str]:
    world = json.loads((folder / "demo.json").read_text("utf-8"))["world"]
    phases = {vm["row"]["id"]: vm["row"]["phase"] for vm in world["vms"]}
    return sorted(id for id, phase in phases.items() if phase == "running")


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("words", "status"), [(CHANGING[0], 2), *((words, 0) for words in CHANGING[1:])], ids=str)
def test_a_vm_whose_labels_can_t_be_read_is_named_and_outlives_every_command(
    words: tuple[str, ...], status: int, call, applied: Path
) -> None:
    victim = relabelled(applied)
    ran = call(*words)

    assert status == ran.status, ran.err
    assert f"demo: {victim} is neither counted nor touched: {REASON}" in flat(ran.out)
    assert victim in live(applied)


def test_a_plan_s_document_has_it_among_the_notes(call, applied: Path) -> None:
    victim = relabelled(applied)

    assert [f"demo: {victim} is neither counted nor touched: {REASON}"] == call("plan", "--json").document["notes"]


def test_an_apply_makes_up_for_it(call, applied: Path) -> None:
    victim = relabelled(applied)
    call("apply", "--yes")

    assert (4, True) == (len(live(applied)), victim in live(applied))


def test_a_status_shows_it_below_the_fleets(call, applied: Path) -> None:
    victim = relabelled(applied)
    ran = call("status")

    assert (1, f"  demo: {victim} is neither counted nor touched: {REASON}") == (ran.status, ran.out.splitlines()[-1])
    assert [{"cloud": "demo", "id": victim, "reason": REASON}] == call("status", "--json").document["mislabelled"]


def test_a_doctor_takes_it_for_wrong_and_says_what_to_do(call, applied: Path) -> None:
    victim = relabelled(applied)
    ran, document = call("doctor"), call("doctor", "--json").document
    (wrong,) = (check for check in document["checks"] if not check["ok"])

    assert 1 == ran.status
    assert f"labels of {victim}: {REASON} do: correct its labels" in flat(ran.out)
    assert (f"labels of {victim}", REASON) == (wrong["what"], wrong["answer"])


def test_a_vm_without_the_label_at_all_is_named_too(call, applied: Path) -> None:
    victim = relabelled(applied, "")

    assert f"{victim} is neither counted nor touched: it has no label vmpattern-fleet" in flat(call("plan").out)


# -- a cloud that can't be read ---------------------------------------------------------------------------------------


@pytest.fixture
def damaged(applied: Path) -> Path:
    """A second cloud, in which no fleet has a placement, and whose file is damaged."""
    (applied / "vmpattern.toml").write_text(FILE.format(more=TWIN.format(path="two.json"), image="", placement=""))
    (applied / "two.json").write_text("{", "utf-8")
    return applied


def test_a_status_shows_the_other_clouds_and_why_one_cannot_be_read(call, damaged: Path) -> None:
    ran = call("status")

    assert (1, True) == (ran.status, "3 of 3 ready" in ran.out)
    assert f"twin couldn't be read: {damaged / 'two.json'} is damaged" in flat(ran.out)


@pytest.mark.parametrize(
    ("words", "status"),
    [(("plan",), 0), (("scale", "shop", "4", "--yes"), 0), (("destroy", "--yes"), 0), (("doctor",), 1)],
    ids=str,
)
def test_what_needs_no_cloud_that_cannot_be_read_works(words: tuple[str, ...], status: int, call, damaged) -> None:
    assert status == call(*words).status


# -- two entries that are one cloud -----------------------------------------------------------------------------------


def same_file(folder: Path) -> str:
    return "./sub/../demo.json"


def copied_file(folder: Path) -> str:
    """Copy the file: the drivers can't tell that it is the same cloud, but the VMs are the same."""
    shutil.copy(folder / "demo.json", folder / "copy.json")
    return "copy.json"


@pytest.mark.parametrize(("twin", "why"), [(same_file, "both list 3 VMs"), (copied_file, "both list 3 VMs")])
@pytest.mark.parametrize("words", [*CHANGING, ("images",), ("images", "prune", "--yes")], ids=str)
def test_every_command_that_counts_refuses_them_with_both_names_and_the_way_out(
    words: tuple[str, ...], twin, why: str, call, applied: Path
) -> None:
    write(applied, twin=twin(applied))
    before = live(applied)
    ran = call(*words)

    assert 64 == ran.status
    assert "clouds.twin: is the same cloud as clouds.demo" in ran.err
    assert why in ran.err
    assert "Keep one of the two entries: a fleet may have several placements in one cloud" in ran.err
    assert before == live(applied)


def test_they_are_refused_before_there_is_any_vm(call, applied: Path) -> None:
    (applied / "demo.json").unlink()
    write(applied, twin=same_file(applied))
    ran = call("apply", "--yes")

    assert 64 == ran.status
    assert "is the same cloud as clouds.demo (one account and region, or one folder or file), so each VM" in ran.err


def test_a_plan_that_was_saved_before_is_refused(call, applied: Path) -> None:
    write(applied, twin="twin.json")
    assert 2 == call("plan", "-o", "plan.json").status
    shutil.copy(applied / "demo.json", applied / "twin.json")

    assert "is the same cloud as clouds.demo" in call("apply", "plan.json", "--yes").err


def test_a_status_says_it_and_counts_each_vm_once(call, applied: Path) -> None:
    write(applied, twin=same_file(applied))
    ran, document = call("status"), call("status", "--json").document
    (overlap,) = document["overlaps"]

    assert 1 == ran.status
    assert "clouds.twin is the same cloud as clouds.demo" in ran.out
    assert (3, 3) == (document["fleets"]["shop"]["ready"], len(overlap["instances"]))
    assert ["demo", "twin"] == overlap["clouds"]


def test_a_doctor_says_it_with_the_way_out(call, applied: Path) -> None:
    write(applied, twin=same_file(applied))
    ran = call("doctor")

    assert 1 == ran.status
    assert "clouds.twin: is the same cloud as clouds.demo" in flat(ran.out)
    assert "Keep one of the two entries" in flat(ran.out)


def test_two_clouds_that_are_two_are_nobody_s_concern(call, applied: Path) -> None:
    write(applied, twin="twin.json")

    assert (0, []) == (call("apply", "--yes").status, call("status", "--json").document["overlaps"])
