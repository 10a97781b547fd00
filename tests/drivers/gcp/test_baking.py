"""A recipe becomes an image on Compute Engine, and a fleet that runs from it; the second apply has nothing to do."""

import json
from pathlib import Path

from gce.lab import lab

import vmpattern as vmp

FILE = """
deployment = "baked"
clouds.eu = {{ driver = "gcp", {options} }}
[services.web.image]
base = "debian-12"
provision = "provision.sh"
run = "/opt/web"
[fleets.web]
service = "web"
size = 2
placements = [{{ cloud = "eu", zones = ["europe-west1-b"], machine_type = "e2-small" }}]
rollout = {{ min_ready = "0s" }}
"""


def test_a_recipe_is_baked_once_and_launched(tmp_path: Path) -> None:
    (tmp_path / "provision.sh").write_text("true\n")
    with lab(tmp_path, speed=40.0) as cloud:
        options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in cloud.options.items())
        wanted = vmp.loads(FILE.format(options=options), directory=str(tmp_path))
        outcome = vmp.apply(vmp.plan(wanted, vmp.observe(wanted)), locks=tmp_path)
        again = vmp.plan(wanted, vmp.observe(wanted))
        images = {row.image for row in vmp.observe(wanted).instances() if row.phase.is_live}
        world = cloud.emulator.world
        made = [one for _, one in world.within(f"projects/{world.project}/global/images")]

    assert ("complete", False) == (outcome.result.value, again.changes)
    assert [("baked-web", "READY")] == [(one["family"], one["status"]) for one in made]
    assert {f"projects/{world.project}/global/images/{made[0]['name']}"} == images
