"""Quotas of Nova and Neutron as limits of the account: what is counted, and that a plan above one is refused."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict
from loopback import Answer, Asked, loopback
from oslab import driver, needs_lab, some_request
from some_openstack import REQUEST, Cloud, connected

import vmpattern as vmp
from vmpattern.driver import Selector
from vmpattern.errors import Denied, QuotaExceeded, Scope, ScopeKind, Transient
from vmpattern.model import Limit
from vmpattern_openstack import OpenStackDriver

IMAGE = "6b8f2c1e-0000-4000-8000-000000000001"
NONE = {"maxTotalInstances": -1, "maxTotalCores": -1, "maxTotalRAMSize": -1}
NOTHING = {"totalInstancesUsed": 0, "totalCoresUsed": 0, "totalRAMUsed": 0}
SPENT = {
    "instances": "Quota exceeded for instances: Requested 1, but already used 3 of 3 instances",
    "vCPUs": "Quota exceeded for cores: Requested 2, but already used 8 of 8 cores",
    "memory in MiB": "Quota exceeded for ram: Requested 4096, but already used 8192 of 8192 ram",
    "ports": "Maximum number of ports exceeded",
}
"""What Nova says when a project has spent a quota."""

OVER = b'{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: [%s].", "detail": ""}}'
DENIED = b'{"NeutronError": {"type": "PolicyNotAuthorized", "message": "not for you", "detail": ""}}'


@attrs.define
class Services:
    """Nova, Glance and Neutron in one, of a project without a server: what it may have, and how a launch is refused."""

    absolute: Mapping[str, int] = immutabledict()
    quota: Mapping[str, Mapping[str, int]] = immutabledict()
    neutron: Answer | None = None
    refused: str = ""
    over: bytes = b""

    def __call__(self, asked: Asked) -> Answer:
        path = asked.path.partition("?")[0]
        if asked.method == "POST":
            return self._made(path)
        if "/quotas/" in path:
            return self.neutron or Answer(200, json.dumps({"quota": dict(self.quota)}).encode())
        if path.endswith("/limits"):
            return Answer(200, json.dumps({"limits": {"absolute": {**NONE, **NOTHING, **self.absolute}}}).encode())
        if path.endswith(IMAGE):
            return Answer(200, json.dumps({"id": IMAGE, "status": "active", "created_at": CREATED}).encode())
        return Answer(200, json.dumps(SOLD).encode())

    def _made(self, path: str) -> Answer:
        if "/v2.1/" not in path and self.over and (b"port" in self.over) == path.endswith("/ports"):
            return Answer(409, self.over)
        if path.endswith("/ports"):
            return Answer(201, json.dumps({"ports": [{"id": "p-1", "created_at": CREATED}]}).encode())
        refusal = {"forbidden": {"code": 403, "message": self.refused}}
        return Answer(403, json.dumps(refusal).encode())


CREATED = "2026-11-26T10:00:00Z"
SOLD = {
    "servers": [],
    "images": [],
    "ports": [],
    "floatingips": [],
    "networks": [{"id": "n-1", "name": "net", "router:external": True, "shared": True}],
    "flavors": [
        {"id": "f-1", "name": "small", "vcpus": 1, "ram": 2048, "disk": 0},
        {"id": "f-2", "name": "medium", "vcpus": 2, "ram": 4096, "disk": 0},
    ],
    "availabilityZoneInfo": [{"zoneName": "north", "zoneState": {"available": True}}],
}
"""Answers to every list of a cloud in which nothing runs."""

EVERY = {"compute": "v2.1", "network": "", "image": ""}


def by_what(cloud: OpenStackDriver) -> dict[str, Limit]:
    """Return a project's limits by what they count."""
    return {limit.name.removeprefix("the project's limit of "): limit for limit in cloud.limits()}


def read(
    services: Callable[[Asked], Answer], catalogue: Mapping[str, str] = EVERY, **options: object
) -> dict[str, Limit]:
    """Return the limits by what they count."""
    with connected(Cloud(nova=services, services=catalogue), **options) as (cloud, _):
        return by_what(cloud)


