"""Tokens, the catalogue, pages and versions, against a small HTTP server that says what Keystone and Nova say."""

import contextlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict
from loopback import Answer, Asked, Loopback
from some_openstack import EXPIRED, NOBODY, REQUEST, Cloud, connected

from vmpattern.driver import Selector
from vmpattern.errors import Invalid, OutcomeUnknown, Throttled, Transient, Unauthenticated
from vmpattern.model import ImageId, InstanceId
from vmpattern_openstack import OpenStackDriver, OpenStackOptions

BROKEN = Answer(500, b'{"computeFault": {"code": 500, "message": "Unexpected API Error."}}')
CREATED = "2026-11-26T10:00:00Z"
PLACING = {"status": "BUILD", "OS-EXT-STS:task_state": "scheduling"}
PLACED: dict[str, object] = {}


def look(driver: OpenStackDriver) -> None:
    assert () == driver.instances(Selector("shop"))


def asked_of_nova(server: Loopback) -> list[Asked]:
    return [one for one in server.asked if not one.path.endswith("/auth/tokens")]


def test_a_token_is_fetched_once_and_shown_each_time() -> None:
    with connected(cloud := Cloud()) as (driver, server):
        look(driver)
        look(driver)

    assert 1 == cloud.tokens
    assert ["token-1", "token-1"] == [one.headers["x-auth-token"] for one in asked_of_nova(server)]


@pytest.mark.parametrize(
    ("life_s", "later_s", "tokens"),
    [
        pytest.param(1800, 1769, 1, id="long before its end"),
        pytest.param(1800, 1770, 2, id="half a minute before its end"),
        pytest.param(40, 19, 1, id="in the first half of a short life"),
        pytest.param(40, 20, 2, id="in the second half of a short life"),
    ],
)
def test_a_token_is_renewed_before_it_ends(life_s: int, later_s: float, tokens: int) -> None:
    with connected(cloud := Cloud(life_s=life_s)) as (driver, _):
        look(driver)
        cloud.now += later_s
        look(driver)

    assert tokens == cloud.tokens


def test_a_token_that_was_taken_back_is_replaced_with_the_next_call() -> None:
    cloud = Cloud()
    with connected(cloud) as (driver, _):
        look(driver)
        cloud.nova = lambda asked: EXPIRED if asked.headers["x-auth-token"] == "token-1" else Answer(200, NOBODY)
        with pytest.raises(Transient) as caught:
            look(driver)
        look(driver)

    assert "TokenRefused" == caught.value.code


def test_a_token_that_is_refused_when_it_is_new_is_refused_for_good() -> None:
    with connected(Cloud(nova=lambda _: EXPIRED)) as (driver, _), pytest.raises(Unauthenticated):
        look(driver)


def test_keystones_refusal_is_told_without_the_password() -> None:
    with connected(Cloud(refuses=True)) as (driver, _), pytest.raises(Unauthenticated) as caught:
        look(driver)

    assert "ask Keystone for a token: no such token" in str(caught.value)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_nova_is_asked_in_a_version_that_knows_tags() -> None:
    with connected(Cloud()) as (driver, server):
        look(driver)

    (asked,) = asked_of_nova(server)
    assert "compute 2.52" == asked.headers["openstack-api-version"]
    assert "tags=vmpattern%2Cvmp.deployment%3Dshop" in asked.path


def test_the_region_that_is_named_is_the_one_that_is_asked() -> None:
    with connected(Cloud(regions=("Oslo", "Bergen")), region="Bergen") as (driver, server):
        look(driver)

    assert "/Bergen/v2.1/servers/detail" == asked_of_nova(server)[0].path.partition("?")[0]


def test_a_region_that_is_not_there_is_told_with_those_that_are() -> None:
    with (
        connected(Cloud(regions=("Oslo", "Bergen")), region="Paris") as (driver, _),
        pytest.raises(Invalid, match="no region 'Paris'; there are: Bergen, Oslo") as caught,
    ):
        look(driver)

    assert "region" == caught.value.field


