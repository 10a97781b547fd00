"""Fleets behind balancers of a simulated cloud: what becomes of them when the file's `balancer` lines are edited."""

from pathlib import Path

import pytest

from vmpattern.driver import connect
from vmpattern.model import InstanceId, Membership
from vmpattern.specfile import load

CLOUD = """
deployment = "shop-prod"

[clouds.demo]
driver = "memory"
path = "demo.json"
speed = 0
{options}

[services.shop]
image = {{ existing = {{ demo = "{image}" }} }}
port = 80
health = {{ http = "/" }}
"""

FLEET = """
[fleets.{name}]
service = "shop"
size = {size}
placements = [{{ cloud = "demo" }}]
rollout = {{ min_ready = "1s" }}
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and records are kept in a folder of this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def write(*fleets: str, image: str = "img-1", options: str = "") -> None:
    Path("vmpattern.toml").write_text(CLOUD.format(image=image, options=options) + "".join(fleets), "utf-8")


def a_fleet(name: str = "shop", *, behind: str = "", size: int = 2, was: str = "") -> str:
    lines = [f'was = "{was}"\n'] if was else []
    lines += [f'balancer = {{ demo = {{ name = "{behind}" }} }}\n'] if behind else []
    return FLEET.format(name=name, size=size) + "".join(lines)


def standings(*balancers: str) -> list[dict[InstanceId, Membership]]:
    """Where instances stand with balancers of the world's file."""
    from immutabledict import immutabledict

    with connect(load("vmpattern.toml").clouds["demo"]) as driver:
        found = [driver.members(immutabledict(name=name)) for name in balancers]  # type: ignore[attr-defined]
    return [{id: standing.membership for id, standing in members.items()} for members in found]


def serving(*balancers: str) -> list[int]:
    """How many instances each balancer sends requests to."""
    return [sum(one is Membership.HEALTHY for one in members.values()) for members in standings(*balancers)]


def planned(call, name: str = "shop") -> tuple[int, int, int]:
    """The exit status of `plan`, and how many instances it registers and takes out."""
    ran = call("plan", "--json")
    fleet = ran.document["fleets"][name]
    return ran.status, fleet["register"], fleet["deregister"]


def applied(call) -> str:
    """Apply, and return what was told; afterwards there is nothing to do."""
    ran = call("apply", "--yes", "-v")
    assert (0, 0) == (ran.status, call("plan").status), ran.err + ran.out
    return ran.err


def states(call, name: str = "shop") -> list[str]:
    return sorted(row["state"] for row in call("status", "--json").document["fleets"][name]["instances"])


def test_a_balancer_that_is_added_gets_every_ready_instance(call) -> None:
    write(a_fleet())
    applied(call)
    write(a_fleet(behind="front"))
    before, plan = states(call), planned(call)
    applied(call)

    assert (["joining"] * 2, (2, 2, 0)) == (before, plan)
    assert [2] == serving("front")
    assert ["ready"] * 2 == states(call)


def test_another_balancer_has_the_instances_before_the_old_one_loses_them(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet(behind="back"))
    plan, told = planned(call), applied(call)

    assert (2, 2, 2) == plan
    assert [0, 2] == serving("front", "back")
    assert told.index("shop registered") < told.index("shop ready") < told.index("shop deregistered")
    assert "0 created, 0 destroyed" in call("apply", "--yes").out


def test_a_balancer_that_is_removed_loses_every_instance_and_none_is_ended(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet())
    plan = planned(call)
    applied(call)

    assert ((2, 0, 2), [0], ["ready"] * 2) == (plan, serving("front"), states(call))


def test_what_goes_is_drained_from_the_balancer_that_its_fleet_left(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet(size=0))
    told = applied(call)

    assert [{}] == standings("front")
    assert told.index("shop draining") < told.index("shop terminated")


def test_old_instances_are_drained_from_the_balancer_that_was_replaced(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet(behind="back"), image="img-2")
    told = applied(call)

    assert [0, 2] == serving("front", "back")
    assert told.index("shop draining") < told.index("shop terminated")
    assert 2 == told.count("shop draining")


