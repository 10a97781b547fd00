"""The doctor's verdict is the plan's: all is well exactly where a plan isn't refused, and gets there."""

from pathlib import Path

import pytest

EXISTING = 'image.existing = { demo = "img-1" }'
BY_NAME = 'image = { base = "debian-13", run = "/bin/app" }'
NO_FILE = 'image = { base = "debian-13", run = "/bin/app", files = { "nothing" = "/opt/nothing" } }'
NO_BASE = 'image = { base = "ami-1", run = "/bin/app" }'
FILE = """\
deployment = "shop"
[clouds.demo]
driver = "memory"
path = "demo.json"
speed = 0
{cloud}
[services.shop]
port = 8080
health = {{ http = "/healthz" }}
{image}
{service}
[fleets.shop]
service = "shop"
size = {size}
placements = [{placements}]
{fleet}
"""


def text(
    placements: str = '{ cloud = "demo" }',
    *,
    image: str = EXISTING,
    size: int = 3,
    cloud: str = "",
    service: str = "",
    fleet: str = "",
) -> str:
    return FILE.format(placements=placements, image=image, size=size, cloud=cloud, service=service, fleet=fleet)


AB_BC = '{ cloud = "demo", zones = ["a", "b"] }, { cloud = "demo", zones = ["b", "c"] }'
WELL = {
    "as it is": text(),
    "an image by name": text(image=BY_NAME),
    "zones twice in an order": text(AB_BC, fleet='place = "ordered"'),
    "size 0, whatever else is wrong": text('{ cloud = "demo", zones = ["z"] }', size=0, image=NO_FILE),
    "a type of one's own choice": text('{ cloud = "demo", machine_type = "large", market = "spot" }'),
    "a balancer": text(fleet='balancer = { demo = { name = "front" } }'),
    "as much as the quota": text(cloud="quota = 3"),
}
UNREADABLE = '[clouds.two]\ndriver = "memory"\npath = "."\nspeed = 0\n[services.shop]'
SHORT_OF_IT = {
    "deadlines before anything is ready": text(fleet='rollout = { ready_deadline = "20s" }'),
    "a cloud that boots after the deadline": text(cloud='boot = "1h"'),
    "a cloud in which nothing is ready in time": text(cloud='ready = "1h"'),
    "another cloud that can't be read": text('{ cloud = "demo" }, { cloud = "two" }')
    .replace("[services.shop]", UNREADABLE)
    .replace('{ demo = "img-1" }', '{ demo = "img-1", two = "img-1" }'),
}
"""Files of which a plan acts, and stops before it gets there."""
REFUSED = {
    "zones twice in a share": text(AB_BC),
    "no such zone": text('{ cloud = "demo", zones = ["z"] }'),
    "no such type": text('{ cloud = "demo", zones = ["a"], machine_type = "hugest" }'),
    "no such type anywhere": text('{ cloud = "demo", machine_type = "hugest" }'),
    "more than any type has": text(service="resources = { vcpus = 100000 }"),
    "an image that isn't there": text(image='image.existing = { demo = "ami-1" }'),
    "a base that isn't there": text(image=NO_BASE),
    "a file that isn't there": text(image=NO_FILE),
    "an option that isn't one": text('{ cloud = "demo", options = { colour = "red" } }'),
    "an option of the cloud that isn't one": text(cloud='colour = "red"'),
    "a driver that isn't installed": text().replace('"memory"', '"mammoth"'),
    "a balancer without its name": text(fleet="balancer = { demo = { port = 1 } }"),
    "a balancer that may be left without a member": text(
        size=1, fleet="balancer = { demo = { name = 'x' } }\nrollout = { max_surge = 0, max_unavailable = 1 }"
    ),
    "more than the quota": text(cloud="quota = 2"),
    "a world that can't be read": text(cloud="").replace("demo.json", "."),
}


