"""A release on OpenStack from Python: finds flavor, network and image, deploys, replaces, and ends everything again.

Runs on the cloud of clouds.yaml that OS_CLOUD names, and leaves nothing behind. What it launches may cost money.
"""

import os
import sys
import tempfile
from pathlib import Path

import vmpattern as vmp

SIZE = 2
NEEDED = vmp.Resources(vcpus=1, memory_mib=512)


def deployment(folder: Path, *, image: str, network: str, release: str) -> vmp.Deployment:
    """Return one fleet whose instances are well as soon as the provider says that they run."""
    cloud = vmp.Cloud(name="here", driver="openstack", options={}, directory=str(folder))
    service = vmp.Service(name="web", image=vmp.Existing({"here": image}), env={"RELEASE": release}, resources=NEEDED)
    options = vmp.Placement(cloud="here", options={"networks": (network,)})
    rollout = vmp.Rollout(min_ready_s=5.0)
    fleet = vmp.Fleet(name="web", service="web", size=SIZE, placements=[options], rollout=rollout)
    return vmp.Deployment(
        name="openstack-example", clouds={"here": cloud}, services={"web": service}, fleets={"web": fleet}
    )


def deploy(wanted: vmp.Deployment, locks: Path) -> None:
    """Bring what runs to what is wanted, and tell what happens."""
    plan = vmp.plan(wanted, vmp.observe(wanted))
    print(plan)
    outcome = vmp.apply(plan, on_event=lambda event: print(event.kind.value, *event.instances), locks=locks)
    outcome.raise_for_failure()


def main() -> None:
    """Deploy two releases one after the other, then end everything."""
    if "OS_CLOUD" not in os.environ:
        sys.exit("name a cloud of clouds.yaml in OS_CLOUD")
    if len(sys.argv) != 3:
        sys.exit("usage: run.py IMAGE NETWORK, as in  run.py debian-12 my-net")
    base, network = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with vmp.connect(vmp.Cloud(name="here", driver="openstack", options={}, directory=name)) as cloud:
            image = cloud.resolve(base)
        for release in ("1", "2"):
            wanted = deployment(folder, image=image, network=network, release=release)
            deploy(wanted, folder)
            for row in vmp.survey(wanted, vmp.observe(wanted))["web"].rows:
                print(row.instance.name, row.instance.address, row.state)
        deploy(wanted.resized({"web": 0}), folder)


if __name__ == "__main__":
    main()
