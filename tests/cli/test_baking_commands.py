"""bake, images and images prune on a simulated cloud in a file: what they print, their documents and exit statuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FILE = """
deployment = "shop-prod"

[clouds.demo]
driver = "memory"
path = "demo.json"
speed = {speed}
bad_images = [{bad}]

[services.shop]
port = 8080
health = {{ http = "/" }}

[services.shop.image]
base = "debian-12"
files = {{ "app" = "/opt/app" }}
run = "/opt/app"

[services.other]
image = {{ existing = {{ demo = "img-1" }} }}

[fleets.shop]
service = "shop"
size = 2
placements = [{{ cloud = "demo", zones = ["a"] }}]
rollout = {{ min_ready = "1s" }}
"""


def write(folder: Path, *, app: str = "one", bad: str = "", speed: float = 0) -> None:
    (folder / "vmpattern.toml").write_text(FILE.format(bad=bad, speed=speed), "utf-8")
    (folder / "app").write_text(app, "utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file; locks are kept in it, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path)
    return tmp_path


def test_a_bake_reads_well(call, golden) -> None:
    first, second = call("bake"), call("bake", "shop")

    assert [0, 0] == [first.status, second.status]
    golden("bake.txt", first.err + first.out + second.err + second.out)


def test_a_bake_that_fails_tells_why_and_what_is_left(folder: Path, call, golden) -> None:
    write(folder, bad='"img-debian-12"')
    ran = call("bake", "--keep-builder")

    assert 1 == ran.status
    golden("bake-failed.txt", ran.err + ran.out)


def test_every_document_is_whole_and_alone(folder: Path, call) -> None:
    baked, planned, applied = (call(*words.split(), "--json") for words in ("bake --smoke", "plan", "apply --yes"))
    write(folder, app="two")
    again, images, dry = (call(*words.split(), "--json") for words in ("plan", "images", "images prune --keep 1"))
    (image,) = baked.document["images"]

    assert [0, 2, 0, 2, 0, 0] == [ran.status for ran in (baked, planned, applied, again, images, dry)]
    assert ("baked", "shop", "demo") == (image["state"], image["service"], image["cloud"])
    assert [] == planned.document["bakes"]
    assert ["shop"] == [bake["service"] for bake in again.document["bakes"]]
    assert "bake" == again.document["steps"][0]["action"]
    assert [(image["image"], "2 instances")] == [(one["id"], one["needed"]) for one in images.document["images"]]
    assert {"useless": [], "deleted": [], "errors": []} == dry.document


def test_images_are_listed_and_pruned_on_request_only(folder: Path, call, golden) -> None:
    call("apply", "--yes")
    for app in ("two", "three", "four"):
        write(folder, app=app)
        call("bake")
    listed, dry = call("images"), call("images", "prune", "--keep", "1")
    still = call("images", "--json").document["images"]
    pruned = call("images", "prune", "--keep", "1", "--yes")
    left = call("images", "--json").document["images"]
    nothing = call("images", "prune", "--keep", "1")

    golden("images.txt", listed.out + dry.out + dry.err + pruned.out + nothing.out)
    assert (4, 2) == (len(still), len(left))
    assert [0, 0, 0, 0] == [ran.status for ran in (listed, dry, pruned, nothing)]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param("bake other", 1, "the image of other is made elsewhere", id="an image made elsewhere"),
        pytest.param("bake nothing", 64, "services.nothing", id="no such service"),
        pytest.param("bake shop --fleet shop", 64, "leave one of them away", id="services and fleets"),
        pytest.param("images --fleet shop", 64, "leave --fleet away", id="images of a fleet"),
        pytest.param("images prune --keep 0", 64, "--keep", id="none to keep"),
    ],
)
def test_what_cant_be_is_refused(words: str, status: int, told: str, call) -> None:
    ran = call(*words.split())

    assert status == ran.status
    assert told in ran.err


def test_a_file_of_the_recipe_that_is_missing_is_told_with_its_place(folder: Path, call) -> None:
    (folder / "app").unlink()
    ran = [call(*words.split()) for words in ("plan", "apply --yes", "bake", "status", "destroy --yes")]

    assert [64, 64, 64, 1, 0] == [one.status for one in ran]
    assert all('services.shop.image.files["/opt/app"]: app isn\'t there' in one.err for one in ran[:3])
    assert "app isn't there" in ran[3].out


@pytest.mark.parametrize(
    "fleet",
    [
        pytest.param('[fleets.shop]\nservice = "shop"\nsize = 0\nplacements = [{ cloud = "demo" }]\n', id="of size 0"),
        pytest.param("", id="none"),
    ],
)
def test_a_service_without_instances_is_baked_on_request_and_by_no_apply(fleet: str, folder: Path, call) -> None:
    file = folder / "vmpattern.toml"
    file.write_text(file.read_text("utf-8").partition("[fleets.shop]")[0] + fleet, "utf-8")
    planned = call("plan", "--json")
    baked = call("bake", "shop", "--json")

    assert [] == planned.document["bakes"]
    assert [("shop", "demo", "baked")] == [
        (one["service"], one["cloud"], one["state"]) for one in baked.document["images"]
    ]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        pytest.param('[services.shop.image]\nbase = "debian-12"\nrun = "/app"', "The file has no cloud", id="no cloud"),
        pytest.param(
            '[clouds.demo]\ndriver = "memory"\n[services.shop]\nimage = { existing = { demo = "img-1" } }',
            "No service has a recipe",
            id="no recipe",
        ),
    ],
)
def test_a_bake_of_nothing_names_the_cause(text: str, cause: str, folder: Path, call) -> None:
    (folder / "vmpattern.toml").write_text(f'deployment = "shop-prod"\n{text}\n', "utf-8")
    ran = call("bake")

    assert (0, f"{cause}: there is nothing to bake.\n") == (ran.status, ran.out)


def test_only_the_services_of_a_fleet_are_baked_on_request(call) -> None:
    assert 1 == len(call("bake", "--fleet", "shop", "--json").document["images"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_bake_that_is_interrupted_ends_its_builder(number: signal.Signals, folder: Path, call) -> None:
    write(folder, speed=20)
    process = subprocess.Popen(
        [sys.executable, "-m", "vmpattern", "bake", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "builds" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    write(folder)
    notes = call("plan", "--json").document["notes"]

    (image,) = json.loads(out)["images"]

    assert 128 + number == process.returncode
    assert ("interrupted", "Interrupted") == (image["state"], image["code"])
    assert image["message"].startswith("it was asked to stop")
    assert [] == notes


@pytest.mark.parametrize("command", ["bake --smoke", "apply --yes"])
def test_a_bake_that_was_killed_is_taken_up_and_nothing_runs_from_what_it_left(
    command: str, folder: Path, call
) -> None:
    write(folder, speed=20)
    process = subprocess.Popen(
        [sys.executable, "-m", "vmpattern", *command.split(), "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (folder / "demo.json").exists() or '"own-' not in (folder / "demo.json").read_text("utf-8"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait(60)
    write(folder)
    planned, images = call("plan", "--json"), call("images", "--json")
    shown, doctor = call("images").out, " ".join(call("doctor").out.split())
    applied = call("apply", "--yes", "--json")
    after = call("images", "--json")
    left = call("plan", "--json")

    assert ["shop"] == [bake["service"] for bake in planned.document["bakes"]]
    assert [False] == [image["verified"] for image in images.document["images"]]
    assert "pending" in shown or "not verified" in shown
    assert f"not verified, so that only a bake uses them: {images.document['images'][0]['id']}" in doctor
    assert 0 == applied.status
    assert [True] == [image["verified"] for image in after.document["images"]]
    assert ([], 0) == (left.document["notes"], left.status)


@pytest.mark.skipif(sys.platform == "win32", reason="because there is no nohup on Windows")
def test_a_hangup_that_was_ignored_stays_so(folder: Path, call) -> None:
    write(folder, speed=50)
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "vmpattern", "bake", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "builds" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)

    assert 0 == process.returncode
    assert '"state": "baked"' in out


def test_two_bakes_at_the_same_time_make_one_image(folder: Path, call) -> None:
    write(folder, speed=100)
    bakes = [
        subprocess.Popen(
            [sys.executable, "-m", "vmpattern", "bake", "--json"],
            cwd=folder,
            env={**os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    documents = [json.loads(bake.communicate(timeout=120)[0]) for bake in bakes]
    ids = {image["image"] for document in documents for image in document["images"]}
    states = sorted(image["state"] for document in documents for image in document["images"])

    assert [0, 0] == [bake.returncode for bake in bakes]
    assert ["baked", "present"] == states
    assert 1 == len(ids) == len(call("images", "--json").document["images"])


@pytest.mark.parametrize("interrupted", ["the first", "the second"])
def test_of_two_machines_one_is_interrupted_and_the_other_gets_its_image(interrupted: str, folder: Path, call) -> None:
    """Another state folder has other locks, as another machine has."""
    write(folder, speed=10)
    bakes = [begun(folder, state="one", until="builds"), begun(folder, state="two", until="launched by another job")]
    cut, other = bakes if interrupted == "the first" else reversed(bakes)
    cut.send_signal(signal.SIGINT)
    words = [bake.communicate(timeout=120) for bake in (cut, other)]
    write(folder)
    images = call("images", "--json").document["images"]

    assert [130, 0] == [cut.returncode, other.returncode], words
    assert [True] == [image["verified"] for image in images]
    if interrupted == "the second":
        assert "left to the job that launched it" in words[0][0]


def begun(folder: Path, *, state: str, until: str) -> "subprocess.Popen[str]":
    """Begin a bake, and return when it has printed some words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vmpattern", "bake", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": str(folder / state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while until not in process.stderr.readline():
        assert process.poll() is None
    return process


def test_destroy_ends_a_builder_that_was_kept(folder: Path, call) -> None:
    call("apply", "--yes")
    write(folder, app="two", bad='"img-debian-12"')
    kept = call("bake", "--keep-builder", "--json").document["images"][0]["builder"]
    destroyed = call("destroy", "--yes")
    again = call("destroy", "--yes")

    assert [0, 0] == [destroyed.status, again.status]
    assert f"Ended what a bake had left: {kept}." in destroyed.err
    assert kept not in again.err


def test_where_a_recipe_cant_be_read_status_marks_every_revision_as_unknown(folder: Path, call) -> None:
    call("apply", "--yes")
    (folder / "app").unlink()
    table, document = call("status"), call("status", "--json").document
    revisions = [one["revision"] for one in document["fleets"]["shop"]["instances"]]

    assert 1 == table.status
    assert "2 of 2 ready · out of date: unknown" in table.out
    assert all(f"{revision} unknown" in table.out for revision in revisions)
    assert None is document["fleets"]["shop"]["out_of_date"]
    assert [None, None] == [one["in_date"] for one in document["fleets"]["shop"]["instances"]]


def test_a_builder_that_a_bake_left_is_named_by_status_until_the_next_bake(folder: Path, call) -> None:
    write(folder, bad='"img-debian-12"')
    (failed,) = call("bake", "--keep-builder", "--json").document["images"]
    table, document = call("status"), call("status", "--json").document
    write(folder)
    call("bake")
    text = f"{failed['builder']} was launched to bake an image"

    assert f"demo: {text}" in table.out
    assert [("demo", failed["builder"])] == [(one["cloud"], one["id"]) for one in document["builders"]]
    assert document["builders"][0]["message"].startswith(text)
    assert [] == call("status", "--json").document["builders"]
