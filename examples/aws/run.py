"""Starts a stand-in for AWS on this machine, and carries out the deployment: creates, replaces, destroys.

From a checkout:  python examples/aws/run.py

The stand-in is that of the tests, moto behind a layer that holds every request against AWS's own models.
"""

import os
import sys
import tempfile
from pathlib import Path

import attrs

import vmpattern as vmp

HERE = Path(__file__).resolve().parent
CHECKOUT = next(folder for folder in (*HERE.parents, Path.cwd()) if (folder / "tests/support/aws_cloud").is_dir())
sys.path.insert(0, str(CHECKOUT / "tests/support"))

from aws_cloud.serving import serving  # noqa: E402 (the path is known only now)

NEXT_IMAGE = "ami-0de0000000000002a"


def carried_out(deployment: vmp.Deployment, locks: Path) -> vmp.Outcome:
    """Plan, print the plan, and carry it out."""
    plan = vmp.plan(deployment, vmp.observe(deployment))
    print(plan)
    outcome = vmp.apply(plan, locks=locks)
    outcome.raise_for_failure()
    return outcome


def main() -> int:
    """Create the fleet, replace it by one of another image, and end it."""
    os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing")
    with serving() as stand_in, tempfile.TemporaryDirectory() as folder:
        text = (HERE / "vmpattern.toml").read_text("utf-8").replace("http://127.0.0.1:5123", stand_in.url)
        deployment = vmp.loads(text, directory=str(HERE))
        service = attrs.evolve(deployment.services["web"], image=vmp.Existing({"us": NEXT_IMAGE}))
        newer = attrs.evolve(deployment, services={"web": service})
        for wanted in (deployment, newer, deployment.resized({"web": 0})):
            outcome = carried_out(wanted, Path(folder))
            print(f"{outcome.result.value}: {outcome.fleets['web'].ready} ready, {outcome.api_calls} calls\n")
        left = [one for one in vmp.observe(deployment).instances() if one.phase.is_live]
        wrong = stand_in.ask("violations")
    print("\n".join([f"{len(left)} instances are left", *wrong]))
    return 1 if left or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
