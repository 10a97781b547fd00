"""The starter file that `init` writes: short, commented, and right for its driver."""

import attrs

from vmpattern.specfile.writing import write_text

_TEMPLATE = """\
# A deployment: clouds, the services that run in them, and fleets of VMs that each run one service.
# `vmpattern plan` shows what would change, `vmpattern apply` does it.

deployment = "my-app" # part of every label: nobody else in the account may use the same name

[clouds.{cloud}]
driver = {driver}{cloud_lines}

[services.web]
port = 8080
health = {{ http = "/healthz", interval = "{interval}" }} # or {{ tcp = true }}; without one, the provider's word counts
resources = {{ vcpus = 2, memory = "4GiB" }} # the smallest machine type that has as much
env = {{ LOG_LEVEL = "info" }} # a secret is only named: {{ secret = "env:NAME" }}, "file:PATH", "command:LINE"

[services.web.image]
# {image_comment}
existing = {{ {cloud} = "{image}" }}

[fleets.web]
service = "web"
size = 3
# {placement_comment}
placements = [{{ cloud = "{cloud}"{zones} }}]
# Evenly over placements and zones; or "ordered": the next placement where one has no capacity.
place = "spread"
# How many VMs a rollout may add and miss: numbers, or shares such as "25%".
rollout = {{ max_surge = 1, max_unavailable = 0, min_ready = "{min_ready}" }}
# A balancer that is there already, in the driver's own terms:
# balancer = {{ {cloud} = {{ {balancer} }} }}
"""


@attrs.frozen(kw_only=True)
class _Blanks:
    """What differs between the starters; the defaults suit a driver of which nothing is known."""

    cloud: str = "main"
    cloud_lines: str = "\n# Every other key here is the driver's own: see its documentation."
    image: str = "image-id"
    image_comment: str = "The id of an image that is there already, by cloud."
    zones: str = ""
    placement_comment: str = 'Without zones: all of them. Also: zones = ["..."], machine_type = "...".'
    interval: str = "5s"
    min_ready: str = "30s"
    balancer: str = 'name = "..."'


_BLANKS = {
    "memory": _Blanks(
        cloud="demo",
        cloud_lines='\npath = ".vmpattern/demo.json" # keeps the simulated cloud between commands',
        image="img-web-1",
        image_comment="Every id img-... is there; write another one, and the next plan replaces all VMs.",
        zones=', zones = ["a", "b", "c"]',
        placement_comment='Also: machine_type = "...", market = "spot".',
        interval="1s",
        min_ready="1s",
        balancer='name = "web-front"',
    ),
    "aws": _Blanks(
        cloud="eu",
        cloud_lines='\nregion = "eu-central-1" # credentials come from where the AWS tools find them',
        image="ami-0123456789abcdef0",
        image_comment="The id of an AMI in this region, by cloud.",
        zones=', zones = ["eu-central-1a", "eu-central-1b"]',
        placement_comment='Also: machine_type = "m6i.large", market = "spot", options = { subnet = "subnet-..." }.',
        balancer='target_group = "arn:..."',
    ),
    "gcp": _Blanks(
        cloud="eu",
        cloud_lines='\nproject = "my-project"\nregion = "europe-west3" # credentials: those of the environment',
        image="projects/my-project/global/images/web-1",
        image_comment="The name of an image, by cloud.",
        zones=', zones = ["europe-west3-a", "europe-west3-b"]',
        placement_comment='Also: machine_type = "e2-medium", market = "spot", options = { subnet = "..." }.',
        balancer='backend_service = "..."',
    ),
    "openstack": _Blanks(
        cloud="lab",
        cloud_lines='\ncloud = "lab" # its name in clouds.yaml',
        image="00000000-0000-0000-0000-000000000000",
        placement_comment='Also: zones = ["nova"], machine_type = "m1.small", options = { networks = ["..."] }.',
        balancer='pool = "...", port = 8080',
    ),
    "local": _Blanks(
        cloud="here",
        cloud_lines="\n# Every other key here is the driver's own; VMs run on this machine.",
        image="images/web-1.qcow2",
        image_comment="The path of a disk image, relative to this file, by cloud.",
        placement_comment='Also: machine_type = "...".',
        interval="2s",
        min_ready="5s",
        balancer="port = 80",
    ),
}


def starter(driver: str) -> str:
    """Return the text of a starter file for a driver; one for `memory` works as it is.

    Guarantees:
        `loads` takes it, whatever the driver's name.
    """
    blanks = attrs.asdict(_BLANKS.get(driver, _Blanks()))
    return _TEMPLATE.format(driver=write_text(driver), **blanks)
