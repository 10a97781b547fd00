from typing import Any

import attrs
import pytest
from situations import deployment, fleet

from vmpattern.errors import SpecError
from vmpattern.model import Cloud, Deployment, Fleet, HealthCheck, Placement, Rollout, Service, Share
from vmpattern.model.service import Existing
from vmpattern.serialization import from_json, to_json


def test_a_rollout_that_may_neither_surge_nor_miss_anybody_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing could ever be replaced"):
        Rollout(max_surge=Share(0), max_unavailable=Share(0, percent=True))


def test_a_fleet_without_a_placement_is_refused() -> None:
    with pytest.raises(ValueError, match="fleet web has no placement"):
        Fleet(name="web", service="shop", size=1, placements=())


def test_a_fleet_of_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="size must be 0 or above, not -1"):
        Fleet(name="web", service="shop", size=-1, placements=[Placement(cloud="demo")])


def test_a_placement_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weight must be above 0, not 0"):
        Placement(cloud="demo", weight=0)


def test_a_health_check_without_a_port_is_refused() -> None:
    with pytest.raises(ValueError, match="a health check but no port"):
        Service(name="shop", image=Existing({}), health=HealthCheck())


def test_a_fleet_of_an_unknown_service_is_refused() -> None:
    with pytest.raises(ValueError, match="names the service shop, which isn't there"):
        Deployment(
            name="shop", clouds={"demo": Cloud(name="demo", driver="memory")}, services={}, fleets={"web": fleet(1)}
        )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"placements": (Placement(cloud="moon"),)}, id="a placement names it"),
        pytest.param({"balancer": {"moon": {"name": "front"}}}, id="a balancer names it"),
    ],
)
def test_an_unknown_cloud_is_refused_where(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="names the cloud moon, which isn't there"):
        deployment(attrs.evolve(fleet(1), **changes))  # type: ignore[arg-type]


def test_resizing_changes_the_named_fleet_only() -> None:
    both = deployment(fleet(1), fleet(2, name="api"))

    sizes = {name: one.size for name, one in both.resized({"web": 5}).fleets.items()}

    assert {"web": 5, "api": 2} == sizes


@pytest.mark.parametrize(
    ("name", "size", "path", "message"),
    [
        pytest.param("api", 5, "fleets.api", "has no fleet api: there are web", id="no such fleet"),
        pytest.param("web", 2.5, "fleets.web.size", "size must be a whole number, not 2.5", id="a fraction"),
        pytest.param("web", True, "fleets.web.size", "size must be a whole number, not True", id="a truth value"),
        pytest.param("web", "9", "fleets.web.size", "size must be a whole number, not '9'", id="a text"),
        pytest.param("web", None, "fleets.web.size", "size must be a whole number, not None", id="nothing"),
        pytest.param("web", -1, "fleets.web.size", "size must be 0 or above, not -1", id="below zero"),
    ],
)
def test_a_size_that_no_fleet_can_have_is_refused_where(name: str, size: Any, path: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        deployment(fleet(1)).resized({name: size})

    assert [path] == [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize("value", ["9", 2.5, True, None])
def test_whole_numbers_are_whole_numbers(value: Any) -> None:
    for change in (
        lambda: attrs.evolve(fleet(1), size=value),
        lambda: Placement(cloud="demo", weight=value),
        lambda: Rollout(max_in_flight=value),
        lambda: Rollout(keep_failed=value),
    ):
        with pytest.raises(ValueError, match=f"must be a whole number, not {value!r}"):
            change()
    with pytest.raises(ValueError, match=r"^fleet web: size"):
        attrs.evolve(fleet(1), size=value)


def test_patience_is_the_time_of_so_many_bad_answers() -> None:
    assert 15.0 == HealthCheck(interval_s=5.0, unhealthy_after=3).patience_s


RENAMED = [
    pytest.param({"web": "web"}, "fleets.web.was: is the fleet's own name", id="its own name"),
    pytest.param({"web": "api"}, 'fleets.web.was: there still is a fleet "api"', id="a fleet that is there"),
    pytest.param({"web": "old", "api": "old"}, 'fleets.api.was: the fleet "web" was "old", too', id="another one's"),
]


def renamed(was: dict[str, str]) -> list[Fleet]:
    return [attrs.evolve(fleet(1), name=name, was=was.get(name)) for name in ("web", "api")]


@pytest.mark.parametrize(("was", "message"), RENAMED)
def test_a_former_name_is_refused_that_is(was: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        deployment(*renamed(was))


def test_a_former_name_is_refused_in_a_saved_plan_too() -> None:
    form = to_json(deployment(*renamed({"web": "old"})))
    form["fleets"]["web"]["was"] = "web"  # type: ignore[call-overload, index]

    with pytest.raises(SpecError, match=r"fleets\.web\.was is the fleet's own name"):
        from_json(Deployment, form)


def test_the_settings_of_a_balancer_may_be_plain_tables() -> None:
    plain = attrs.evolve(fleet(1), balancer={"demo": {"name": "front", "ports": [80, {"tls": True}]}})

    assert 1 == len({plain.balancer["demo"], plain.balancer["demo"]})
    assert plain == from_json(Fleet, to_json(plain))
