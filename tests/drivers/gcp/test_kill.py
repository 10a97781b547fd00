"""An update that is killed at a random moment, and begun again, ends as it would have: nothing twice, nothing left."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from gce.catalog import BASES, VENDOR
from gce.lab import FRONT, lab
from gce.world import World
from killed_applies import Found, Lane, Scale, killed, side_by_side

SETTLE_S = 13.0
"""So long an apply looks before it launches anything: the age of lists, and the time of a call."""

FILE = """
deployment = "killed"
clouds.eu = {{ driver = "gcp", {options} }}
services.web.image.existing.eu = "projects/{vendor}/global/images/{image}"
[fleets.web]
service = "web"
size = {size}
placements = [{{ cloud = "eu", machine_type = "e2-small" }}]
rollout = {{ max_surge = {surge}, min_ready = "1s" }}
balancer = {{ eu = {{ backend_service = "{front}" }} }}
"""


def amiss(world: World, image: str, scale: Scale) -> Iterator[str]:
    """Wait until everything that ends is gone; yield what isn't as it should be."""
    world.clock.advance(3)
    with world.clock.lock:
        vms = dict(world.instances())
        disks = world.disks()
        members = {path for paths in world.members.values() for path in paths}
    if len(vms) != scale.size:
        yield f"{len(vms)} VMs are there: {Counter(vm['status'] for vm in vms.values())}"
    if any(image not in vm["description"] for vm in vms.values()):
        yield "a VM has another image"
    if len(disks) != len(vms):
        yield f"{len(disks)} disks of {len(vms)} VMs"
    if members != set(vms):
        yield f"{len(members)} members of {len(vms)} VMs"
    if world.most_live > scale.size + scale.surge:
        yield f"{world.most_live} VMs were there at a time"


@pytest.mark.parametrize(
    ("scale", "lanes", "rounds"),
    [
        pytest.param(Scale(size=9, surge=9, work_s=8.0), 2, 1, id="2-moments"),
        pytest.param(Scale(size=100, surge=50, work_s=14.0), 5, 10, id="50-moments", marks=pytest.mark.long),
    ],
)
def test_an_update_killed_at_any_moment_converges_when_begun_again(
    tmp_path: Path, scale: Scale, lanes: int, rounds: int
) -> None:
    def run(number: int) -> Found:
        folder = tmp_path / str(number)
        folder.mkdir()
        with lab(folder, speed=40.0) as cloud:
            world, options = cloud.emulator.world, {**cloud.options, "call_timeout": "8s"}
            written = ", ".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
            return killed(
                Lane(
                    folder,
                    lambda image: FILE.format(
                        options=written,
                        vendor=VENDOR,
                        image=image,
                        size=scale.size,
                        surge=scale.surge,
                        front=FRONT,
                    ),
                    {},
                ),
                BASES,
                rounds=rounds,
                settle_s=SETTLE_S,
                work_s=scale.work_s,
                seed=number,
                amiss=lambda image: amiss(world, image, scale),
            )

    found = side_by_side(lanes, run)

    assert () == found.amiss
    assert 2 * found.hits >= lanes * rounds
