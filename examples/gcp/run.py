"""Carries out the file beside it against a Compute Engine on this machine: no account, nothing is paid for.

From a checkout:  python examples/gcp/run.py
"""

import sys
import tempfile
from pathlib import Path

import attrs

import vmpattern as vmp

HERE = Path(__file__).resolve().parent
CHECKOUT = next(folder for folder in (*HERE.parents, Path.cwd()) if (folder / "tests/support/gce").is_dir())
sys.path.insert(0, str(CHECKOUT / "tests/support"))

from gce.catalog import BASES, VENDOR  # noqa: E402 (the path is known only now)
from gce.lab import lab  # noqa: E402

NEXT = f"projects/{VENDOR}/global/images/{BASES[-1]}"


def at(deployment: vmp.Deployment, options: dict[str, object]) -> vmp.Deployment:
    """Return the deployment with its cloud on this machine."""
    cloud = deployment.clouds["eu"]
    return attrs.evolve(deployment, clouds={"eu": attrs.evolve(cloud, options=cloud.options | options)})


def with_image(deployment: vmp.Deployment, image: str) -> vmp.Deployment:
    """Return the deployment with another image for its service."""
    service = attrs.evolve(deployment.services["web"], image=vmp.Existing({"eu": image}))
    return attrs.evolve(deployment, services={"web": service})


def carry_out(deployment: vmp.Deployment, locks: Path) -> vmp.Outcome:
    """Plan, print the plan, and apply it."""
    plan = vmp.plan(deployment, vmp.observe(deployment))
    print(plan)
    outcome = vmp.apply(plan, locks=locks)
    print(f"{outcome.result.value} after {outcome.duration_s:.0f} s and {outcome.api_calls} API calls\n")
    outcome.raise_for_failure()
    return outcome


def main() -> None:
    """Create the fleet, replace its image, and end it."""
    with tempfile.TemporaryDirectory() as name, lab(Path(name)) as here:
        fleet = at(vmp.load(HERE / "vmpattern.toml"), here.options)
        carry_out(fleet, Path(name))
        renewed = with_image(fleet, NEXT)
        outcome = carry_out(renewed, Path(name))
        if outcome.fleets["web"].ready != 6:
            sys.exit("expected six ready instances")
        carry_out(renewed.resized({"web": 0}), Path(name))


if __name__ == "__main__":
    main()
