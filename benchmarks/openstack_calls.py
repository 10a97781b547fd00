"""Calls and CPU on a real OpenStack: create, observe, replace all, destroy; vmpattern beside libcloud's own loop.

It needs the lab of tests/drivers/openstack, or another cloud of clouds.yaml that OS_CLOUD names. Both clients talk
through a small proxy that counts their requests, each in a process of its own, by turns.
"""

import http.client
import os
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from benchmarks.spending import Deadline, Failed, TookTooLong, in_child
from benchmarks.tables import Cell, Report, Table

SERVERS = 60
POLL_S = 5.0
"""libcloud's own default between two looks."""
LONGEST_S = 1800.0
CLOUDS = Path(os.environ.get("OSLAB_STATE", "/var/tmp/vmpattern-oslab"), "clouds.yaml")
KEYSTONE = "/auth/tokens"
METHODS = ("POST", "GET", "DELETE")
PASSED = {"connection", "proxy-connection", "transfer-encoding", "content-length", "keep-alive", "host"}


def report(deadline: Deadline) -> Report:
    """Measure both clients once; where there is no cloud, say so."""
    columns = ("client", "requests", "a server", "without DELETE", *METHODS, "client CPU (s)", "wall (s)")
    rows: list[list[Cell]] = []
    samples: dict[str, dict[str, int]] = {}
    note = f"{SERVERS} servers are created, observed, replaced by as many, and destroyed: {2 * SERVERS} in all."
    note += " Nova has no call that deletes several, so requests a server are given without those, too."
    for title, work in (("vmpattern", with_vmpattern), ("libcloud's loop", with_libcloud)):
        if not _answers():
            note = "Skipped: the OpenStack lab isn't running; tests/drivers/openstack/lab/up.sh starts it."
            break
        with counting() as (proxy, counts):
            try:
                spent, _ = in_child(work, proxy, SERVERS, timeout_s=min(LONGEST_S, deadline.left_s() + 1.0))
            except (Failed, TookTooLong) as error:
                note += f" {title} was left out: {error}."
                continue
        every = sum(counts.values())
        each = every / (2 * SERVERS), (every - counts["DELETE"]) / (2 * SERVERS)
        rows.append([title, every, *each, *(counts[method] for method in METHODS), spent.cpu_s, spent.wall_s])
        samples[title] = dict(counts)
    return Report("openstack_calls", [Table("OpenStack: requests and CPU", columns, rows, note)], samples)


def with_vmpattern(proxy: str, size: int) -> int:
    """Create, observe, replace and destroy with one plan and apply each; return how many servers are left."""
    import vmpattern as vmp

    with tempfile.TemporaryDirectory() as folder:
        options = {"cloud": "oslab", "clouds_file": str(CLOUDS), "proxy": proxy}
        cloud = vmp.Cloud(name="lab", driver="openstack", options=options, directory=folder)
        with vmp.connect(cloud) as driver:
            image = driver.resolve("oslab-image")  # type: ignore[attr-defined]
        placement = vmp.Placement(cloud="lab", machine_type="oslab.nano", options={"networks": ("oslab-net",)})
        share = vmp.Share(100, percent=True)
        rollout = vmp.Rollout(max_surge=share, min_ready_s=1.0, max_in_flight=4)
        fleet = vmp.Fleet(name="web", service="web", size=size, placements=[placement], rollout=rollout)
        for release in ("1", "2", None):
            service = vmp.Service(
                name="web",
                image=vmp.Existing({"lab": image}),
                env={"RELEASE": release or "2"},
                resources=vmp.Resources(),
            )
            wanted = attrs.evolve(fleet, size=size if release else 0)
            deployment = vmp.Deployment(
                name="bench-calls", clouds={"lab": cloud}, services={"web": service}, fleets={"web": wanted}
            )
            plan = vmp.plan(deployment, vmp.observe(deployment))
            vmp.apply(plan, locks=Path(folder)).raise_for_failure()
        return len(vmp.observe(deployment).instances())


def with_libcloud(proxy: str, size: int) -> int:
    """Do the same as its users do: a call for each node, and a list of all until they are as wanted."""
    os.environ["http_proxy"] = proxy
    os.environ.pop("no_proxy", None)
    import yaml
    from libcloud.compute.providers import get_driver
    from libcloud.compute.types import NodeState, Provider

    auth = yaml.safe_load(CLOUDS.read_text("utf-8"))["clouds"]["oslab"]["auth"]
    driver: Any = get_driver(Provider.OPENSTACK)(
        auth["username"],
        auth["password"],
        ex_force_auth_url=auth["auth_url"].removesuffix("/v3"),
        ex_force_auth_version="3.x_password",
        ex_tenant_name=auth["project_name"],
        ex_force_service_region="RegionOne",
        api_version="2.2",
    )
    flavor = next(one for one in driver.list_sizes() if one.name == "oslab.nano")
    image = next(one for one in driver.list_images() if one.name == "oslab-image")
    network = next(one for one in driver.ex_list_networks() if one.name == "oslab-net")

    def ours() -> list[Any]:
        return [node for node in driver.list_nodes() if node.name.startswith("bench-loop-")]

    def create(release: str) -> None:
        for number in range(size):
            driver.create_node(f"bench-loop-{release}-{number}", size=flavor, image=image, networks=[network])

    def wait(count: int) -> None:
        while True:
            nodes = ours()
            if len(nodes) == count and all(node.state == NodeState.RUNNING for node in nodes):
                return
            time.sleep(POLL_S)

    create("1")
    wait(size)
    old = ours()
    create("2")
    wait(2 * size)
    for node in old:
        driver.destroy_node(node)
    wait(size)
    for node in ours():
        driver.destroy_node(node)
    wait(0)
    return len(ours())


@contextmanager
def counting() -> Generator[tuple[str, Counter[str]]]:
    """Serve a proxy that counts requests by method, those to Keystone apart."""
    counts: Counter[str] = Counter()

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            counts[KEYSTONE if self.path.endswith(KEYSTONE) else self.command] += 1
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=120)
            path = f"{target.path}?{target.query}" if target.query else target.path
            connection.request(self.command, path, body or None, _passed(self.headers.items()))
            got = connection.getresponse()
            answer = got.read()
            connection.close()
            self.send_response(got.status)
            for name, value in {**_passed(got.getheaders()), "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()


def _answers() -> bool:
    """Tell whether the cloud that the file names is there."""
    if not CLOUDS.is_file():
        return False
    import yaml

    place = urlsplit(yaml.safe_load(CLOUDS.read_text("utf-8"))["clouds"]["oslab"]["auth"]["auth_url"])
    try:
        socket.create_connection((place.hostname or "", place.port or 80), timeout=10.0).close()
    except OSError:
        return False
    return True


def _passed(headers: "list[tuple[str, str]]") -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in PASSED}
