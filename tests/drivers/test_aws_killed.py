"""An update that is killed at a random moment, and begun again, ends as it would have: nothing twice, nothing left."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cloud.serving import REGION, Cloud
from aws_kit import KEYS, aws, call
from killed_applies import Found, Lane, Scale, killed, side_by_side

from vmpattern.driver import Selector

IMAGES = ("ami-0de0000000000001a", "ami-0de0000000000002a")
ZONES = ("us-east-1a", "us-east-1b")
SETTLE_S = 21.0
"""So long an apply looks before it launches anything: its start, and the time of a call."""

FILE = """
deployment = "{name}"

[clouds.eu]
driver = "aws"
region = "{region}"
machine_types = ["t3.micro"]
endpoint = "{url}"
call_timeout = "20s"
staleness = "0s"

[services.web]
image.existing.eu = "{image}"

[fleets.web]
service = "web"
size = {size}
placements = [{{ cloud = "eu", zones = {zones}, machine_type = "t3.micro" }}]
rollout = {{ max_surge = {surge}, min_ready = "0s", keep_failed = 0 }}
"""


def amiss(cloud: Cloud, name: str, image: str, size: int) -> Iterator[str]:
    rows = [row for row in aws(cloud).instances(Selector(name)) if row.phase.is_live]
    wanted = {(image, zone): size // len(ZONES) for zone in ZONES}
    if wanted != (found := Counter((row.image, row.zone) for row in rows)):
        yield f"{found}"
    if 1 != len({row.revision for row in rows}):
        yield "more than one revision"


def machines(cloud: Cloud) -> int:
    """Count the machines that run, whatever they are labelled with."""
    running = {"Filter": [{"Name": "instance-state-name", "Value": ["pending", "running"]}]}
    return len(call(aws(cloud), "DescribeInstances", **running).findall(".//instancesSet/item"))


@pytest.mark.parametrize(
    ("scale", "lanes", "rounds"),
    [
        pytest.param(Scale(size=6, surge=3, work_s=3.0), 2, 1, id="2-moments"),
        pytest.param(Scale(size=100, surge=25, work_s=16.0), 5, 10, id="50-moments", marks=pytest.mark.long),
    ],
)
def test_an_update_killed_at_any_moment_converges_when_begun_again(
    aws_cloud: Cloud, tmp_path: Path, scale: Scale, lanes: int, rounds: int
) -> None:
    def run(number: int) -> Found:
        folder, name = tmp_path / str(number), f"killed-{number}"
        folder.mkdir()

        def written(image: str) -> str:
            options = {"url": aws_cloud.url, "region": REGION, "zones": list(ZONES)}
            return FILE.format(name=name, image=image, size=scale.size, surge=scale.surge, **options)

        return killed(
            Lane(folder, written, KEYS),
            IMAGES,
            rounds=rounds,
            settle_s=SETTLE_S,
            work_s=scale.work_s,
            seed=number,
            amiss=lambda image: amiss(aws_cloud, name, image, scale.size),
        )

    found = side_by_side(lanes, run)

    assert () == found.amiss
    assert 2 * found.hits >= lanes * rounds
    assert lanes * scale.size == machines(aws_cloud)
