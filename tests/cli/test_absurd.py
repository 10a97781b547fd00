"""What is absurd is told promptly, in words that say what to do: no traceback, no hang, no half-written file."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROMPT_S = 20.0
DEEP = "[" * 100_000 + "]" * 100_000
FILE = """\
deployment = "shop"
[clouds.demo]
driver = "memory"
path = "demo.json"
speed = 0
[services.shop]
port = 8080
health = { http = "/healthz" }
image.existing = { demo = "img-1" }
[fleets.shop]
service = "shop"
size = 3
placements = [{ cloud = "demo" }]
"""


def write(folder: Path, *changes: tuple[str, str]) -> None:
    text = FILE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "vmpattern.toml").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param("size = 3", "size = 1000000000", "from 0 to 100000, found 1000000000 (a plan plays", id="size"),
        pytest.param(
            '[{ cloud = "demo" }]',
            "[" + ", ".join(f'{{ cloud = "demo", machine_type = "t{n}" }}' for n in range(3000)) + "]",
            "expected at most 100 items, found 3000",
            id="placements",
        ),
        pytest.param('"/healthz" }', '"/healthz", timeout = "1e308s" }', "expected a duration", id="an exponent"),
        pytest.param(
            '"/healthz" }', f'"/healthz", timeout = "{"9" * 300}s" }}', "at most 3650d", id="longer than a life"
        ),
        pytest.param("speed = 0", "speed = nan", "expected a finite number", id="not a number"),
        pytest.param("speed = 0", f'boot = "{"9" * 300}d"', "at most 3650d", id="a driver's duration"),
        pytest.param('"demo" }', f'"demo", options = {{ a = {DEEP} }} }}', "nested too deeply", id="a deep file"),
        pytest.param('existing = { demo = "img-1" }', 'packer_manifest = "deep.json"', "too deeply", id="a manifest"),
        pytest.param(
            'existing = { demo = "img-1" }', 'packer_manifest = "/dev/zero"', "isn't a regular file", id="a device"
        ),
        pytest.param('"demo.json"', '"deep.json"', "nested too deeply", id="a deep world"),
        pytest.param('"demo.json"', '"/dev/zero"', "isn't a regular file", id="a device for a world"),
        pytest.param('"demo.json"', '"pipe"', "isn't a regular file", id="a pipe for a world"),
    ],
)
def test_an_absurd_file_is_told_at_once(before: str, after: str, told: str, call, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text(DEEP, "utf-8")
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path, (before, after))
    began = time.monotonic()
    ran = call("plan")

    assert ran.status in (1, 64)
    assert told in " ".join((ran.out + ran.err).split())
    assert "shouldn't have happened" not in ran.err
    assert time.monotonic() - began < PROMPT_S


@pytest.mark.parametrize("weight", [1, 2**63 - 1])
def test_a_weight_may_be_as_large_as_it_likes(weight: int, call, tmp_path: Path) -> None:
    other = f'{{ cloud = "demo", machine_type = "large", weight = {weight} }}'
    write(tmp_path, ('[{ cloud = "demo" }]', f'[{{ cloud = "demo" }}, {other}]'))

    assert 2 == call("plan").status


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_a_saved_plan_that_is_nested_deeply_is_damaged(depth: int, call, tmp_path: Path) -> None:
    write(tmp_path)
    call("plan", "-o", "p.json")
    text = (tmp_path / "p.json").read_text("utf-8")
    (tmp_path / "p.json").write_text(text.replace('"options": {', f'"options": {{"a": {"[" * depth}{"]" * depth}, ', 1))
    ran = call("apply", "p.json", "--yes", "--json")

    assert (1, "DamagedPlan") == (ran.status, ran.document["error"]["code"])
    assert 0 != call("plan", "-o", "p.json").status or depth < 900


@pytest.mark.parametrize(
    ("target", "told"),
    [
        pytest.param("/dev/full", "isn't a plan", id="a device"),
        pytest.param("pipe", "isn't a plan", id="a pipe"),
        pytest.param("none/p.json", "there is no folder none", id="a folder that isn't there"),
        pytest.param("/proc/p.json", "/proc/p.json can't be written", id="a folder that takes none"),
    ],
)
def test_a_plan_that_cannot_be_saved_is_told(target: str, told: str, call, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path)
    ran = call("plan", "-o", target)

    assert 1 == ran.status
    assert told in ran.err
    assert "shouldn't have happened" not in ran.err


@pytest.mark.parametrize("plan", ["/dev/zero", ".", "none.json"])
def test_what_is_no_file_is_no_plan(plan: str, call) -> None:
    assert 1 == call("apply", plan, "--yes").status


def script(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell, where $VM is the command."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "VM": f"{sys.executable} -m vmpattern"}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def test_where_the_disk_is_full_no_part_of_a_plan_is_left(tmp_path: Path) -> None:
    write(tmp_path)
    done = script(tmp_path, "$VM plan >/dev/null; ulimit -f 2; $VM plan -o p.json")

    assert 1 == done.returncode
    assert "can't be written: File too large" in done.stderr
    assert [] == [path.name for path in tmp_path.iterdir() if "p.json" in path.name]


@pytest.mark.parametrize(
    "words", ["plan", "plan --json", "status --json", "drivers", "none --json", "--help", "plan -h"]
)
def test_output_that_cannot_be_written_is_told(words: str, tmp_path: Path) -> None:
    write(tmp_path)
    done = script(tmp_path, f"$VM {words} >/dev/full")

    assert done.returncode not in (0, 2)
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


@pytest.mark.parametrize("words", ["plan", "plan --json", "apply --yes", "--help", "--version"])
def test_a_closed_output_is_told_before_anything_is_done(words: str, tmp_path: Path) -> None:
    write(tmp_path)
    done = script(tmp_path, f"$VM {words} >&-")

    assert 1 == done.returncode
    assert "The output can't be written: standard output is closed" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "demo.json").exists()


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_closed_input_is_no_terminal_and_closed_errors_go_nowhere(closed: str, tmp_path: Path) -> None:
    write(tmp_path)
    done = script(tmp_path, f"$VM apply {closed}")

    assert (64, "Traceback" in done.stderr) == (done.returncode, False)
    assert "create" in done.stdout


def test_a_reader_of_the_overview_may_go_away(tmp_path: Path) -> None:
    done = script(tmp_path, "($VM --help; echo $? >&2) | true")

    assert "0\n" == done.stderr


def test_locks_that_cannot_be_taken_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    done = script(tmp_path, "XDG_STATE_HOME=/dev/null $VM apply --yes")

    assert 1 == done.returncode
    assert "let XDG_STATE_HOME name a folder" in done.stderr


def test_a_value_of_an_option_may_be_anything(call) -> None:
    assert "nested too deeply" in call("drivers", "check", "memory", "--options", f"a={DEEP}").err


def test_a_fleet_is_scaled_to_what_a_plan_can_play(call, tmp_path: Path) -> None:
    write(tmp_path)

    assert 64 == call("scale", "shop", "100001", "--yes").status


def test_constants_that_json_lacks_are_refused(call, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"version": 1, "steps": NaN, "digest": Infinity}', "utf-8")
    ran = call("apply", "p.json", "--yes", "--json")

    assert "NaN is no number that JSON has" in json.loads(ran.out)["error"]["message"]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        pytest.param("none.toml", "there is no file none.toml: `vmpattern init` writes one", id="nothing"),
        pytest.param("folder", "folder is a folder: name a file in it, as in -f folder/vmpattern.toml", id="a folder"),
        pytest.param("/dev/null", "/dev/null isn't a regular file", id="a device"),
        pytest.param("pipe", "pipe isn't a regular file", id="a pipe"),
    ],
)
def test_what_is_no_file_is_called_what_it_is(file: str, told: str, call, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    ran = call("-f", file, "plan")

    assert 64 == ran.status
    assert told in ran.err
