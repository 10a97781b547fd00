"""One fleet over the AWS and the GCP of the tests: spread over both, and on the one where the other has no room."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cloud.serving import REGION, Cloud
from gce.clouds import BASE
from gce.lab import Lab, lab

import vmpattern as vmp

AMI = "ami-0de0000000000001a"


@pytest.fixture
def gcp_lab(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, speed=40.0) as cloud:
        yield cloud


@pytest.fixture
def fleet(aws_cloud: Cloud, gcp_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> vmp.Deployment:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "usual")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-nobody")
    aws = {"region": REGION, "endpoint": aws_cloud.url, "machine_types": ["t3.micro"], "staleness": "0s"}
    clouds = [
        vmp.Cloud(name="us", driver="aws", options={**aws, "call_timeout": "5s"}),
        vmp.Cloud(name="eu", driver="gcp", options=gcp_lab.options),
    ]
    placements = [
        vmp.Placement(cloud="us", zones=["us-east-1a"], machine_type="t3.micro"),
        vmp.Placement(cloud="eu", zones=["europe-west1-b"], machine_type="e2-small"),
    ]
    service = vmp.Service(name="web", image=vmp.Existing({"us": AMI, "eu": BASE}))
    made = vmp.Fleet(name="web", service="web", size=6, placements=placements, rollout=vmp.Rollout(min_ready_s=0.0))
    return vmp.Deployment(
        name="across", clouds={one.name: one for one in clouds}, services={"web": service}, fleets={"web": made}
    )


def applied(fleet: vmp.Deployment, folder: Path) -> Counter[str]:
    """Apply, and return how many live instances each cloud has afterwards."""
    plan = vmp.plan(fleet, vmp.observe(fleet))
    vmp.apply(plan, locks=folder).raise_for_failure()
    return Counter(row.cloud for row in vmp.observe(fleet).instances() if row.phase.is_live)


def test_a_fleet_is_spread_over_two_clouds_and_grows_on_aws_where_google_has_no_room(
    fleet: vmp.Deployment, gcp_lab: Lab, tmp_path: Path
) -> None:
    spread = applied(fleet, tmp_path)
    gcp_lab.emulator.world.room["europe-west1-b"] = 3
    grown = applied(fleet.resized({"web": 10}), tmp_path)

    assert ({"us": 3, "eu": 3}, {"us": 7, "eu": 3}) == (spread, grown)


def test_what_aws_has_no_room_for_runs_on_google(fleet: vmp.Deployment, aws_cloud: Cloud, tmp_path: Path) -> None:
    aws_cloud.ask("settings", capacity={"us-east-1a/t3.micro": 1})

    assert {"us": 1, "eu": 5} == applied(fleet, tmp_path)