@pytest.mark.parametrize("name", [*WELL, *SHORT_OF_IT, *REFUSED])
def test_the_verdict_is_that_of_a_plan(name: str, call, tmp_path: Path) -> None:
    (tmp_path / "vmpattern.toml").write_text((WELL | SHORT_OF_IT | REFUSED)[name], "utf-8")
    planned, asked, document = call("plan"), call("doctor"), call("doctor", "--json").document

    assert (name in WELL) == (planned.status in (0, 2)) == (asked.status == 0) == document["ok"]
    assert asked.status in (0, 1)
    assert "Traceback" not in asked.err


@pytest.mark.parametrize("name", ["zones twice in a share", "no such type", "a base that isn't there", "no such zone"])
def test_the_words_are_those_of_a_plan(name: str, call, tmp_path: Path) -> None:
    (tmp_path / "vmpattern.toml").write_text(REFUSED[name], "utf-8")
    problems = call("plan", "--json").document["error"]["problems"]
    told = {(check["what"], check["answer"]) for check in call("doctor", "--json").document["checks"]}

    assert {(problem["path"], problem["message"]) for problem in problems} <= told


@pytest.mark.parametrize("name", SHORT_OF_IT)
def test_a_plan_that_does_not_get_there_is_a_check_that_failed(name: str, call, tmp_path: Path) -> None:
    (tmp_path / "vmpattern.toml").write_text(SHORT_OF_IT[name], "utf-8")
    (check,) = (one for one in call("doctor", "--json").document["checks"] if one["what"] == "plan")

    assert (False, True) == (check["ok"], check["answer"].startswith("the apply would end paused; the forecast"))


def test_what_a_plan_says_of_what_earlier_applies_wrote_down_is_said_by_a_doctor(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "vmpattern.toml").write_text(text(fleet='balancer = { demo = { name = "front" } }'), "utf-8")
    assert call("apply", "--yes").status == 0
    for record in (tmp_path / "state/vmpattern/balancers").glob("*.json"):
        record.write_text("{", "utf-8")
    (note,) = call("plan", "--json").document["notes"]

    assert "can't be used" in note
    assert ("note", note) in {(one["what"], one["answer"]) for one in call("doctor", "--json").document["checks"]}


def test_a_cloud_that_fails_keeps_nobody_from_asking_the_others(call, tmp_path: Path) -> None:
    broken = '[clouds.bad]\ndriver = "memory"\npath = "."\n'
    absent = '[clouds.gone]\ndriver = "mammoth"\n'
    (tmp_path / "vmpattern.toml").write_text(text().replace("[services", f"{broken}{absent}[services"), "utf-8")
    checks = call("doctor", "--json").document["checks"]

    assert {("bad", False), ("gone", False), ("demo", True)} <= {(check["cloud"], check["ok"]) for check in checks}
    assert ("demo", "reading", True) in {(check["cloud"], check["what"], check["ok"]) for check in checks}


SECRETS = """env = {
A = { secret = "env:SURELY_NOT_SET" }, B = { secret = "file:none.txt" }, C = { secret = "file:." },
D = { secret = "command:surely-no-program" }, E = { secret = "command:touch ran.txt" }, F = { secret = "env:HOME" } }
""".replace("\n", " ")


def test_secrets_are_looked_up_and_no_command_is_run(call, tmp_path: Path) -> None:
    (tmp_path / "vmpattern.toml").write_text(text(service=SECRETS), "utf-8")
    ran = call("doctor", "--json")
    verdicts = {one["what"][7]: one["ok"] for one in ran.document["checks"] if one["what"].startswith("secret")}

    assert {"A": False, "B": False, "C": False, "D": False, "E": True, "F": True} == verdicts
    assert (1, False) == (ran.status, (tmp_path / "ran.txt").exists())
    assert all("touch" not in one["answer"] for one in ran.document["checks"])


def test_a_single_check_and_a_single_instance_are_counted_as_one(call, tmp_path: Path) -> None:
    file = tmp_path / "vmpattern.toml"
    file.write_text('deployment = "shop"\n', "utf-8")
    alone = call("doctor")
    file.write_text(text('{ cloud = "demo", zones = ["a"] }', size=1), "utf-8")
    call("apply", "--yes")

    assert "The only check passed.\n" == alone.err
    assert "reading: 1 instance of this deployment, 5 machine types in zones a, b, c" in call("doctor").out