def test_a_service_that_the_cloud_has_not_is_told() -> None:
    with connected(Cloud()) as (driver, _), pytest.raises(Invalid, match="no service image in this region"):
        driver.images(Selector("shop"))


def row(number: int) -> dict[str, object]:
    labels = {
        "vmpattern-deployment": "shop",
        "vmpattern-key": "k1",
        "vmpattern-fleet": "web",
        "vmpattern-revision": "r",
    }
    flavor = {"original_name": "small"}
    named = {"id": f"s-{number}", "name": "n", "status": "ACTIVE", "created": CREATED}
    return {**named, "flavor": flavor, "metadata": labels, "image": {"id": "img"}, "tags": ["vmpattern"]}


def pages(asked: Asked) -> Answer:
    if "marker=s-1" in asked.path:
        return Answer(200, json.dumps({"servers": [row(2)]}).encode())
    links = [{"rel": "next", "href": "http://elsewhere/servers/detail?limit=1&marker=s-1"}]
    return Answer(200, json.dumps({"servers": [row(1)], "servers_links": links}).encode())


def test_every_page_is_read_where_the_first_was_read() -> None:
    with connected(Cloud(nova=pages)) as (driver, _):
        rows = driver.instances(Selector("shop"))

    assert ["s-1", "s-2"] == [one.id for one in rows]


def placing(asked: Asked, rounds: list[int]) -> Answer:
    """Lose the place in a list of three, whose mark gets its host between the first page and the second."""
    if "marker=" in asked.path:
        return Answer(200, json.dumps({"servers": [row(3)]}).encode())
    rounds.append(len(rounds))
    first = (row(1) if len(rounds) == 1 else row(2)) | PLACING
    links = [{"rel": "next", "href": f"http://elsewhere/servers/detail?marker={first['id']}"}]
    return Answer(200, json.dumps({"servers": [first], "servers_links": links}).encode())


def test_a_server_that_gets_its_host_meanwhile_hides_no_other() -> None:
    rounds: list[int] = []
    with connected(Cloud(nova=lambda asked: placing(asked, rounds))) as (driver, _):
        rows = driver.instances(Selector("shop"))

    assert ["s-1", "s-2", "s-3"] == sorted(one.id for one in rows)


@pytest.mark.parametrize(
    ("first", "page_size", "expected"),
    [
        pytest.param([PLACING, PLACED], 3, ["s-1", "s-2", "s-3"], id="a page that isn't full ends in one with a host"),
        pytest.param([PLACING, PLACING], 4, ["s-1", "s-2", "s-3"], id="as many as have no host may be missing"),
        pytest.param([PLACING, PLACING], 5, ["s-1", "s-2"], id="more are missing"),
        pytest.param([PLACING, PLACED], 4, ["s-1", "s-2"], id="more are missing, and one has a host"),
        pytest.param([PLACED, PLACED], 3, ["s-1", "s-2"], id="all have a host"),
    ],
)
def test_a_page_that_names_no_next_one_is_the_last_only_if_none_can_have_been_taken_out(
    first: list[dict[str, object]], page_size: int, expected: list[str]
) -> None:
    def nova(asked: Asked) -> Answer:
        shown = [row(3)] if "marker=s-2" in asked.path else [row(n) | state for n, state in enumerate(first, start=1)]
        return Answer(200, json.dumps({"servers": [] if "marker=s-3" in asked.path else shown}).encode())

    with connected(Cloud(nova=nova), page_size=page_size) as (driver, server):
        rows = driver.instances(Selector("shop"))

    assert expected == [one.id for one in rows]
    assert f"limit={page_size}" in asked_of_nova(server)[0].path


def test_a_list_whose_place_is_gone_may_be_read_again() -> None:
    lost = Answer(400, b'{"badRequest": {"code": 400, "message": "marker [s-1] not found"}}')

    def nova(asked: Asked) -> Answer:
        return lost if "marker=" in asked.path else pages(asked)

    with connected(Cloud(nova=nova)) as (driver, _), pytest.raises(Transient):
        driver.instances(Selector("shop"))


