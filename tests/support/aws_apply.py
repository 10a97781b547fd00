"""One apply in a process of its own, to be killed: `python aws_apply.py URL IMAGE SIZE FOLDER`."""

import os
import sys
from pathlib import Path

import vmpattern as vmp

TEXT = """
deployment = "{name}"

[clouds.eu]
driver = "aws"
region = "us-east-1"
machine_types = ["t3.micro", "m5.large", "m6g.large"]
endpoint = "{url}"
call_timeout = "{patience}"
staleness = "0s"

[services.web]
image.existing.eu = "{image}"

[fleets.web]
service = "web"
size = {size}
placements = [{{ cloud = "eu", zones = ["us-east-1a", "us-east-1b"], machine_type = "t3.micro" }}]
rollout = {{ max_surge = "25%", min_ready = "0s", keep_failed = 0 }}
"""


def deployment(url: str, image: str, size: int, *, name: str = "killed", patience: str = "1s") -> vmp.Deployment:
    return vmp.loads(TEXT.format(url=url, image=image, size=size, name=name, patience=patience))


def main(url: str, image: str, size: str, folder: str, name: str, patience: str) -> int:
    os.environ.update(AWS_ACCESS_KEY_ID="usual", AWS_SECRET_ACCESS_KEY="a-secret-of-nobody")
    wanted = deployment(url, image, int(size), name=name, patience=patience)
    plan = vmp.plan(wanted, vmp.observe(wanted))
    outcome = vmp.apply(plan, locks=Path(folder))
    for error in outcome.errors:
        print(error)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
