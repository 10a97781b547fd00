"""What a placement's options ask for is what a real Nova has made."""

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping

import attrs
import pytest
from immutabledict import immutabledict
from oslab import driver, ended, needs_lab, some_request

from vmpattern.driver import Selector
from vmpattern.model import Phase
from vmpattern_openstack import OpenStackDriver

pytestmark = needs_lab

NAME = "lab-options"
PATIENCE_S = 180.0


@attrs.frozen
class Things:
    """What a placement's options can name."""

    key_pair: str
    security_group: str
    together_never: str


@pytest.fixture
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver()) as made:
        yield made
        ended(made, NAME)


@pytest.fixture
def things(cloud: OpenStackDriver) -> Iterator[Things]:
    name = f"options-{uuid.uuid4().hex[:8]}"
    change = cloud.calls("plant what options name", mutating=True).change
    change("compute", "POST", "/os-keypairs", {"keypair": {"name": name}})
    group = change("network", "POST", "/security-groups", {"security_group": {"name": name}})["security_group"]
    policy = {"server_group": {"name": name, "policies": ["anti-affinity"]}}
    apart = change("compute", "POST", "/os-server-groups", policy)["server_group"]
    yield Things(name, name, _id(apart))
    ended(cloud, NAME)
    change = cloud.calls("remove what options name", mutating=True).change
    change("compute", "DELETE", f"/os-keypairs/{name}")
    change("compute", "DELETE", f"/os-server-groups/{_id(apart)}")
    change("network", "DELETE", f"/security-groups/{_id(group)}")


def _id(found: object) -> str:
    assert isinstance(found, Mapping)
    return str(found["id"])


def launched(cloud: OpenStackDriver, count: int, **options: object) -> list[str]:
    """Launch, and return the ids once Nova has done what it can."""
    request = some_request(cloud, NAME, count=count, options=immutabledict({"networks": ("oslab-net",), **options}))
    cloud.launch(request)
    until = time.monotonic() + PATIENCE_S
    while any(row.phase is Phase.PENDING for row in cloud.instances(Selector(NAME))) and time.monotonic() < until:
        time.sleep(1.0)
    return [row.id for row in cloud.instances(Selector(NAME))]


def test_a_server_has_its_key_its_groups_its_drive_and_its_tags(cloud: OpenStackDriver, things: Things) -> None:
    (id,) = launched(
        cloud,
        1,
        key_pair=things.key_pair,
        security_groups=(things.security_group,),
        server_group=things.together_never,
        config_drive=True,
        tags=("team-red",),
        metadata=immutabledict(owner="ann"),
    )
    found = cloud.calls("look").get("compute", f"/servers/{id}")["server"]
    group = cloud.calls("look").get("compute", f"/os-server-groups/{things.together_never}")["server_group"]

    assert isinstance(found, dict)
    assert isinstance(group, dict)
    assert (things.key_pair, "True", "ann") == (found["key_name"], found["config_drive"], found["metadata"]["owner"])
    assert [things.security_group] == [one["name"] for one in found["security_groups"]]
    assert {"team-red", "vmpattern"} <= set(found["tags"])
    assert [id] == group["members"]


def test_servers_that_may_not_share_a_host_tell_that_there_is_no_room(cloud: OpenStackDriver, things: Things) -> None:
    launched(cloud, 2, server_group=things.together_never)
    told = [row.breakdown for row in cloud.instances(Selector(NAME)) if row.breakdown is not None]

    assert told
    assert all(one.lacking and "No valid host" in one.message for one in told)
