"""The emulator itself: what it doesn't know it refuses, and what Google forgets or repeats it forgets and repeats."""

import json
import urllib.error
import urllib.request

import pytest
from gce.emulator import TOKEN, Emulator
from gce.filters import parse
from gce.masks import masked
from gce.refusal import Refusal

ZONE = "/compute/v1/projects/acme-fleets/zones/europe-west1-b"
BODY = {
    "name": "web-1",
    "machineType": "zones/europe-west1-b/machineTypes/e2-small",
    "disks": [{"initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}],
    "networkInterfaces": [{"network": "global/networks/default"}],
}
VM = {"name": "web-1", "labels": {"fleet": "web"}, "scheduling": {"preemptible": False}}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('labels.fleet = "web"', True),
        ("labels.fleet = web AND name = web-2", False),
        ("labels.fleet:* AND NOT name = web-2", True),
        ("name = web-2 OR (labels.fleet = web AND name = web-1)", True),
        ("scheduling.preemptible = false", True),
        ("labels.other:*", False),
        ("name != web-1", False),
    ],
)
def test_a_filter_passes_what_it_says(text: str, passes: bool) -> None:
    assert passes is parse(text)(VM)


@pytest.mark.parametrize("text", ["name", "name = (", "name : web*", "(name = a", "name = a)", "name < a", "AND"])
def test_a_filter_that_isn_t_known_is_refused_and_passes_nothing(text: str) -> None:
    with pytest.raises(Refusal):
        parse(text)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("name", {"name": "web-1"}),
        ("labels/fleet,name", {"name": "web-1", "labels": {"fleet": "web"}}),
        ("scheduling(preemptible)", {"scheduling": {"preemptible": False}}),
        ("*/fleet", {"labels": {"fleet": "web"}, "scheduling": {}}),
    ],
)
def test_a_mask_leaves_what_it_names(mask: str, expected: dict) -> None:
    found = masked(VM, mask)

    assert expected == {key: value for key, value in found.items() if key in expected}


@pytest.mark.parametrize("mask", ["", "name,", "labels(", "a b", "name)"])
def test_a_mask_that_can_t_be_read_is_refused(mask: str) -> None:
    with pytest.raises(Refusal):
        masked(VM, mask)


def ask(url: str, verb: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, dict]:
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, method=verb, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_request_id_gives_the_same_operation_again(url: str) -> None:
    path = f"{ZONE}/instances?requestId=11111111-1111-4111-8111-111111111111"
    first, again = (ask(url, "POST", path, BODY)[1] for _ in range(2))

    assert first["name"] == again["name"]


def test_a_name_exists_once(url: str) -> None:
    ask(url, "POST", f"{ZONE}/instances", BODY)
    status, answer = ask(url, "POST", f"{ZONE}/instances", BODY)

    assert (409, "alreadyExists") == (status, answer["error"]["errors"][0]["reason"])


def test_operations_go_from_pending_over_running_to_done(url: str, emulator: Emulator) -> None:
    name = ask(url, "POST", f"{ZONE}/instances", BODY)[1]["name"]
    states = []
    for seconds in (0, 2, 20):
        emulator.world.clock.advance(seconds)
        states.append(ask(url, "GET", f"{ZONE}/operations/{name}")[1]["status"])

    assert ["PENDING", "RUNNING", "DONE"] == states


def test_lists_come_in_pages(url: str) -> None:
    for number in range(5):
        ask(url, "POST", f"{ZONE}/instances", {**BODY, "name": f"web-{number}"})
    names, token = [], ""
    while True:
        page = ask(url, "GET", f"{ZONE}/instances?maxResults=2{token}")[1]
        names.append([one["name"] for one in page["items"]])
        if "nextPageToken" not in page:
            break
        token = f"&pageToken={page['nextPageToken']}"

    assert [["web-0", "web-1"], ["web-2", "web-3"], ["web-4"]] == names


def test_a_token_is_asked_for(url: str) -> None:
    assert 401 == ask(url, "GET", f"{ZONE}/instances", token="another")[0]


def test_what_isn_t_as_the_document_says_is_noted(url: str, emulator: Emulator) -> None:
    ask(url, "POST", f"{ZONE}/instances", {**BODY, "colour": "red"})
    noted = list(emulator.violations)
    emulator.violations.clear()

    assert ["compute.instances.insert: body.colour: no such field"] == noted