def test_a_list_whose_second_page_fails_is_no_list() -> None:
    def broken(asked: Asked) -> Answer:
        return BROKEN if "marker=" in asked.path else pages(asked)

    with connected(Cloud(nova=broken)) as (driver, _), pytest.raises(Transient):
        driver.instances(Selector("shop"))


def test_an_answer_of_another_kind_is_told_and_not_taken_for_an_empty_list() -> None:
    with connected(Cloud(nova=lambda _: Answer(200, b'{"hello": 1}'))) as (driver, _), pytest.raises(Invalid):
        driver.instances(Selector("shop"))


def test_an_end_whose_outcome_nova_does_not_know_is_unknown() -> None:
    def nova(asked: Asked) -> Answer:
        return BROKEN if asked.method == "DELETE" else Answer(200, json.dumps({"servers": [row(1)]}).encode())

    with connected(Cloud(nova=nova)) as (driver, _), pytest.raises(OutcomeUnknown):
        driver.terminate(["s-1"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("age_s", "deleted"),
    [
        pytest.param(299.0, ["s-1"], id="one that gets its host soon is left"),
        pytest.param(301.0, ["s-1", "s-2"], id="one that gets none is ended"),
    ],
)
def test_a_server_is_ended_once_it_has_a_host(age_s: float, deleted: list[str]) -> None:
    unplaced = row(2) | PLACING

    def nova(asked: Asked) -> Answer:
        if asked.method == "DELETE":
            return Answer(204, b"")
        shown = [unplaced] if "status=BUILD" in asked.path else [row(1), unplaced]
        return Answer(200, json.dumps({"servers": shown}).encode())

    cloud = Cloud(nova=nova, now=datetime.fromisoformat(CREATED).timestamp() + age_s)
    waits = pytest.raises(Throttled, match="looking for hosts of 1 instances")
    with connected(cloud) as (driver, server), waits if len(deleted) == 1 else contextlib.nullcontext():
        driver.terminate([InstanceId("s-1"), InstanceId("s-2")])

    assert deleted == [one.path.rpartition("/")[2] for one in server.asked if one.method == "DELETE"]


@pytest.mark.parametrize(
    ("shown", "later_s", "looks"),
    [
        pytest.param({}, 15.0, False, id="a built one of ours"),
        pytest.param({}, 16.0, True, id="that was seen too long ago"),
        pytest.param(PLACING, 0.0, True, id="that had no host"),
    ],
)
def test_a_server_that_a_list_has_just_shown_is_ended_without_a_look(
    shown: dict[str, object], later_s: float, looks: bool
) -> None:
    def nova(asked: Asked) -> Answer:
        rows = [] if "status=BUILD" in asked.path else [row(1) | shown]
        return Answer(204, b"") if asked.method == "DELETE" else Answer(200, json.dumps({"servers": rows}).encode())

    cloud = Cloud(nova=nova)
    with connected(cloud) as (driver, server):
        driver.instances(Selector("shop"))
        before = len(server.asked)
        cloud.now += later_s
        driver.terminate([InstanceId("s-1")])

    methods = [one.method for one in server.asked[before:]]
    assert (looks, 1) == ("GET" in methods, methods.count("DELETE"))


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"tags": []}, id="without our tag"),
        pytest.param({"metadata": {"vmpattern-deployment": "shop"}}, id="whose labels can't be read"),
        pytest.param({"tenant_id": "p-2"}, id="of another project"),
    ],
)
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_server_that_isn_t_ours_is_never_ended(strange: dict[str, object], is_listed: bool) -> None:
    server = row(1) | strange

    def nova(asked: Asked) -> Answer:
        if "/servers/s-1" in asked.path:
            return Answer(200, json.dumps({"server": server}).encode())
        return Answer(200, json.dumps({"servers": [server] if is_listed else []}).encode())

    with connected(Cloud(nova=nova)) as (driver, asked):
        driver.instances(Selector("shop"))
        with pytest.raises(Invalid, match="isn't ours"):
            driver.terminate([InstanceId("s-1")])

    assert "DELETE" not in {one.method for one in asked.asked}


