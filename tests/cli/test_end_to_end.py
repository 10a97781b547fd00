"""The commands on a simulated cloud in a file: the whole way from init to destroy, and what goes wrong on it."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vmpattern.cli.engine import Engine
from vmpattern.driver import connect
from vmpattern.errors import StalePlan

FILE = """
deployment = "shop-prod"

[clouds.demo]
driver = "memory"
path = "demo.json"
speed = {speed}

[services.shop]
image = {{ existing = {{ demo = "{image}" }} }}

[fleets.shop]
service = "shop"
size = {size}
placements = [{{ cloud = "demo" }}]
rollout = {{ min_ready = "1s" }}
"""

CLOUD_LIBRARIES = ("libcloud", "boto3", "botocore", "google", "openstack", "hypothesis")


def write(folder: Path, *, image: str = "img-1", size: int = 3, speed: float = 0) -> Path:
    path = folder / "vmpattern.toml"
    path.write_text(FILE.format(image=image, size=size, speed=speed), "utf-8")
    return path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are kept in a folder of this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def applied(tmp_path: Path, call) -> Path:
    """A folder with three instances that run."""
    write(tmp_path)
    assert call("apply", "--yes").status == 0
    return tmp_path


def instances(call, fleet: str = "shop") -> list[dict]:
    """The instances that aren't on their way out."""
    rows = call("status", "--json").document["fleets"][fleet]["instances"]
    return [row for row in rows if row["phase"] != "terminating"]


def test_the_way_from_init_to_destroy(call) -> None:
    commands = ["init", "plan", "apply --yes", "plan", "scale web 5 --yes", "plan", "destroy --yes"]
    ran = [call(*command.split()) for command in commands]

    assert [0, 2, 0, 0, 0, 2, 0] == [one.status for one in ran]
    assert [] == instances(call, "web")


def test_every_document_is_whole_and_alone(call, tmp_path: Path) -> None:
    write(tmp_path)
    commands = ["plan", "apply --yes", "status", "plan", "scale shop 1 --yes", "doctor", "drivers", "destroy --yes"]
    ran = [call(*command.split(), "--json") for command in commands]
    plan, applied, status, empty, scaled, doctor, drivers, destroyed = (one.document for one in ran)

    assert [2, 0, 0, 0, 0, 0, 0, 0] == [one.status for one in ran]
    assert (True, False) == (plan["changes"], empty["changes"])
    assert {"fleets", "bakes", "steps", "forecast", "digest"} <= plan.keys()
    assert plan["fleets"]["shop"]["reasons"] == [{"field": "fleets.shop.size", "from": 0, "to": 3, "count": 3}]
    assert ["complete"] * 3 == [one["outcome"] for one in (applied, scaled, destroyed)]
    assert {"created": 3, "destroyed": 0, "ready": 3, "reached": True}.items() <= applied["fleets"]["shop"].items()
    assert {"fleets", "duration_s", "api_calls", "errors"} <= applied.keys()
    assert (3, 3, 0) == tuple(status["fleets"]["shop"][key] for key in ("desired", "ready", "out_of_date"))
    assert doctor["ok"]
    assert "capabilities" in drivers["drivers"]["memory"]


def test_a_plan_is_saved_for_its_owner_and_carried_out(applied: Path, call) -> None:
    write(applied, image="img-2")
    planned = call("plan", "-o", "p.json")
    mode = stat.S_IMODE((applied / "p.json").stat().st_mode)
    ran = call("apply", "p.json", "--yes")

    assert (2, 0o600, 0) == (planned.status, mode, ran.status)
    assert "vmpattern apply p.json" in planned.err
    assert "image img-1 → img-2  (3 instances)" in ran.out
    assert call("plan").status == 0


def test_a_plan_may_take_the_place_of_an_older_one_only(applied: Path, call) -> None:
    (applied / "notes.json").write_text('{"mine": true}', "utf-8")
    (applied / "link.json").symlink_to("nowhere.json")
    ran = [call("plan", "-o", name).status for name in ("p.json", "p.json", "notes.json", "link.json", ".")]

    assert [0, 0, 1, 1, 64] == ran
    assert (applied / "notes.json").read_text("utf-8") == '{"mine": true}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param('"size": 4', '"size": 40', id="edited"),
        pytest.param('"version": 3', '"version": 999', id="of another version"),
        pytest.param("}", "", id="cut short"),
        pytest.param('"digest"', '"Digest"', id="not a plan"),
    ],
)
def test_a_plan_that_was_touched_is_refused(before: str, after: str, applied: Path, call) -> None:
    write(applied, size=4)
    call("plan", "-o", "p.json")
    text = (applied / "p.json").read_text("utf-8")
    (applied / "p.json").write_text(text.replace(before, after), "utf-8")
    ran, with_json = call("apply", "p.json", "--yes"), call("apply", "p.json", "--yes", "--json")

    assert before in text
    assert (1, 1, "DamagedPlan") == (ran.status, with_json.status, with_json.document["error"]["code"])
    assert ran.err.startswith("p.json")
    assert len(instances(call)) == 3