def test_nova_s_limits_are_counted_by_flavor() -> None:
    absolute = {"maxTotalInstances": 10, "totalInstancesUsed": 3, "maxTotalCores": 20, "totalCoresUsed": 5}
    found = read(Services(absolute={**absolute, "maxTotalRAMSize": 51200, "totalRAMUsed": 6144}))

    assert {
        "instances": (10, 3, {"small": 1, "medium": 1}),
        "vCPUs": (20, 5, {"small": 1, "medium": 2}),
        "memory in MiB": (51200, 6144, {"small": 2048, "medium": 4096}),
    } == {what: (one.most, one.used, dict(one.costs)) for what, one in found.items()}


def test_a_maximum_of_minus_one_is_no_limit() -> None:
    assert {} == read(Services(quota={"port": {"limit": -1, "used": 7}}))


def test_a_limit_of_which_nobody_knows_what_is_used_is_left_out() -> None:
    def nova(asked: Asked) -> Answer:
        absolute = {"maxTotalInstances": 10, "maxTotalCores": 20, "totalCoresUsed": 5}
        told = {**SOLD, "limits": {"absolute": absolute}}
        return Answer(404, b"{}") if "/quotas/" in asked.path else Answer(200, json.dumps(told).encode())

    assert ["vCPUs"] == list(read(nova))


PORTS = {"port": {"limit": 50, "used": 4, "reserved": 2}, "floatingip": {"limit": 5, "used": 1, "reserved": 0}}


def test_neutron_s_ports_are_counted_with_those_that_are_being_made() -> None:
    found = read(Services(quota=PORTS))

    assert ["ports"] == list(found)
    assert (50, 6, {"small": 1, "medium": 1}) == (found["ports"].most, found["ports"].used, dict(found["ports"].costs))


def test_floating_addresses_are_counted_where_every_instance_gets_one() -> None:
    found = read(Services(quota=PORTS), floating_network="net")

    assert (5, 1) == (found["floating addresses"].most, found["floating addresses"].used)


@pytest.mark.parametrize(
    "neutron",
    [
        pytest.param(Answer(404, b'{"NeutronError": {"type": "NotFound", "message": "no"}}'), id="an older Neutron"),
        pytest.param(Answer(403, DENIED), id="not permitted"),
    ],
)
def test_where_neutron_does_not_report_what_is_used_nova_s_limits_remain(neutron: Answer) -> None:
    found = read(Services(absolute={"maxTotalInstances": 3}, neutron=neutron))

    assert ["instances"] == list(found)


def test_a_cloud_without_neutron_has_nova_s_limits() -> None:
    found = read(Services(absolute={"maxTotalInstances": 3}), {"compute": "v2.1"})

    assert ["instances"] == list(found)


def test_a_neutron_that_is_out_for_a_moment_is_asked_again_by_the_caller() -> None:
    with pytest.raises(Transient):
        read(Services(neutron=Answer(503, b"")))


def test_limits_that_nova_does_not_show_are_denied() -> None:
    def nova(asked: Asked) -> Answer:
        refusal = b'{"forbidden": {"code": 403, "message": "Policy does not allow this."}}'
        return Answer(403, refusal) if asked.path.endswith("/limits") else Answer(200, json.dumps(SOLD).encode())

    with pytest.raises(Denied):
        read(nova)


@pytest.mark.parametrize(
    ("what", "options", "services"),
    [
        *(pytest.param(what, {}, Services(refused=said), id=what) for what, said in SPENT.items()),
        pytest.param("ports", {"floating_network": "net"}, Services(over=OVER % b"'port'"), id="ports with addresses"),
        pytest.param(
            "floating addresses",
            {"floating_network": "net"},
            Services(over=OVER % b"'floatingip'"),
            id="floating addresses",
        ),
    ],
)
def test_a_launch_above_a_limit_fails_with_the_limit_s_code_and_scope(
    what: str, options: Mapping[str, str], services: Services
) -> None:
    services.absolute = {"maxTotalInstances": 3, "maxTotalCores": 8, "maxTotalRAMSize": 8192}
    services.quota = PORTS
    request = attrs.evolve(REQUEST, count=1, options=immutabledict(networks=("net",)))
    with connected(Cloud(nova=services, services=EVERY), **options) as (cloud, _):
        limits = by_what(cloud)
        with pytest.raises(QuotaExceeded) as caught:
            cloud.launch(request)

    assert Scope(ScopeKind.ACCOUNT) == caught.value.scope
    assert (limits[what].code, limits[what].scope) == (caught.value.code, caught.value.scope)