def test_images_are_asked_for_of_the_project_alone() -> None:
    def glance(asked: Asked) -> Answer:
        return Answer(200, b'{"images": []}')

    with connected(Cloud(nova=glance, services={"image": ""})) as (driver, server):
        driver.images(Selector("shop"))

    assert "owner=p-1" in asked_of_nova(server)[0].path


def test_ports_and_addresses_are_looked_for_in_the_project_alone() -> None:
    def neutron(asked: Asked) -> Answer:
        return Answer(200, b'{"servers": [], "ports": [], "floatingips": []}')

    services = {"compute": "v2.1", "network": ""}
    with connected(Cloud(nova=neutron, services=services), floating_network="public") as (driver, server):
        driver.terminate([])

    lists = [one.path for one in server.asked if "description=vmpattern" in one.path]
    assert (2, True) == (len(lists), all("project_id=p-1" in path for path in lists))


def test_of_several_regions_one_must_be_named() -> None:
    with (
        connected(Cloud(regions=("Oslo", "Bergen"))) as (driver, _),
        pytest.raises(Invalid, match="has the regions Bergen, Oslo, and none is named") as caught,
    ):
        look(driver)

    assert ("SeveralRegions", "region") == (caught.value.code, caught.value.field)


def test_a_scope_is_the_project_in_its_region_as_written() -> None:
    with connected(Cloud(), region="Oslo") as (first, _), connected(Cloud(), region="Bergen") as (second, _):
        scopes = first.scope(), second.scope()

    assert ("Oslo", "Bergen") == tuple(scope.rpartition(" ")[2] for scope in scopes)
    assert all("project_name shop" in scope for scope in scopes)


def sold(_: Asked) -> Answer:
    """Sell one flavor in one zone."""
    found = {
        "flavors": [{"id": "f-1", "name": "small", "vcpus": 1, "ram": 1024, "disk": 0}],
        "availabilityZoneInfo": [{"zoneName": "north", "zoneState": {"available": True}}],
        "limits": {"absolute": {}},
    }
    return Answer(200, json.dumps(found).encode())


@pytest.mark.parametrize(
    ("later_s", "asked"),
    [
        pytest.param(15.0, [], id="right after it was read"),
        pytest.param(16.0, ["detail", "os-availability-zone"], id="later"),
    ],
)
def test_what_is_sold_is_asked_again_for_a_check_only_if_that_comes_later(later_s: float, asked: list[str]) -> None:
    cloud = Cloud(nova=sold)
    request = attrs.evolve(REQUEST, image=ImageId(""), options=immutabledict(networks=("none",)))
    with connected(cloud) as (driver, server):
        driver.machine_types()
        before = len(server.asked)
        cloud.now += later_s
        problems = driver.check([request], None)

    names = [one.path.partition("?")[0].rpartition("/")[2] for one in server.asked[before:] if "/v2.1/" in one.path]
    assert ((), asked) == (problems, sorted(names))


@pytest.mark.parametrize(
    ("later_s", "asked"),
    [
        pytest.param(15.0, ["limits"], id="right after they were read"),
        pytest.param(16.0, ["detail", "limits"], id="later"),
    ],
)
def test_flavors_are_read_again_for_the_limits_only_if_those_come_later(later_s: float, asked: list[str]) -> None:
    with connected(cloud := Cloud(nova=sold)) as (driver, server):
        driver.machine_types()
        before = len(server.asked)
        cloud.now += later_s
        driver.limits()

    assert asked == sorted(one.path.partition("?")[0].rpartition("/")[2] for one in server.asked[before:])


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda driver: driver.instances(Selector("shop")), id="a list"),
        pytest.param(lambda driver: driver.terminate([InstanceId("i-1")]), id="a change"),
    ],
)
def test_without_a_login_a_driver_is_made_and_every_verb_names_what_is_missing(
    verb: Callable[[OpenStackDriver], object],
) -> None:
    driver = OpenStackDriver(OpenStackOptions(), cloud="eu", directory=Path(), environment={})

    for _ in range(2):
        with pytest.raises(Unauthenticated, match="no login is known: name a cloud"):
            verb(driver)
    driver.close()

    assert "" == driver.scope()