def test_a_stale_plan_is_refused(applied: Path, call) -> None:
    write(applied, image="img-2")
    call("plan", "-o", "p.json")
    call("scale", "shop", "4", "--yes")
    ran = call("apply", "p.json", "--yes")

    assert ran.status == 1
    assert "make a new plan" in ran.err
    assert len(instances(call)) == 4


@pytest.mark.parametrize(
    "go",
    [
        pytest.param(lambda folder, call: call("destroy", "--yes"), id="destroyed"),
        pytest.param(lambda folder, call: (folder / "demo.json").unlink(), id="gone with their cloud"),
    ],
)
def test_a_saved_plan_is_refused_once_the_fleet_that_it_counts_on_went(go, applied: Path, call) -> None:
    write(applied, size=4)
    assert 2 == call("plan", "-o", "p.json").status
    go(applied, call)
    ran = call("apply", "p.json", "--yes")

    assert (1, []) == (ran.status, instances(call))
    assert "went): make a new plan" in ran.err


class Failing(Engine):
    """The library, with an instance that goes before each of the first applies."""

    def __init__(self, times: int) -> None:
        self.left = times

    def apply(self, plan, *, on_event, stop):
        """Terminate an instance first."""
        cloud, ids = plan.deployment.clouds["demo"], plan.observed["shop"]
        if self.left and ids:
            self.left -= 1
            with connect(cloud) as driver:
                driver.terminate(ids[:1])
        return super().apply(plan, on_event=on_event, stop=stop)


@pytest.mark.parametrize("words", [("apply",), ("scale", "shop", "4"), ("destroy",)], ids=str)
def test_a_command_plans_again_where_an_instance_failed_before_its_apply(words, applied: Path, call) -> None:
    write(applied, size=4)
    ran = call(*words, "--yes", engine=Failing(times=1))

    assert (0, 2) == (ran.status, ran.out.count("Plan for shop-prod"))
    assert "went): this is a new plan." in ran.err
    assert (0 if words == ("destroy",) else 4) == len(instances(call))


def test_a_command_does_not_plan_again_for_ever(applied: Path, call) -> None:
    write(applied, size=4)
    ran = call("apply", "--yes", engine=Failing(times=3))

    assert (1, 3) == (ran.status, ran.out.count("Plan for shop-prod"))
    assert "went): make a new plan" in ran.err


def test_a_command_that_was_interrupted_does_not_plan_again(applied: Path, call) -> None:
    class Interrupting(Engine):
        def apply(self, plan, *, on_event, stop):
            signal.raise_signal(signal.SIGINT)
            raise StalePlan("i-1 went: make a new plan", only_went=True)

    write(applied, size=4)
    ran = call("apply", "--yes", engine=Interrupting())

    assert (130, 1) == (ran.status, ran.out.count("Plan for shop-prod"))
    assert "Interrupted; nothing was changed." in ran.err


def test_a_command_does_not_plan_again_where_an_instance_came(applied: Path, call) -> None:
    class Meanwhile(Engine):
        def apply(self, plan, *, on_event, stop):
            larger = self.load(Path("vmpattern.toml")).resized({"shop": 5})
            other = super().plan(larger, self.observe(larger), fleets=(), refresh=False)
            super().apply(other, on_event=on_event, stop=stop)
            return super().apply(plan, on_event=on_event, stop=stop)

    write(applied, size=4)
    ran = call("apply", "--yes", engine=Meanwhile())

    assert (1, 1, 5) == (ran.status, ran.out.count("Plan for shop-prod"), len(instances(call)))


def test_a_damaged_cloud_is_kept_and_named(applied: Path, call) -> None:
    (applied / "demo.json").write_text("{ this was a cloud", "utf-8")
    ran = [call(*words) for words in (["plan"], ["apply", "--yes"], ["status"], ["doctor"])]

    assert [1, 1, 1, 1] == [one.status for one in ran]
    assert all("demo.json" in "".join((one.out + one.err).split()) for one in ran)  # a long path fills several lines
    assert all("Traceback" not in one.err for one in ran)
    assert (applied / "demo.json").read_text("utf-8") == "{ this was a cloud"


