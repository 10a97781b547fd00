"""Requests and CPU on a real OpenStack: create 60 servers, observe them, replace all, destroy.

By the driver's verbs beside libcloud's own calls; then as plans and applies beside a loop that waits as they do. It
needs the lab of tests/drivers/openstack. Each client works in a process of its own, through a proxy that counts.
"""

import itertools
import json
import os
import socket
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from benchmarks.counting import LOGIN, counting
from benchmarks.spending import Deadline, Failed, TookTooLong, cpu_s, in_child, with_bytecode
from benchmarks.tables import Cell, Report, Table

if TYPE_CHECKING:
    from vmpattern.model import Instance

SERVERS = 60
POLL_S = 5.0
"""libcloud's own default between two looks."""
LONGEST_S = 1800.0
CLOUDS = Path(os.environ.get("OSLAB_STATE", "/var/tmp/vmpattern-oslab"), "clouds.yaml")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
METHODS = (LOGIN, "POST", "GET", "DELETE")
IMAGE, FLAVOR, NETWORK = "oslab-image", "oslab.nano", "oslab-net"

SINGLE = f"""\
{SERVERS} servers are created, observed, replaced by as many, observed, and destroyed: {2 * SERVERS} in all. \
Nova has no call that deletes several, so requests a server are given without deletions, too. \
Waiting until the servers are built goes past the proxy; neither its requests nor its CPU are counted."""
LOOPS = """\
A plan and an apply for each of the three steps, with lists until all is as asked for; the loop lists, too."""

Client = Callable[[str, int], tuple[int, float]]
"""Works through a proxy with so many servers; returns how many it observed at once, at most, and the CPU seconds that
went into waiting past the proxy."""


def report(deadline: Deadline) -> Report:
    """Measure each client once; where there is no cloud, say so."""
    if not _answers():
        note = "Skipped: the OpenStack lab isn't running; tests/drivers/openstack/lab/up.sh starts it."
        return Report("openstack_calls", [Table("OpenStack: requests and CPU", (), (), note)])
    tables, samples = [], {}
    for title, clients, note in (
        ("by single calls", {"vmpattern's driver": with_driver, "libcloud": with_libcloud}, SINGLE),
        ("as deployments", {"vmpattern": with_plans, "libcloud's loop": with_loop}, LOOPS),
    ):
        with tempfile.TemporaryDirectory() as folder:
            env = with_bytecode(Path(folder))
            in_child(with_imports, timeout_s=LONGEST_S, env=env)
            table, counts = _table(f"OpenStack, {title}: requests and CPU", clients, note, env, deadline)
        tables.append(table)
        samples[title] = counts
    return Report("openstack_calls", tables, samples)


def _table(
    title: str, clients: Mapping[str, Client], note: str, env: Mapping[str, str], deadline: Deadline
) -> tuple[Table, Mapping[str, Mapping[str, int]]]:
    columns = ("client", "requests", "a server", "without DELETE", "tokens", *METHODS[1:], "client CPU (s)", "wall (s)")
    rows: list[list[Cell]] = []
    counted: dict[str, Mapping[str, int]] = {}
    for name, work in clients.items():
        with counting() as (proxy, counts):
            try:
                timeout_s = min(LONGEST_S, deadline.left_s() + 1.0)
                spent, (seen, waiting_s) = in_child(work, proxy, SERVERS, timeout_s=timeout_s, env=env)
            except (Failed, TookTooLong) as error:
                note += f" {name} was left out: {error}."
                continue
        if seen < SERVERS:
            raise AssertionError(f"{name} saw {seen} servers")
        requests = sum(counts.values())
        each = requests / (2 * SERVERS), (requests - counts["DELETE"]) / (2 * SERVERS)
        rows.append(
            [name, requests, *each, *(counts[method] for method in METHODS), spent.cpu_s - waiting_s, spent.wall_s]
        )
        counted[name] = dict(counts)
        _wait(lambda: not _listed(limit="1"))
    return Table(title, columns, rows, note), counted


