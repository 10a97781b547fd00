"""Launches as users see them: quotas, rotated secrets, clouds that couldn't be read, health that is never known."""

from pathlib import Path

import pytest

from vmpattern.model import Phase
from vmpattern_memory.driver import MemoryDriver
from vmpattern_memory.settings import MemoryOptions

HEAD = 'deployment = "shop"\n'
SERVICE = """
[services.web]
image.existing = {{ {images} }}
port = 8080
health = {{ http = "/" }}
{env}

[fleets.web]
service = "web"
size = {size}
{fleet}

[fleets.web.rollout]
{rollout}
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are kept in a folder of this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def cloud(name: str, options: str = "") -> str:
    return f'[clouds.{name}]\ndriver = "memory"\npath = "{name}.json"\nspeed = 0\n{options}\n'


def write(
    *clouds: str,
    size: int,
    image: str = "img-1",
    fleet: str = 'placements = [{ cloud = "eu" }]',
    rollout: str = "",
    env: str = "",
) -> None:
    images = ", ".join(f'{name} = "{image}"' for name in ("eu", "us")[: len(clouds)])
    body = SERVICE.format(images=images, size=size, fleet=fleet, rollout=rollout, env=env)
    Path("vmpattern.toml").write_text(HEAD + "".join(clouds) + body, "utf-8")


@pytest.mark.parametrize(
    ("size", "image", "rollout"),
    [
        pytest.param(3, "img-2", "max_surge = 0\nmax_unavailable = 1", id="a change without surge"),
        pytest.param(3, "img-2", "max_surge = 1\nmax_unavailable = 1", id="a change with surge that has no room"),
        pytest.param(3, "img-2", 'max_surge = "50%"\nmax_unavailable = "50%"', id="a change in shares"),
        pytest.param(2, "img-2", "", id="a change of a fleet that shrinks"),
        pytest.param(3, "img-1", "", id="nothing"),
    ],
)
def test_at_a_full_quota_what_a_rollout_frees_is_counted(call, size: int, image: str, rollout: str) -> None:
    full = cloud("eu", "quota = 3")
    write(full, size=3)
    first = call("apply", "--yes")
    write(full, size=size, image=image, rollout=rollout)
    second = call("apply", "--yes", "--json")

    assert (0, 0) == (first.status, second.status)
    assert size == second.document["fleets"]["web"]["ready"]


def test_a_dead_instance_is_replaced_at_a_full_quota(call, tmp_path: Path) -> None:
    write(cloud("eu", "quota = 3"), size=3)
    call("apply", "--yes")
    driver = MemoryDriver(MemoryOptions(path="eu.json"), cloud="eu", directory=tmp_path)
    with driver._keeper.changing() as world:
        world._world.show(next(iter(world._world.vms.values())), Phase.STOPPED, None)
    driver.close()
    again = call("apply", "--yes", "--json")

    assert (0, 1) == (again.status, again.document["fleets"]["web"]["created"])


def test_a_change_that_a_quota_leaves_no_room_for_is_refused_before_anything_is_touched(call) -> None:
    full = cloud("eu", "quota = 3")
    write(full, size=3)
    call("apply", "--yes")
    write(full, size=3, image="img-2")
    refused = call("apply", "--yes")

    assert 0 != refused.status
    assert (
        "limit of instances is 3, 3 in use, and this change needs more at once than it frees"
        in refused.err + refused.out
    )
    assert "max_surge = 0 with max_unavailable = 1" in refused.err + refused.out


TWO_FLEETS = """
[services.web]
image.existing = {{ eu = "{image}" }}
port = 8080
health = {{ http = "/" }}
"""


@pytest.mark.parametrize(
    ("quota", "image", "sizes"),
    [
        pytest.param(4, "img-1", {"a": 1, "b": 3}, id="one shrinks"),
        pytest.param(4, "img-1", {"b": 4}, id="one is gone"),
        pytest.param(5, "img-2", {"a": 2, "b": 2}, id="both need the same room"),
    ],
)
def test_what_another_fleet_frees_under_a_quota_is_counted(call, quota: int, image: str, sizes: dict) -> None:
    def written(image: str, sizes: dict[str, int]) -> None:
        fleets = "".join(
            f'[fleets.{name}]\nservice = "web"\nsize = {size}\nplacements = [{{ cloud = "eu" }}]\n'
            for name, size in sizes.items()
        )
        text = HEAD + cloud("eu", f"quota = {quota}") + TWO_FLEETS.format(image=image) + fleets
        Path("vmpattern.toml").write_text(text, "utf-8")

    written("img-1", {"a": 2, "b": 2})
    call("apply", "--yes")
    written(image, sizes)
    asked = call("doctor", "--json"), call("plan")
    applied = call("apply", "--yes", "--json")
    ready = {name: fleet["ready"] for name, fleet in applied.document["fleets"].items()}

    assert (0, [0, 2]) == (applied.status, [one.status for one in asked])
    assert sizes == {name: ready[name] for name in sizes}


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("doctor",)], ids=" ".join)
def test_what_a_fleet_frees_that_is_not_asked_for_is_not_counted(call, words: tuple[str, ...]) -> None:
    def written(a: int, b: int) -> None:
        fleets = "".join(
            f'[fleets.{name}]\nservice = "web"\nsize = {size}\nplacements = [{{ cloud = "eu" }}]\n'
            for name, size in (("a", a), ("b", b))
        )
        text = HEAD + cloud("eu", "quota = 4") + TWO_FLEETS.format(image="img-1") + fleets
        Path("vmpattern.toml").write_text(text, "utf-8")

    written(2, 2)
    call("apply", "--yes")
    written(1, 3)
    alone, together = call(*words, "--fleet", "b"), call("plan")

    assert "this change needs more at once than it frees" in alone.err + alone.out
    assert (64 if words != ("doctor",) else 1, 2) == (alone.status, together.status)


def test_a_spent_quota_passes_its_share_on_and_the_next_plan_is_empty(call) -> None:
    places = 'place = "ordered"\nplacements = [{ cloud = "eu" }, { cloud = "us" }]'
    write(cloud("eu", "quota = 2"), cloud("us"), size=6, fleet=places)
    applied = call("apply", "--yes", "--json")
    zones = [row["cloud"] for row in call("status", "--json").document["fleets"]["web"]["instances"]]

    assert (0, ["eu"] * 2 + ["us"] * 4) == (applied.status, sorted(zones))
    assert 0 == call("plan").status


def test_where_every_quota_is_too_small_nothing_is_touched(call) -> None:
    places = 'place = "ordered"\nplacements = [{ cloud = "eu" }, { cloud = "us" }]'
    write(cloud("eu", "quota = 2"), cloud("us", "quota = 3"), size=6, fleet=places)
    refused = call("apply", "--yes", "--json")

    assert (64, False) == (refused.status, Path("eu.json").exists() and "i-" in Path("eu.json").read_text("utf-8"))
    assert "us: the account's limit of instances is 3, 0 in use" in refused.document["error"]["message"]


def test_spot_above_its_quota_is_launched_on_demand(call) -> None:
    places = 'placements = [{ cloud = "eu", market = "spot", weight = 3 }, { cloud = "eu" }]'
    write(cloud("eu", "spot_quota = 2"), size=6, fleet=places)

    assert 0 == call("apply", "--yes").status
    assert 6 == call("status", "--json").document["fleets"]["web"]["ready"]


def test_a_rotated_secret_gets_another_key_and_is_written_nowhere(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB", "hunter22")
    write(cloud("eu"), size=2, env='env = { DB = { secret = "env:SHOP_DB" } }')
    ran = [call("apply", "--yes")]
    # What the first keys launched is gone from every list when the last apply asks for the same again.
    ran += [call("scale", "web", size, "--yes") for size in ("0", "1", "0")]
    monkeypatch.setenv("SHOP_DB", "hunter23")
    ran.append(call("apply", "--yes"))

    assert [0] * 5 == [one.status for one in ran]
    assert "the launch key was used for another request" in ran[-1].err + ran[-1].out
    assert "hunter" not in "".join(one.out + one.err for one in ran) + Path("eu.json").read_text("utf-8")


def test_a_secret_that_is_missing_refuses_only_what_would_launch(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB", "hunter22")
    env = 'env = { DB = { secret = "env:SHOP_DB" } }'
    write(cloud("eu"), size=2, env=env)
    call("apply", "--yes")
    monkeypatch.delenv("SHOP_DB")
    write(cloud("eu"), size=1, env=env)
    shrunk = call("apply", "--yes")
    write(cloud("eu"), size=3, env=env)
    grown = call("apply", "--yes")

    assert (0, 1) == (shrunk.status, grown.status)
    assert "services.web.env.DB: the variable SHOP_DB isn't set" in grown.err + grown.out


def test_nothing_is_launched_where_a_cloud_couldnt_be_read(call) -> None:
    places = 'placements = [{ cloud = "eu" }, { cloud = "us" }]'
    write(cloud("eu"), cloud("us", "faults = { cloud-unreadable = 1.0 }"), size=4, fleet=places)
    planned = call("plan", "-o", "plan.json", "--json")
    pending = [slot for slot in planned.document["fleets"]["web"]["slots"] if slot["cloud"] == "us"]
    applied = call("apply", "plan.json", "--yes", "--json")

    assert [(None, None, None)] == [(slot["zone"], slot["machine_type"], slot["image"]) for slot in pending]
    assert (1, 2) == (applied.status, applied.document["fleets"]["web"]["created"])


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_cloud_without_idempotency_that_loses_replies_is_resolved_by_listing(call, seed: int) -> None:
    options = f'seed = {seed}\nidempotency = "none"\nstaleness = "5s"\nfaults = {{ reply-lost-after = 0.5 }}'
    write(cloud("eu", options), size=6)
    applied = call("apply", "--yes", "--json")

    assert (0, 6) == (applied.status, applied.document["fleets"]["web"]["created"])


MUTE = "faults = { health-unknown = 1.0 }"


def test_health_that_nobody_knows_is_no_success_in_the_plan_either(call) -> None:
    write(cloud("eu", MUTE), size=2)
    asked = [call("apply", "--yes"), call("plan"), call("apply", "--yes"), call("status")]
    planned = asked[1].out + asked[1].err

    assert [1, 1, 1, 1] == [one.status for one in asked]
    assert ("2 of unknown health" in planned, "ends paused" in planned) == (True, True)
    assert "unknown" in asked[3].out


def test_what_nobody_knows_is_replaced_as_the_forecast_says(call) -> None:
    write(cloud("eu", MUTE), size=3)
    call("apply", "--yes")
    write(cloud("eu"), size=3, image="img-2")
    planned, applied = call("plan", "--json"), call("apply", "--yes", "--json")

    assert (2, 0) == (planned.status, applied.status)
    assert planned.document["forecast"]["duration_s"] == pytest.approx(applied.document["duration_s"], abs=30.0)


def placed(*placements: str, size: int, more: str = "", place: str = "spread") -> str:
    """A fleet of these placements, in a file whose cloud has a quota of 3, and whatever else is in it."""
    places = ", ".join(f'{{ cloud = "eu"{one} }}' for one in placements)
    body = SERVICE.format(images='eu = "img-1"', size=size, fleet=f"placements = [{places}]", rollout="", env="")
    return HEAD + cloud("eu", "quota = 3") + body.replace("[fleets.web]\n", f'[fleets.web]\nplace = "{place}"\n') + more


OTHER = """
[fleets.api]
service = "web"
size = 2
placements = [{ cloud = "eu", market = "spot" }]
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(placed("", size=5), id="one placement"),
        pytest.param(placed(', zones = ["a"]', ', zones = ["b"]', size=5), id="two zones"),
        pytest.param(placed("", ', market = "spot"', size=5), id="two markets"),
        pytest.param(placed("", ', market = "spot"', size=5, place="ordered"), id="two markets in order"),
        pytest.param(placed(', machine_type = "small"', ', machine_type = "large"', size=5), id="two machine types"),
        pytest.param(placed("", size=2, more=OTHER), id="two fleets in two markets"),
    ],
)
@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("doctor",)], ids=" ".join)
def test_more_than_a_quota_allows_is_refused_however_it_is_placed(call, text: str, words: tuple[str, ...]) -> None:
    Path("vmpattern.toml").write_text(text, "utf-8")
    ran = call(*words)

    assert "the account's limit of instances is 3, 0 in use" in ran.out + ran.err
    assert (1 if words == ("doctor",) else 64) == ran.status


@pytest.mark.parametrize("rollout", ["max_surge = 1", "max_surge = 1\nmax_unavailable = 1", "max_surge = 3"])
@pytest.mark.parametrize("quota", [3, 4, 5])
def test_what_a_plan_forecasts_under_a_quota_is_what_the_apply_does(call, quota: int, rollout: str) -> None:
    write(cloud("eu", "quota = 5"), size=5)
    call("apply", "--yes")
    write(cloud("eu", f"quota = {quota}"), size=3, image="img-2", rollout=rollout)
    planned, applied = call("plan", "--json"), call("apply", "--yes", "--json")

    assert {64: 64, 2: 0}[planned.status] == applied.status
    if applied.status == 0:
        forecast = planned.document["forecast"]["duration_s"]
        assert forecast == pytest.approx(applied.document["duration_s"], abs=5.0)