def test_a_wrong_option_of_a_cloud_is_a_wrong_file(applied: Path, call) -> None:
    path = applied / "vmpattern.toml"
    path.write_text(path.read_text("utf-8").replace("speed", "sped"), "utf-8")
    ran = call("plan", "--json")

    assert ran.status == 64
    assert [problem["path"] for problem in ran.document["error"]["problems"]] == ["clouds.demo.sped"]
    assert "speed" in ran.err


def test_a_failing_rollout_is_paused_with_what_to_do(applied: Path, call) -> None:
    path = write(applied, image="img-bad")
    text = path.read_text("utf-8").replace("speed = 0", 'speed = 0\nbad_images = ["img-bad"]')
    path.write_text(text.replace('min_ready = "1s"', 'min_ready = "1s", ready_deadline = "60s"'), "utf-8")
    ran = call("apply", "--yes")

    assert ran.status == 1
    assert "Paused" in ran.out
    assert "vmpattern status, vmpattern plan" in ran.out
    assert sum(one["health"] == "healthy" for one in instances(call)) >= 3


def test_what_is_bound_to_fail_is_told_before_anything_is_launched(tmp_path: Path, call) -> None:
    path = write(tmp_path, image="ami-1")
    ran = [call(*words) for words in (["plan"], ["apply", "--yes"], ["doctor"])]

    assert [64, 64, 1] == [one.status for one in ran]
    assert all("image.existing.demo: there is no image ami-1" in one.out + one.err for one in ran)
    assert [] == instances(call)
    assert path.exists()


def test_the_doctor_names_what_is_not_there(applied: Path, call) -> None:
    path = applied / "vmpattern.toml"
    asked = 'cloud = "demo", zones = ["a", "bb"], machine_type = "hugest"'
    path.write_text(path.read_text("utf-8").replace('cloud = "demo" }', f"{asked} }}"), "utf-8")
    ran = call("doctor")

    assert ran.status == 1
    assert "no zone bb" in ran.out
    assert "no hugest in zone a" in ran.out
    assert "do: correct it" in ran.out


def spawn(*words: str, **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # A parent in the background may have the signal ignored, and children inherit that.
    start = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = start + "from vmpattern.cli import main; sys.exit(main(sys.argv[1:]))"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-c", code, *words], env=environment, **pipes)


def test_two_applies_at_once_are_never_both(applied: Path, call) -> None:
    write(applied, image="img-2", speed=60)
    first = spawn("apply", "--yes", cwd=applied)
    told = [next(first.stderr)]
    second = call("apply", "--yes", "--json")
    told += first.communicate(timeout=60)

    assert (0, 1) == (first.returncode, second.status), told
    assert second.document["error"]["code"] == "Locked"
    assert "another apply" in second.err
    assert len(instances(call)) == 3


def test_an_interrupted_apply_is_130_and_the_next_one_goes_on(applied: Path, call) -> None:
    write(applied, image="img-2", speed=60)
    first = spawn("apply", "--yes", "--json", cwd=applied)
    while "launched" not in next(first.stderr):
        pass
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    document = json.loads(out)

    assert (130, "interrupted") == (first.returncode, document["outcome"])
    assert document["remaining"]
    assert "Stopping" in err
    write(applied, image="img-2")
    assert call("apply", "--yes").status == 0
    assert [True] * 3 == [one["in_date"] for one in instances(call)]


def test_a_killed_apply_is_gone_on_with_by_the_next(applied: Path, call) -> None:
    write(applied, image="img-2", speed=60)
    first = spawn("apply", "--yes", cwd=applied)
    while "launched" not in next(first.stderr):
        pass
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    write(applied, image="img-2")

    assert call("apply", "--yes").status == 0
    assert [True] * 3 == [one["in_date"] for one in instances(call)]


def test_a_reader_that_went_away_ends_nothing(applied: Path, call) -> None:
    write(applied, image="img-2", speed=60)
    first = spawn("apply", "--yes", cwd=applied)
    first.stdout.close()
    next(first.stderr)
    first.stderr.close()

    assert first.wait(60) == 0
    assert [True] * 3 == [one["in_date"] for one in instances(call)]


# `drivers` isn't among them: it shows what every installed driver can do, so it loads them all.
@pytest.mark.parametrize("words", [["plan"], ["apply", "--yes"], ["status"], ["doctor"]])
def test_no_command_loads_a_library_that_it_does_not_need(words: list[str], applied: Path) -> None:
    code = "import sys; from vmpattern.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code, *words], cwd=applied, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stderr.splitlines()[-1].split()}

    assert set() == loaded.intersection(CLOUD_LIBRARIES)
