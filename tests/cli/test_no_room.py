"""A zone without room: what an apply, and the plans after it, say and do."""

from pathlib import Path

FILE = """
deployment = "roomy"

[clouds.demo]
driver = "memory"
path = "demo.json"
speed = 0
capacity = {{ a = {room} }}

[services.web]
port = 8080
health = {{ http = "/", interval = "1s" }}
image.existing = {{ demo = "{image}" }}

[fleets.web]
service = "web"
size = {size}
placements = [{{ cloud = "demo", zones = ["a", "b", "c"] }}]
rollout = {{ min_ready = "1s", progress_deadline = "5m" }}
"""


def write(folder: Path, *, size: int = 6, room: int = 0, image: str = "img-1") -> None:
    (folder / "vmpattern.toml").write_text(FILE.format(size=size, room=room, image=image), "utf-8")


def test_what_only_evenness_lacks_is_named_and_no_plan_for_ever(call, tmp_path: Path) -> None:
    write(tmp_path)
    applied = call("apply", "--yes", "--json")
    planned, again, status = call("plan", "--json"), call("apply", "--yes", "--json"), call("status", "--json")
    (words,) = applied.document["remaining"]

    assert (0, 0, 0, 0) == (applied.status, planned.status, again.status, status.status)
    assert "not even (0 in demo/a, 3 in demo/b, 3 in demo/c), no room: demo: not enough small in zone a" in words
    assert "InsufficientInstanceCapacity" in words
    assert (True, []) == (planned.document["reached"], planned.document["steps"])
    assert any("not even" in note for note in planned.document["fleets"]["web"]["notes"])
    assert ("nothing", [words]) == (again.document["outcome"], again.document["remaining"])


def test_a_fleet_that_lacks_instances_tries_the_zone_again(call, tmp_path: Path) -> None:
    write(tmp_path)
    call("apply", "--yes")
    write(tmp_path, size=8)
    grown = call("apply", "--yes", "--json")

    assert (0, 8) == (grown.status, grown.document["fleets"]["web"]["ready"])
    assert "not even (0 in demo/a, 4 in demo/b, 4 in demo/c)" in grown.document["remaining"][0]


def test_an_apply_that_pauses_for_want_of_room_says_so_with_the_provider_s_words(call, tmp_path: Path) -> None:
    text = FILE.format(size=3, room=1, image="img-1").replace('["a", "b", "c"]', '["a"]')
    (tmp_path / "vmpattern.toml").write_text(text, "utf-8")
    paused = call("apply", "--yes", "--json")

    assert (1, "paused", 1) == (paused.status, paused.document["outcome"], paused.document["fleets"]["web"]["ready"])
    assert ["InsufficientInstanceCapacity", "NoProgress"] == [one["code"] for one in paused.document["errors"]]
    assert "1 of 3 in date and ready; no room: demo: not enough small in zone a" in paused.document["remaining"][0]


def test_a_zone_that_was_full_by_a_clock_ahead_of_this_one_is_tried_at_once(call, tmp_path: Path) -> None:
    """A simulated world that is deleted begins anew, before what is remembered of it."""
    text = FILE.format(size=3, room=0, image="img-1").replace('["a", "b", "c"]', '["a"]')
    (tmp_path / "vmpattern.toml").write_text(text, "utf-8")
    failed = call("apply", "--yes")
    (tmp_path / "demo.json").unlink()
    (tmp_path / "vmpattern.toml").write_text(text.replace("a = 0", "a = 9"), "utf-8")
    planned, applied = call("plan", "--json"), call("apply", "--yes", "--json")

    assert (1, 0) == (failed.status, applied.status)
    assert max(planned.document["forecast"]["duration_s"], applied.document["duration_s"]) < 120.0
