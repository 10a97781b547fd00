"""A small good file, and what changing it for the worse is answered: for the tests of messages."""

import pytest

from vmpattern.errors import Problem, SpecError
from vmpattern.specfile import loads

GOOD = """\
deployment = "shop-prod"
[clouds.demo]
driver = "memory"
[clouds.lab]
driver = "openstack"
[services.shop]
port = 8080
health = { http = "/healthz" }
resources = { vcpus = 2 }
env = { LOG = "info" }
[services.shop.image]
existing = { demo = "img-1" }
[fleets.shop]
service = "shop"
size = 6
placements = [{ cloud = "demo" }]
place = "spread"
rollout = { max_surge = 1 }
balancer = { demo = { name = "front" } }
"""

# Parts of it that tests replace.
RESOURCES = "{ vcpus = 2 }"
ENV = '{ LOG = "info" }'
HEALTH = '{ http = "/healthz" }'
EXISTING = 'existing = { demo = "img-1" }'
IMAGE = "[services.shop.image]\n" + EXISTING
HEADER = "<>[services.shop.image]\n"
PLACEMENTS = '[{ cloud = "demo" }]'
ROLLOUT = "{ max_surge = 1 }"
FLEET = f'[fleets.shop]\nservice = "shop"\nsize = 6\nplacements = {PLACEMENTS}'
SERVICE = GOOD[GOOD.index("[services.shop]") : GOOD.index("[fleets.shop]")]
BALANCER = '{ demo = { name = "front" } }'

# Parts of messages.
NAME_RULE = "a lower-case letter, then at most 39 of a-z, 0-9 and -"
DURATION = 'expected a duration such as "30s", "5m" or "1h"'
SIZE = 'expected a size such as "512MiB" or "4GiB"'
SECRET = '"env:NAME", "file:PATH" or "command:LINE"'
SHARE = 'expected a whole number or a share such as "25%"'
WAYS = "a recipe (base and run), existing or packer_manifest"
LATER = "comes with a later version of vmpattern"


def marked(old: str, new: str) -> tuple[str, int | None]:
    """Return the good file with a change, and the line of the mark <> in it, or of the table that lacks something."""
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    at = text.find("<>")
    return text.replace("<>", ""), text.count("\n", 0, at) + 1 if at >= 0 else None


def problems(text: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        loads(text)
    return list(caught.value.problems)
