"""The checker finds what isn't as Google's documents say, and takes what Google really answered."""

import copy
import json
from importlib.resources import files

import pytest
from gce.checker import Checker, load

RECORDED = files("libcloud") / "test/compute/fixtures/gce"
ZONE = "/compute/v1/projects/acme/zones/europe-west1-b"
GETTERS = {"getResourceId", "getResourceType", "getFullResourcePath", "getDisplayName"}
GOOD = {
    "name": "web-1",
    "machineType": "zones/europe-west1-b/machineTypes/e2-small",
    "labels": {"a": "b"},
    "disks": [{"boot": True, "initializeParams": {"diskSizeGb": "20", "sourceImage": "global/images/base"}}],
    "networkInterfaces": [{"network": "global/networks/default"}],
    "scheduling": {"provisioningModel": "SPOT"},
}


@pytest.fixture(scope="module")
def compute() -> Checker:
    return load("compute.v1")


def problems(compute: Checker, verb: str, path: str, query=(), body=None) -> list[str]:
    match = compute.match(verb, path)
    assert match is not None, path

    return compute.problems_of_request(match, query, body)


def test_a_right_request_has_no_problem(compute: Checker) -> None:
    query = [("requestId", "11111111-1111-4111-8111-111111111111")]

    assert [] == problems(compute, "POST", f"{ZONE}/instances", query, GOOD)


def with_change(**changes: object) -> dict[str, object]:
    return {**copy.deepcopy(GOOD), **changes}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(with_change(colour="red"), "body.colour: no such field", id="an unknown field"),
        pytest.param(with_change(id="1"), "body.id: read-only", id="a field that the service sets"),
        pytest.param(with_change(labels=["a"]), "body.labels: ['a'] isn't an object", id="a list for an object"),
        pytest.param(with_change(labels={"a": 1}), "body.labels.a: 1 isn't of type string", id="a number for a text"),
        pytest.param(with_change(canIpForward="yes"), "body.canIpForward: 'yes' isn't of type boolean", id="a text"),
        pytest.param(with_change(name="Web_1"), "body.name: 'Web_1' doesn't fit", id="a name with capitals"),
        pytest.param(
            with_change(disks=[{"initializeParams": {"diskSizeGb": "20G"}}]),
            "body.disks[0].initializeParams.diskSizeGb: '20G' isn't a whole number in a string",
            id="a size with a unit",
        ),
        pytest.param(
            with_change(scheduling={"provisioningModel": "CHEAP"}),
            "body.scheduling.provisioningModel: 'CHEAP' is none of",
            id="a market that isn't there",
        ),
        pytest.param(None, "body: missing", id="no body"),
    ],
)
def test_a_wrong_body_is_found(compute: Checker, body: object, told: str) -> None:
    (found,) = problems(compute, "POST", f"{ZONE}/instances", body=body)

    assert found.startswith(told)


@pytest.mark.parametrize(
    ("verb", "path", "query", "told"),
    [
        pytest.param("GET", f"{ZONE}/instances", [("limit", "5")], "parameter limit: unknown", id="unknown"),
        pytest.param("GET", f"{ZONE}/instances", [("maxResults", "-1")], "parameter maxResults: -1", id="too few"),
        pytest.param("GET", f"{ZONE}/instances", [("maxResults", "x")], "parameter maxResults: 'x'", id="no number"),
        pytest.param("GET", f"{ZONE}/instances", [("filter", "a"), ("filter", "b")], "parameter filter", id="twice"),
        pytest.param("GET", "/compute/v1/projects/Acme/zones", [], "parameter project: 'Acme' doesn't fit", id="path"),
    ],
)
def test_a_wrong_parameter_is_found(
    compute: Checker, verb: str, path: str, query: list[tuple[str, str]], told: str
) -> None:
    (found,) = problems(compute, verb, path, query)

    assert found.startswith(told)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        pytest.param("PUT", f"{ZONE}/instances", id="another verb"),
        pytest.param("GET", f"{ZONE}/machines", id="another collection"),
        pytest.param("GET", "/compute/v2/projects/acme/zones", id="another version"),
    ],
)
def test_a_path_of_no_method_is_found(compute: Checker, verb: str, path: str) -> None:
    assert compute.match(verb, path) is None


def test_a_wrong_answer_is_found(compute: Checker) -> None:
    match = compute.match("GET", f"{ZONE}/instances/web-1")
    assert match is not None

    assert ["answer.status: 'ON' is none of"] == [
        problem.partition(" none of")[0] + " none of" for problem in compute.problems_of_answer(match, {"status": "ON"})
    ]


@pytest.mark.parametrize(
    ("name", "verb", "path", "dropped"),
    [
        pytest.param("aggregated_instances", "GET", "projects/acme/aggregated/instances", set(), id="list"),
        pytest.param("zones_us-central1-a_instances_node-name", "GET", f"{ZONE}/instances/x", set(), id="instance"),
        pytest.param("global_images", "GET", "projects/acme/global/images", GETTERS, id="images"),
        pytest.param("zones", "GET", "projects/acme/zones", {"maintenanceWindows"}, id="zones"),
        pytest.param(
            "zones_us-central1-a_machineTypes", "GET", f"{ZONE}/machineTypes", {"scratchDisks"}, id="machine types"
        ),
        pytest.param(
            "zones_us_central1_a_instanceGroups_myname_listInstances",
            "POST",
            f"{ZONE}/instanceGroups/x/listInstances",
            set(),
            id="members",
        ),
        pytest.param(
            "operations_operation_zones_us-central1-a_instances_post",
            "GET",
            f"{ZONE}/operations/x",
            set(),
            id="operation",
        ),
    ],
)
def test_what_google_once_answered_has_no_problem_but_fields_that_are_no_more(
    compute: Checker, name: str, verb: str, path: str, dropped: set[str]
) -> None:
    match = compute.match(verb, path if path.startswith("/") else f"/compute/v1/{path}")
    assert match is not None
    found = compute.problems_of_answer(match, json.loads((RECORDED / f"{name}.json").read_text()))

    assert {f"{field}: no such field" for field in dropped} == {problem.rpartition(".")[2] for problem in found}