def with_imports() -> None:
    """Import what the clients import, so that its bytecode is there."""
    import libcloud.compute.drivers.openstack
    import yaml

    import vmpattern
    import vmpattern_openstack

    del libcloud, yaml, vmpattern, vmpattern_openstack


# -- by single calls ---------------------------------------------------------------------------------------------------


def with_driver(proxy: str, size: int) -> tuple[int, float]:
    """Do it with the driver's verbs."""
    from immutabledict import immutabledict

    from vmpattern.driver import LaunchRequest, Selector
    from vmpattern.model import Instance, LaunchKey, Market, Revision
    from vmpattern_openstack import OpenStackDriver, OpenStackOptions

    options = OpenStackOptions(cloud="oslab", clouds_file=CLOUDS, proxy=proxy, call_timeout=timedelta(minutes=5))
    driver = OpenStackDriver(options, cloud="lab", directory=Path())
    image, can, numbers = driver.resolve(IMAGE), driver.capabilities, itertools.count()
    waiting_s: list[float] = []

    def launch(number: int, count: int) -> None:
        request = LaunchRequest(
            key=LaunchKey(f"k{os.getpid():015x}{number:016x}"),
            count=count,
            deployment="bench-calls",
            fleet="web",
            revision=Revision(f"r{number}"),
            zone="nova",
            machine_type=FLAVOR,
            market=Market.ON_DEMAND,
            image=image,
            options=immutabledict(networks=(NETWORK,)),
        )
        driver.launch(request)

    def fill() -> None:
        for first in range(0, size, can.max_batch):
            launch(next(numbers), min(can.max_batch, size - first))
        waiting_s.append(_built())

    def end(rows: "Sequence[Instance]") -> None:
        for first in range(0, len(rows), can.max_terminate):
            driver.terminate([row.id for row in rows[first : first + can.max_terminate]])

    def rows() -> list[Instance]:
        return [row for row in driver.instances(Selector("bench-calls")) if isinstance(row, Instance)]

    fill()
    old = rows()
    fill()
    every = rows()
    end(old)
    end([row for row in rows() if row.phase.is_live])
    return len(every), sum(waiting_s)


def with_libcloud(proxy: str, size: int) -> tuple[int, float]:
    """Do it with libcloud's own calls, one for each server."""
    create, listed, destroy = _libcloud(proxy)
    create("1", size)
    waiting_s = _built()
    old = listed()
    create("2", size)
    waiting_s += _built()
    every = listed()
    for node in old:
        destroy(node)
    for node in listed():
        if node.id not in {one.id for one in old}:
            destroy(node)
    return len(every), waiting_s


# -- as deployments ----------------------------------------------------------------------------------------------------


def with_plans(proxy: str, size: int) -> tuple[int, float]:
    """Create, replace and destroy with one plan and apply each."""
    import vmpattern as vmp

    with tempfile.TemporaryDirectory() as folder:
        options = {"cloud": "oslab", "clouds_file": str(CLOUDS), "proxy": proxy}
        cloud = vmp.Cloud(name="lab", driver="openstack", options=options, directory=folder)
        with vmp.connect(cloud) as driver:
            image = driver.resolve(IMAGE)  # type: ignore[attr-defined]
        placement = vmp.Placement(cloud="lab", machine_type=FLAVOR, options={"networks": (NETWORK,)})
        rollout = vmp.Rollout(max_surge=vmp.Share(100, percent=True), min_ready_s=1.0, max_in_flight=4)
        fleet = vmp.Fleet(name="web", service="web", size=size, placements=[placement], rollout=rollout)
        most = 0
        for release in ("1", "2", None):
            service = vmp.Service(
                name="web",
                image=vmp.Existing({"lab": image}),
                env={"RELEASE": release or "2"},
                resources=vmp.Resources(),
            )
            wanted = attrs.evolve(fleet, size=size if release else 0)
            deployment = vmp.Deployment(
                name="bench-plans", clouds={"lab": cloud}, services={"web": service}, fleets={"web": wanted}
            )
            seen = vmp.observe(deployment)
            most = max(most, len(seen.instances()))
            vmp.apply(vmp.plan(deployment, seen), locks=Path(folder)).raise_for_failure()
        return most, 0.0