def test_a_fleet_that_leaves_the_file_is_drained(call, state: Path) -> None:
    write(a_fleet(behind="front"), a_fleet("api", behind="front"))
    applied(call)
    write(a_fleet(behind="front"))
    ran, told = call("plan"), applied(call)

    assert (2, False) == (ran.status, "undrained" in ran.out)
    assert told.index("api draining") < told.index("api terminated")
    assert [2] == serving("front")
    assert '"api"' not in (state / "vmpattern" / "balancers" / "shop-prod.json").read_text("utf-8")


def test_a_fleet_that_leaves_the_file_while_its_balancer_is_not_known_is_said_to_end_undrained(
    call, state: Path
) -> None:
    write(a_fleet(behind="front"), a_fleet("api", behind="front"))
    applied(call)
    (state / "vmpattern" / "balancers" / "shop-prod.json").unlink()
    write(a_fleet(behind="front"))

    assert "its instances end undrained: its balancer isn't known" in call("plan").out
    assert "api draining" not in applied(call)
    assert [2] == serving("front")


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_of_two_fleets_behind_one_balancer_one_may_be_renamed(call, command: str) -> None:
    write(a_fleet(behind="front"), a_fleet("api", behind="front"))
    applied(call)
    write(a_fleet(behind="front"), a_fleet("web", behind="front"))
    ran = call(command, "--yes")

    assert (0, "") == (ran.status, ran.err if "KeyError" in ran.err else "")
    assert ([4] if command == "apply" else [0]) == serving("front")


def test_a_rename_without_was_is_an_outage_and_was_is_proposed(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet("web", behind="front"))
    text = " ".join(call("plan").out.split())

    assert 'if web is its new name, this is an outage: write was = "shop" into [fleets.web]' in text


def test_a_fleet_is_renamed_behind_its_balancer_without_an_outage(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet("web", behind="front", was="shop"))
    plan = call("plan", "--json").document
    states_before = states(call, "web")
    applied(call)

    assert (["web"], 2, 0, 0) == (
        list(plan["fleets"]),
        *(plan["fleets"]["web"][key] for key in ("replace", "create", "destroy")),
    )
    assert [{"field": "fleets.web", "from": "shop", "to": "web", "count": 2}] == plan["fleets"]["web"]["reasons"]
    assert (2, 3) == (plan["forecast"]["lowest_ready"]["web"], plan["forecast"]["highest_total"]["web"])
    assert (["ready"] * 2, [2]) == (states_before, serving("front"))
    assert ["web"] == list(call("status", "--json").document["fleets"])


def test_a_renamed_fleet_is_scaled_and_destroyed_by_its_new_name(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet("web", behind="front", was="shop"))
    ran = [call(*words) for words in (["scale", "web", "1", "--yes"], ["destroy", "--fleet", "web", "--yes"])]

    assert [0, 0] == [one.status for one in ran]
    assert [0] == serving("front")


def test_a_saved_rename_is_refused_once_an_instance_with_the_old_name_came(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet("web", behind="front", was="shop"))
    call("plan", "-o", "p.json")
    write(a_fleet(behind="front", size=3))
    call("apply", "--yes")
    write(a_fleet("web", behind="front", was="shop"))
    ran = call("apply", "p.json", "--yes")

    assert (1, True) == (ran.status, "fleet web has moved since the plan was made" in ran.err)


