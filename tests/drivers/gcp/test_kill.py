"""An update that is killed at a random moment, and begun again, ends as it would have: nothing twice, nothing left."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from gce.catalog import BASES, VENDOR
from gce.lab import FRONT, Lab, lab

SETTLE_S = 13.0
"""So long an apply looks before it launches anything: the age of lists, and the time of a call."""

LONGEST_S = 600.0
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


@attrs.frozen
class Scale:
    """How large the fleet is, how many more there may be, and how long an update works, about."""

    size: int
    surge: int
    work_s: float


class Lane:
    """A cloud of its own, and the commands that work on it."""

    def __init__(self, folder: Path, cloud: Lab, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.world = cloud.emulator.world
        self._options = {**cloud.options, "call_timeout": "8s"}

    def start(self, image: str) -> "subprocess.Popen[str]":
        """Begin to bring the fleet to an image."""
        options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in self._options.items())
        text = FILE.format(
            options=options, vendor=VENDOR, image=image, size=self.scale.size, surge=self.scale.surge, front=FRONT
        )
        (self.folder / "vmpattern.toml").write_text(text)
        command = [sys.executable, "-m", "vmpattern", "-f", str(self.folder / "vmpattern.toml")]
        env = {**os.environ, "XDG_STATE_HOME": str(self.folder)}
        return subprocess.Popen(
            [*command, "apply", "--yes", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )

    def complete(self, image: str) -> None:
        """Bring the fleet to an image."""
        with self.start(image) as process:
            try:
                told, complained = process.communicate(timeout=LONGEST_S)
            finally:
                process.kill()
        assert json.loads(told).get("outcome") in ("complete", "nothing"), told + complained

    def kill(self, image: str, seconds: float) -> None:
        """Begin to bring the fleet to an image, and kill that after so many seconds."""
        process = self.start(image)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def amiss(self, image: str) -> Iterator[str]:
        """Wait until everything that ends is gone; yield what isn't as it should be."""
        self.world.clock.advance(3)
        with self.world.clock.lock:
            vms = dict(self.world.instances())
            disks = self.world.disks()
            members = {path for paths in self.world.members.values() for path in paths}
        if len(vms) != self.scale.size:
            yield f"{len(vms)} VMs are there: {Counter(vm['status'] for vm in vms.values())}"
        if any(image not in vm["description"] for vm in vms.values()):
            yield "a VM has another image"
        if len(disks) != len(vms):
            yield f"{len(disks)} disks of {len(vms)} VMs"
        if members != set(vms):
            yield f"{len(members)} members of {len(vms)} VMs"
        if self.world.most_live > self.scale.size + self.scale.surge:
            yield f"{self.world.most_live} VMs were there at a time"


def killed(folder: Path, scale: Scale, rounds: int, seed: int) -> list[str]:
    """Kill so many updates, each at a moment of its own, and complete each; return what was amiss."""
    draw, found = random.Random(seed), []
    with lab(folder, speed=40.0) as cloud:
        lane = Lane(folder, cloud, scale)
        lane.complete(BASES[0])
        for number in range(rounds):
            image = BASES[(number + 1) % 2]
            moment = SETTLE_S + draw.uniform(0.0, scale.work_s)
            lane.kill(image, moment)
            lane.complete(image)
            found += [f"seed {seed}, killed after {moment:.1f} s: {one}" for one in lane.amiss(image)]
    return found


@pytest.mark.parametrize(
    ("scale", "lanes", "rounds"),
    [
        pytest.param(Scale(size=9, surge=9, work_s=8.0), 2, 1, id="2-moments"),
        pytest.param(Scale(size=20, surge=20, work_s=12.0), 10, 5, id="50-moments", marks=pytest.mark.long),
    ],
)
def test_an_update_killed_at_any_moment_converges_when_begun_again(
    tmp_path: Path, scale: Scale, lanes: int, rounds: int
) -> None:
    folders = [tmp_path / str(number) for number in range(lanes)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(lanes) as pool:
        found = list(pool.map(killed, folders, [scale] * lanes, [rounds] * lanes, range(lanes)))

    assert [[]] * lanes == found
