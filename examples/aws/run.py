"""Starts moto, which stands in for AWS on this machine, and carries out the deployment: creates, replaces, destroys."""

import logging
import os
import sys
import tempfile
from pathlib import Path

import attrs
from moto.server import ThreadedMotoServer

import vmpattern as vmp

HERE = Path(__file__).resolve().parent
NEXT_IMAGE = "ami-12c6146b"


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
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    text = (HERE / "vmpattern.toml").read_text("utf-8").replace("127.0.0.1:5123", f"{host}:{port}")
    deployment = vmp.loads(text, directory=str(HERE))
    service = attrs.evolve(deployment.services["web"], image=vmp.Existing({"eu": NEXT_IMAGE}))
    newer = attrs.evolve(deployment, services={"web": service})
    with tempfile.TemporaryDirectory() as folder:
        for wanted in (deployment, newer, deployment.resized({"web": 0})):
            outcome = carried_out(wanted, Path(folder))
            print(f"{outcome.result.value}: {outcome.fleets['web'].ready} ready, {outcome.api_calls} calls\n")
    left = [one for one in vmp.observe(deployment).instances() if one.phase.is_live]
    server.stop()
    print(f"{len(left)} instances are left")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