def test_a_target_that_was_deregistered_by_hand_is_registered_again(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    cloud = load("vmpattern.toml").clouds["demo"]
    for waiting_s in (0.0, 1000.0):
        (members,) = standings("front")
        with connect(cloud) as driver:
            balancer = load("vmpattern.toml").fleets["shop"].balancer["demo"]
            driver.deregister(balancer, sorted(members)[:1])  # type: ignore[attr-defined]
            driver.advance(driver.clock.now() + waiting_s)  # type: ignore[attr-defined]
        plan = planned(call)
        applied(call)

        assert ((2, 1, 0), [2], 2) == (plan, serving("front"), len(states(call)))


def test_a_permission_that_is_granted_later_is_enough(call) -> None:
    write(a_fleet(behind="front"), options='denied = ["register"]')
    refused = call("apply", "--yes")
    write(a_fleet(behind="front"))
    plan = planned(call)
    applied(call)

    assert (1, True) == (refused.status, "the credentials don't permit register" in " ".join(refused.out.split()))
    assert (plan[0], [2]) == (2, serving("front"))


def test_the_members_of_a_balancer_that_cannot_be_read_are_unknown(call) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet(behind="front"), options='denied = ["members"]')
    status, plan = call("status"), call("plan")

    assert (1, 1) == (status.status, plan.status)
    assert ["unknown"] * 2 == states(call)
    assert "its balancer in demo can't be read" in status.out
    assert "the credentials don't permit members" in " ".join(plan.out.split())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param('denied = ["members"]', id="that can't be read"),
        pytest.param('balancers = ["x"]', id="that is gone"),
    ],
)
def test_instances_behind_a_balancer_are_destroyed(call, options: str) -> None:
    write(a_fleet(behind="front"))
    applied(call)
    write(a_fleet(behind="front"), options=options)
    ran = call("destroy", "--yes")

    assert (0, []) == (ran.status, [state for state in states(call) if state != "ending"])
    assert "its instances end undrained" in " ".join(ran.out.split())


def test_a_record_that_cannot_be_written_does_no_harm_and_is_said(call, state: Path) -> None:
    (state / "vmpattern").mkdir(parents=True)
    (state / "vmpattern" / "balancers").write_text("", "utf-8")
    write(a_fleet(behind="front"))
    ran = call("apply", "--yes")

    assert (0, [2]) == (ran.status, serving("front"))
    assert "which balancer it is registered with isn't remembered" in ran.err


def test_strangers_stay_behind_a_balancer_that_a_fleet_leaves(call) -> None:
    write(a_fleet(behind="front"), a_fleet("api"))
    applied(call)
    rows = call("status", "--json").document["fleets"]["api"]["instances"]
    with connect(load("vmpattern.toml").clouds["demo"]) as driver:
        balancer = load("vmpattern.toml").fleets["shop"].balancer["demo"]
        driver.register(balancer, [row["id"] for row in rows])  # type: ignore[attr-defined]
    write(a_fleet(), a_fleet("api"))
    applied(call)

    assert [2] == serving("front")


def test_what_only_moves_between_balancers_is_counted_for_all_fleets_and_in_the_outcome(call) -> None:
    write(a_fleet("api", behind="front"), a_fleet("shop", behind="front"))
    call("apply", "--yes")
    write(a_fleet("api", behind="back"), a_fleet("shop", behind="back"))
    planned, applied = call("plan"), call("apply", "--yes")

    assert "  in all       4 to register, 4 to take out\n" in "\n".join(map(str.rstrip, planned.out.splitlines()))
    assert "shop  2 of 2 ready · 0 created, 0 destroyed, 2 registered, 2 deregistered" in applied.out


def test_the_doctor_counts_what_its_plan_takes_out_of_a_former_balancer(call) -> None:
    write(a_fleet(behind="front"))
    call("apply", "--yes")
    write(a_fleet(behind="back"))

    assert "plan: 2 to register, 2 to deregister" in call("doctor").out


def test_a_plan_of_several_fleets_that_only_waits_has_no_line_without_a_count(call) -> None:
    write(a_fleet("api"), a_fleet("shop"))
    call("apply", "--yes")
    slow = 'rollout = { min_ready = "10m" }'
    Path("vmpattern.toml").write_text(
        Path("vmpattern.toml").read_text("utf-8").replace('rollout = { min_ready = "1s" }', slow), "utf-8"
    )
    planned, checked = call("plan"), call("doctor")

    assert 2 == planned.status
    assert "in all" not in planned.out
    assert "plan: waits until instances are ready" in checked.out


def test_what_fails_for_two_fleets_alike_is_noted_once(call) -> None:
    write(a_fleet("api"), a_fleet("shop"))
    call("apply", "--yes")
    write(a_fleet("api", behind="front"), a_fleet("shop", behind="front"), options='balancers = ["other"]')
    notes = call("plan", "--json").document["notes"]

    assert any("the forecast doesn't get there" in note for note in notes)
    assert sorted(set(notes)) == sorted(notes)