FILE = """
deployment = "shop"
[clouds.oslo]
driver = "openstack"
clouds_file = "clouds.yaml"
cloud = "oslo"
[services.web.image.existing]
oslo = "{image}"
[fleets.web]
service = "web"
size = {size}
placements = [{{ cloud = "oslo", machine_type = "medium", options = {{ networks = ["none"] }} }}]
"""
CLOUDS = """
clouds:
  oslo:
    auth: {{ auth_url: "{url}", username: ann, password: hunter2-hunter2, project_name: shop }}
"""


@pytest.mark.parametrize(
    ("absolute", "size", "message"),
    [
        pytest.param({"maxTotalInstances": 3}, 4, "instances is 3, 0 in use", id="instances"),
        pytest.param({"maxTotalCores": 8, "totalCoresUsed": 2}, 4, "vCPUs is 8, 2 in use", id="vCPUs"),
        pytest.param({"maxTotalRAMSize": 8192}, 3, "memory in MiB is 8192, 0 in use", id="memory"),
        pytest.param({"maxTotalInstances": 4, "maxTotalCores": 8, "maxTotalRAMSize": 16384}, 4, "", id="all of it"),
    ],
)
def test_a_plan_above_a_limit_is_refused_with_the_limit_s_name(
    absolute: Mapping[str, int], size: int, message: str, tmp_path: Path
) -> None:
    cloud = Cloud(nova=Services(absolute=absolute), services=EVERY)
    with loopback(cloud) as server:
        cloud.url = server.url
        (tmp_path / "clouds.yaml").write_text(CLOUDS.format(url=server.url), "utf-8")
        wanted = vmp.loads(FILE.format(image=IMAGE, size=size), directory=str(tmp_path))
        seen = vmp.observe(wanted)
    try:
        vmp.plan(wanted, seen)
        refused = ""
    except vmp.SpecError as error:
        refused = str(error)

    assert (f"oslo: the project's limit of {message}" in refused) if message else refused == ""


@contextlib.contextmanager
def with_quota(service: str, path: str, kind: str, **quota: int) -> Iterator[None]:
    """Give the lab's second project a quota, and take it away afterwards."""
    with contextlib.closing(driver(cloud="oslab-alt")) as alt, contextlib.closing(driver(cloud="oslab-admin")) as admin:
        where = path.format(alt.calls("look for the project").project())
        change = admin.calls("set a quota", mutating=True).change
        change(service, "PUT", where, {kind: quota})
        try:
            yield
        finally:
            change(service, "PUT", where, {kind: dict.fromkeys(quota, -1)})


@needs_lab
@pytest.mark.alone
def test_a_real_nova_refuses_what_is_above_its_limit_with_the_limit_s_code_and_scope() -> None:
    with (
        with_quota("compute", "/os-quota-sets/{}", "quota_set", instances=1),
        contextlib.closing(driver(cloud="oslab-alt")) as alt,
    ):
        limit = by_what(alt)["instances"]
        request = some_request(alt, "lab-limits", count=2, options=immutabledict(networks=("none",)))
        with pytest.raises(QuotaExceeded) as caught:
            alt.launch(request)
        made = alt.instances(Selector("lab-limits"))

    assert (1, 0, ()) == (limit.most, limit.used, made)
    assert (limit.code, limit.scope) == (caught.value.code, caught.value.scope)


@needs_lab
@pytest.mark.alone
@pytest.mark.parametrize(
    ("what", "quota", "options"),
    [
        pytest.param("ports", "port", {}, id="ports"),
        pytest.param("floating addresses", "floatingip", {"floating_network": "oslab-public"}, id="floating addresses"),
    ],
)
def test_a_real_neutron_reports_what_it_allows(what: str, quota: str, options: Mapping[str, str]) -> None:
    with (
        with_quota("network", "/quotas/{}", "quota", **{quota: 1}),
        contextlib.closing(driver(cloud="oslab-alt", **options)) as alt,
    ):
        limit = by_what(alt)[what]

    assert (1, 0) == (limit.most, limit.used)
