"""From a request to what Google is asked for, each body held against Google's document."""

import json

import pytest
from gce.checker import load
from gce.clouds import request
from immutabledict import immutabledict

from vmpattern.errors import Invalid
from vmpattern.model import Market
from vmpattern_gcp.insertion import one, several

PROJECT = "acme-fleets"
COMPUTE = load("compute.v1")
PATHS = {
    "insert": f"/compute/v1/projects/{PROJECT}/zones/europe-west1-b/instances",
    "bulkInsert": f"/compute/v1/projects/{PROJECT}/zones/europe-west1-b/instances/bulkInsert",
}
LABELS = {
    "vmpattern-deployment": "shop",
    "vmpattern-fleet": "web",
    "vmpattern-revision": "3f2a",
    "vmpattern-inputs": "i123456",
    "vmpattern-key": "k0123456789abcdef",
}
REQUESTS = [
    pytest.param(request(), id="plain"),
    pytest.param(request(market=Market.SPOT), id="spot"),
    pytest.param(request(disk_gib=40, script="#!/bin/sh\npoweroff\n"), id="a builder"),
    pytest.param(request(machine_type="n2-custom-4-8192"), id="a custom machine type"),
    pytest.param(
        request(
            options=immutabledict(
                subnetwork="fleet",
                tags=("web",),
                service_account="fleet@acme-fleets.iam.gserviceaccount.com",
                scopes=("logging.write", "https://www.googleapis.com/auth/pubsub"),
                external_ip=False,
                disk_type="pd-ssd",
                shielded=False,
                metadata=immutabledict({"enable-oslogin": "TRUE"}),
            )
        ),
        id="every option",
    ),
]


@pytest.mark.parametrize("asked", REQUESTS)
@pytest.mark.parametrize("method", PATHS)
def test_what_is_asked_for_is_as_the_document_says(asked, method) -> None:
    body = one(asked, "web-1", PROJECT) if method == "insert" else several(asked, ["web-1", "web-2"], PROJECT)
    match = COMPUTE.match("POST", PATHS[method])
    assert match is not None

    assert [] == COMPUTE.problems_of_request(match, [], json.loads(json.dumps(body)))


def properties(asked) -> dict:
    return several(asked, ["web-1"], PROJECT)["instanceProperties"]


def test_labels_are_on_the_vm_and_on_its_disk() -> None:
    made = properties(request())

    assert (LABELS, LABELS) == (made["labels"], made["disks"][0]["initializeParams"]["labels"])


def test_a_disk_ends_with_its_vm() -> None:
    assert properties(request())["disks"][0]["autoDelete"] is True


def test_a_spot_vm_that_is_taken_back_is_deleted() -> None:
    scheduling = properties(request(market=Market.SPOT))["scheduling"]

    assert ("SPOT", "DELETE") == (scheduling["provisioningModel"], scheduling["instanceTerminationAction"])


def test_a_builder_isn_t_started_again() -> None:
    assert properties(request(script="x"))["scheduling"]["automaticRestart"] is False


def test_a_vm_is_shielded_unless_that_is_switched_off() -> None:
    plain, off = (properties(request(options=immutabledict(chosen))) for chosen in ({}, {"shielded": False}))

    assert (True, False) == (plain["shieldedInstanceConfig"]["enableVtpm"], "shieldedInstanceConfig" in off)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {"network": "global/networks/default"}, id="nothing is named"),
        pytest.param({"network": "shop"}, {"network": "global/networks/shop"}, id="a network"),
        pytest.param(
            {"subnetwork": "fleet"}, {"subnetwork": "regions/europe-west1/subnetworks/fleet"}, id="a subnetwork"
        ),
        pytest.param(
            {"subnetwork": "https://www.googleapis.com/compute/v1/projects/host/regions/europe-west1/subnetworks/s"},
            {"subnetwork": "projects/host/regions/europe-west1/subnetworks/s"},
            id="the link of a shared one",
        ),
    ],
)
def test_a_network_is_named_as_the_options_have_it(options, expected) -> None:
    made = properties(request(options=immutabledict({**options, "external_ip": False})))

    assert [expected] == made["networkInterfaces"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        pytest.param({"subnetworks": "fleet"}, "options.subnetworks", id="an unknown one"),
        pytest.param({"tags": "web"}, "options.tags", id="a text for a list"),
        pytest.param({"tags": ("Web",)}, "options.tags", id="a tag with capitals"),
        pytest.param({"service_account": "fleet"}, "options.service_account", id="no address"),
        pytest.param(
            {"metadata": immutabledict({"startup-script": "x"})}, "options.metadata.startup-script", id="our own key"
        ),
    ],
)
def test_a_wrong_option_is_told_with_its_path(options, field) -> None:
    with pytest.raises(Invalid) as caught:
        one(request(options=immutabledict(options)), "web-1", PROJECT)

    assert field == caught.value.field