def with_loop(proxy: str, size: int) -> tuple[int, float]:
    """Do the same as libcloud's users do: a call for each server, and a list of all until they are as wanted."""
    create, listed, destroy = _libcloud(proxy)

    def wait(count: int) -> None:
        from libcloud.compute.types import NodeState

        while True:
            nodes = listed()
            if len(nodes) == count and all(node.state == NodeState.RUNNING for node in nodes):
                return
            time.sleep(POLL_S)

    create("1", size)
    wait(size)
    old = listed()
    create("2", size)
    wait(2 * size)
    for node in old:
        destroy(node)
    wait(size)
    for node in listed():
        destroy(node)
    wait(0)
    return len(old), 0.0


def _libcloud(
    proxy: str,
) -> tuple[Callable[[str, int], None], Callable[[], list[Any]], Callable[[Any], object]]:
    """Return how libcloud creates so many, lists all, and destroys one."""
    os.environ["http_proxy"] = proxy
    os.environ.pop("no_proxy", None)
    from libcloud.compute.providers import get_driver
    from libcloud.compute.types import Provider

    auth = _auth()
    driver: Any = get_driver(Provider.OPENSTACK)(
        auth["username"],
        auth["password"],
        ex_force_auth_url=auth["auth_url"].removesuffix("/v3"),
        ex_force_auth_version="3.x_password",
        ex_tenant_name=auth["project_name"],
        ex_force_service_region="RegionOne",
        api_version="2.2",
    )
    flavor = next(one for one in driver.list_sizes() if one.name == FLAVOR)
    image = next(one for one in driver.list_images() if one.name == IMAGE)
    network = next(one for one in driver.ex_list_networks() if one.name == NETWORK)

    def create(release: str, size: int) -> None:
        for number in range(size):
            driver.create_node(f"bench-loop-{release}-{number}", size=flavor, image=image, networks=[network])

    def listed() -> list[Any]:
        return [node for node in driver.list_nodes() if node.name.startswith("bench-loop-")]

    return create, listed, driver.destroy_node


# -- the cloud, past the proxy -----------------------------------------------------------------------------------------


def _auth() -> Mapping[str, str]:
    import yaml

    found: Mapping[str, str] = yaml.safe_load(CLOUDS.read_text("utf-8"))["clouds"]["oslab"]["auth"]
    return found


def _answers() -> bool:
    """Tell whether the lab is up."""
    if not CLOUDS.is_file():
        return False
    place = urlsplit(_auth()["auth_url"])
    try:
        socket.create_connection((place.hostname or "", place.port or 80), timeout=10.0).close()
    except OSError:
        return False
    return True


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited for {LONGEST_S:.0f} s in vain")
        time.sleep(POLL_S)


def _built() -> float:
    """Wait until no server is being built; return the CPU seconds that it took."""
    return cpu_s(lambda: _wait(lambda: not _listed(status="BUILD", limit="1")))


def _listed(**params: str) -> list[object]:
    """List the servers of ours that these parameters select."""
    nova, token = _login()
    query = "&".join(f"{name}={value}" for name, value in {"name": "bench-", **params}.items())
    with DIRECT.open(urllib.request.Request(f"{nova}/servers?{query}", headers={"X-Auth-Token": token})) as answer:
        servers: list[object] = json.load(answer)["servers"]
    return servers


@cache
def _login() -> tuple[str, str]:
    """Return Nova's address and a token."""
    auth = _auth()
    domain = {"id": "default"}
    user = {"name": auth["username"], "password": auth["password"], "domain": domain}
    scope = {"project": {"name": auth["project_name"], "domain": domain}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{auth['auth_url']}{LOGIN}", json.dumps(login).encode(), headers)
    with DIRECT.open(asked) as answer:
        token, found = answer.headers["X-Subject-Token"], json.load(answer)["token"]
    (nova,) = (end["url"] for one in found["catalog"] if one["type"] == "compute" for end in one["endpoints"][:1])
    return nova, token
