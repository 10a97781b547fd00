"""Wrong tables of a fleet: the place, the line, and the words of the message."""

import pytest
from wrong_files import BALANCER, FLEET, GOOD, LATER, NAME_RULE, PLACEMENTS, ROLLOUT, SHARE, marked, problems

from vmpattern.errors import Problem
from vmpattern.specfile import dumps, loads


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        pytest.param(
            'service = "shop"',
            'service = "shp"<>',
            "fleets.shop.service",
            "there is no service 'shp': did you mean \"shop\"?",
            id="a fleet's service is there",
        ),
        pytest.param(
            FLEET,
            "<>" + FLEET.replace('service = "shop"\n', ""),
            "fleets.shop.service",
            "is missing: expected the name of a service",
            id="a fleet has a service",
        ),
        pytest.param(
            'service = "shop"',
            'service = ["shop"]<>',
            "fleets.shop.service",
            "expected the name of a service, found an array",
            id="a service is told by its name",
        ),
        pytest.param(
            FLEET,
            "<>" + FLEET.replace("size = 6\n", ""),
            "fleets.shop.size",
            "is missing: expected the number of instances",
            id="a fleet has a size",
        ),
        pytest.param(
            "size = 6",
            "size = -1<>",
            "fleets.shop.size",
            "expected a whole number from 0 to 100000, found -1",
            id="a size is not negative",
        ),
        pytest.param(
            "size = 6",
            "size = 6.0<>",
            "fleets.shop.size",
            "expected a whole number from 0 to 100000, found 6.0",
            id="a size is a whole number",
        ),
        pytest.param(
            "size = 6",
            "autoscale = { min = 3, max = 30, cpu = 60 }<>",
            "fleets.shop.autoscale",
            f"{LATER}: give a fixed size for now",
            id="autoscaling comes later",
        ),
        pytest.param(
            FLEET,
            "<>" + FLEET.replace("placements = " + PLACEMENTS, ""),
            "fleets.shop.placements",
            'is missing: expected an array such as [{ cloud = "demo" }]',
            id="a fleet has placements",
        ),
        pytest.param(
            PLACEMENTS,
            "[]<>",
            "fleets.shop.placements",
            "expected at least 1 item, found an empty array",
            id="a fleet has at least one placement",
        ),
        pytest.param(
            PLACEMENTS,
            '{ cloud = "demo" }<>',
            "fleets.shop.placements",
            "expected an array, found a table",
            id="placements are an array",
        ),
        pytest.param(
            PLACEMENTS,
            '[\n{ cloud = "demo" },\n{ cloud = "dmeo" }<>\n]',
            "fleets.shop.placements[1].cloud",
            "there is no cloud 'dmeo': did you mean \"demo\"?",
            id="a placement's cloud is there",
        ),
        pytest.param(
            PLACEMENTS,
            '[{ cloud = "frankfurt" }]<>',
            "fleets.shop.placements[0].cloud",
            'there is no cloud \'frankfurt\': expected "demo" or "lab"',
            id="without a near cloud all are told",
        ),
        pytest.param(
            PLACEMENTS,
            '[{ zones = ["a"] }]<>',
            "fleets.shop.placements[0].cloud",
            "is missing: expected the name of a cloud",
            id="a placement has a cloud",
        ),
        pytest.param(
            PLACEMENTS,
            '[{ cloud = "demo", zones = ["a", "b", "a"] }]<>',
            "fleets.shop.placements[0].zones[2]",
            "is the same as fleets.shop.placements[0].zones[0]: expected each just once",
            id="a zone is told once",
        ),
        pytest.param(
            PLACEMENTS,
            '[{ cloud = "demo", zones = [1] }]<>',
            "fleets.shop.placements[0].zones[0]",
            "expected the name of a zone, found 1",
            id="a zone has a name",
        ),
        pytest.param(
            PLACEMENTS,
            '[\n{ cloud = "demo" },\n{ cloud = "demo", weight = 1 }<>\n]',
            "fleets.shop.placements[1]",
            "is the same as fleets.shop.placements[0]: expected each just once",
            id="a placement is told once, defaults or not",
        ),
        pytest.param(
            PLACEMENTS,
            '[{ cloud = "demo", weight = 0 }]<>',
            "fleets.shop.placements[0].weight",
            "expected a whole number, at least 1, found 0",
            id="a weight is above zero",
        ),
        pytest.param(
            PLACEMENTS,
            '[{ cloud = "demo", market = "sport" }]<>',
            "fleets.shop.placements[0].market",
            "found 'sport', did you mean \"spot\"?",
            id="a market is a known one",
        ),
        pytest.param(
            '"spread"',
            '"random"<>',
            "fleets.shop.place",
            'found \'random\', expected "spread", "ordered" or "cheapest"',
            id="a way to place is a known one",
        ),
        pytest.param(
            '"spread"',
            "3<>",
            "fleets.shop.place",
            'expected "spread", "ordered" or "cheapest", found 3',
            id="a way to place is a word",
        ),
        pytest.param(
            BALANCER,
            '{ dem = { name = "front" }<> }',
            "fleets.shop.balancer.dem",
            "there is no cloud 'dem': did you mean \"demo\"?",
            id="a balancer belongs to a cloud that is there",
        ),
        pytest.param(
            BALANCER,
            '{ demo = "front"<> }',
            "fleets.shop.balancer.demo",
            "expected a table, found a string",
            id="a balancer is a table, and a string isn't shown",
        ),
        pytest.param(
            ROLLOUT,
            "{ max_surge = 0 }<>",
            "fleets.shop.rollout",
            "max_surge and max_unavailable are both 0: nothing could ever be replaced, expected one of them above 0",
            id="something may change",
        ),
        pytest.param(
            ROLLOUT,
            '{ max_surge = "0%", max_unavailable = 0 }<>',
            "fleets.shop.rollout",
            "max_surge and max_unavailable are both 0: nothing could ever be replaced, expected one of them above 0",
            id="a share of nothing is nothing",
        ),
        pytest.param(
            ROLLOUT,
            '{ max_surge = "2.5%"<> }',
            "fleets.shop.rollout.max_surge",
            f"{SHARE}, found '2.5%'",
            id="a share is whole",
        ),
        pytest.param(
            ROLLOUT,
            "{ max_surge = 0.25<> }",
            "fleets.shop.rollout.max_surge",
            f"{SHARE}, found 0.25",
            id="a share is a number or text",
        ),
        pytest.param(
            ROLLOUT,
            '{ strategy = "canary"<> }',
            "fleets.shop.rollout.strategy",
            f"'canary' {LATER}: expected \"rolling\" for now",
            id="no canaries yet",
        ),
        pytest.param(
            ROLLOUT,
            '{ strategy = "blue-green"<> }',
            "fleets.shop.rollout.strategy",
            f"'blue-green' {LATER}: expected \"rolling\" for now",
            id="no second fleet yet",
        ),
        pytest.param(
            ROLLOUT,
            '{ strategy = "roling"<> }',
            "fleets.shop.rollout.strategy",
            "found 'roling', did you mean \"rolling\"?",
            id="a strategy is a known one",
        ),
        pytest.param(
            ROLLOUT,
            "{ stages = [10, 50, 100]<> }",
            "fleets.shop.rollout.stages",
            f"{LATER}: leave it out, max_surge limits how much changes at once",
            id="no stages yet",
        ),
        pytest.param(
            ROLLOUT,
            '{ on_failure = "rollback"<> }',
            "fleets.shop.rollout.on_failure",
            f"going back to an earlier revision {LATER}: a failed rollout pauses",
            id="no rollback yet",
        ),
    ],
)
def test_a_fleet_that_is_wrong_is_told(old: str, new: str, path: str, message: str) -> None:
    text, line = marked(old, new)

    assert [Problem(path, message, line)] == problems(text)


