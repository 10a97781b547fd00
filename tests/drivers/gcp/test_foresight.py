"""What is bound to fail is told before anything is launched, at its place."""

import pytest
from gce.clouds import request
from gce.emulator import Emulator
from gce.faults import Fault
from gce.fronts import furnish_front
from gce.refusal import Refusal
from immutabledict import immutabledict

from vmpattern.errors import Denied
from vmpattern_gcp import GcpDriver


def paths(gcp: GcpDriver, balancer=None, **changes: object) -> list[str]:
    return [problem.path for problem in gcp.check([request(**changes)], balancer)]


def options(**chosen: object) -> dict[str, object]:
    return {"options": immutabledict(chosen)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, [], id="nothing is wrong"),
        pytest.param({"zone": "us-east1-b"}, ["zone"], id="a zone of another region"),
        pytest.param({"image": "nothing"}, ["image"], id="no image"),
        pytest.param({"image": ""}, [], id="an image that isn't known yet"),
        pytest.param({"disk_gib": 5}, ["disk_gib"], id="a disk smaller than the image"),
        pytest.param(options(subnetwork="nowhere"), ["options.subnetwork"], id="no subnetwork"),
        pytest.param(options(subnetwork="fleet"), [], id="a subnetwork that is there"),
        pytest.param(options(network="nowhere"), ["options.network"], id="no network"),
        pytest.param(options(subnet="fleet"), ["options.subnet"], id="an unknown option"),
        pytest.param(options(tags=("Web",), disk_type=1), ["options.disk_type"], id="a wrong type"),
        pytest.param({"machine_type": "n2-custom-3-4096"}, ["machine_type"], id="a custom type that can't be"),
        pytest.param({"machine_type": "n2-custom-4-8192"}, [], id="a custom type that can be"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(gcp: GcpDriver, changes: dict[str, object], expected: list[str]) -> None:
    assert expected == sorted(paths(gcp, **changes))


def test_a_balancer_without_a_group_in_the_zone_is_told(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    service = emulator.world.find(f"projects/{emulator.world.project}/global/backendServices/front")[1]
    balancer = immutabledict(backend_service="front")
    before = paths(gcp, balancer)
    del service["backends"][0]

    assert ([], ["balancer.backend_service"]) == (before, paths(gcp, balancer))


@pytest.mark.parametrize(
    "balancer",
    [
        pytest.param(immutabledict(backend_service="nothing"), id="not there"),
        pytest.param(immutabledict(backend_service="Front"), id="no name"),
    ],
)
def test_a_wrong_balancer_is_told(gcp: GcpDriver, balancer) -> None:
    assert ["balancer.backend_service"] == paths(gcp, balancer)


def test_a_project_without_the_api_is_denied_with_what_to_do(gcp: GcpDriver, emulator: Emulator) -> None:
    refused = Refusal(403, "accessNotConfigured", "Compute Engine API has not been used in project 1 before")
    emulator.world.faults.append(Fault(refusal=refused))

    with pytest.raises(Denied, match="gcloud services enable compute"):
        gcp.check([request()], None)


def test_a_check_changes_nothing(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.check([request(500)], None)

    assert [] == emulator.world.instances()