TWO = (
    GOOD
    + """[fleets.api]
service = "shop"
size = 1
placements = [{ cloud = "demo" }]
"""
)


@pytest.mark.parametrize(
    ("shop", "api", "path", "message"),
    [
        pytest.param("shop", "", "shop", "is the fleet's own name: expected the name that it had before", id="its own"),
        pytest.param(
            "api",
            "",
            "shop",
            'there still is a fleet "api": remove that one from the file, or remove this line',
            id="that of a fleet that is there",
        ),
        pytest.param(
            "web", "web", "api", 'the fleet "shop" was "web", too: expected different former names', id="another one's"
        ),
        pytest.param("A b", "", "shop", f"expected a name: {NAME_RULE}, found 'A b'", id="no name"),
    ],
)
def test_a_former_name_is_not(shop: str, api: str, path: str, message: str) -> None:
    text = TWO.replace("size = 6\n", f'size = 6\nwas = "{shop}"\n') + (f'was = "{api}"\n' if api else "")

    assert [(f"fleets.{path}.was", message)] == [(one.path, one.message) for one in problems(text)]


def test_a_former_name_is_read_and_written() -> None:
    text = GOOD.replace("size = 6\n", 'size = 6\nwas = "store"\n')

    assert ("store", loads(text)) == (loads(text).fleets["shop"].was, loads(dumps(loads(text))))
