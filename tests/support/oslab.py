"""The OpenStack lab as tests see it: whether it runs, how to reach it, and a proxy in between that misbehaves once."""

import contextlib
import http.client
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from immutabledict import immutabledict
from loopback import Answer, Asked, Bad, loopback
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from vmpattern.driver import LaunchRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import Throttled, Transient
from vmpattern.model import InstanceId, LaunchKey, Market, Revision
from vmpattern.testing import Fault
from vmpattern_openstack import OpenStackDriver, OpenStackOptions
from vmpattern_openstack.answers import Named

LAB = Path(__file__).resolve().parents[1] / "drivers/openstack/lab"
STATE = Path(os.environ.get("OSLAB_STATE", "/var/tmp/vmpattern-oslab"))
CLOUDS = STATE / "clouds.yaml"
PAGE = int(os.environ.get("OSLAB_MAX_LIMIT", "1000"))
"""How many servers the lab's Nova lists at once."""

PORTS = (5000, 8774, 9292, 9696, 9876, 18080)
HOP_BY_HOP = {"connection", "proxy-connection", "transfer-encoding", "content-length", "keep-alive", "host"}
STRUCK = "/servers"


def is_up() -> bool:
    """Tell whether every API of the lab listens."""
    return CLOUDS.is_file() and all(_listens(port) for port in PORTS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


HOW = "as root on Debian 12, start it with tests/drivers/openstack/lab/up.sh, or run  python -m nox -s openstack"
IS_UP = is_up()
if "OSLAB_REQUIRED" in os.environ and not IS_UP:
    raise RuntimeError(f"OSLAB_REQUIRED is set, and the OpenStack lab isn't running: {HOW}")
needs_lab = pytest.mark.skipif(not IS_UP, reason=f"skipped, because the OpenStack lab isn't running: {HOW}")


def settings(**more: object) -> dict[str, object]:
    """Return what a file says under [clouds.NAME] of the lab."""
    return {"cloud": "oslab", "clouds_file": str(CLOUDS), "page_size": PAGE, **more}


def some_request(cloud: OpenStackDriver, deployment: str, **facts: object) -> LaunchRequest:
    """Return a request for one small server of the lab, under a key that is nobody's."""
    usual: dict[str, object] = {
        "key": LaunchKey(f"k{uuid.uuid4().hex[:31]}"),
        "count": 1,
        "deployment": deployment,
        "fleet": "web",
        "revision": Revision("r1"),
        "zone": "nova",
        "machine_type": "oslab.nano",
        "market": Market.ON_DEMAND,
        "image": cloud.resolve("oslab-image"),
        "options": immutabledict(networks=("oslab-net",)),
    }
    return LaunchRequest(**{**usual, **facts})  # type: ignore[arg-type]


def driver(**more: object) -> OpenStackDriver:
    """Connect with the lab."""
    options = parse_options(OpenStackOptions, settings(**more), path="options")  # type: ignore[arg-type]
    return OpenStackDriver(options, cloud="lab", directory=STATE, environment={})


def servers(cloud: OpenStackDriver) -> dict[str, str]:
    """Return the names of the project's servers by id, whether ours or not."""
    rows = cloud.calls("list servers").every(Named, "compute", "/servers", key="servers")
    return {row.id: row.name for row in rows}


def ports(cloud: OpenStackDriver) -> set[str]:
    """Return the servers that ports are of, whether those are there or not."""
    of_servers = {"fields": "device_id", "device_owner": "compute:nova"}
    rows = cloud.calls("list ports").get("network", "/ports", of_servers)["ports"]
    assert isinstance(rows, list)
    return {str(row["device_id"]) for row in rows}


def ended(cloud: OpenStackDriver, *deployments: str) -> None:
    """End all that deployments have, and wait until it is gone."""
    busy = retry_if_exception_type((Throttled, Transient))
    patiently = Retrying(
        retry=busy | retry_if_result(bool), wait=wait_fixed(1.0), stop=stop_after_delay(300.0), reraise=True
    )

    def rest() -> list[InstanceId]:
        ids = [row.id for name in deployments for row in cloud.instances(Selector(name)) if row.phase.is_live]
        most = cloud.capabilities.max_terminate
        for first in range(0, len(ids), most):
            cloud.terminate(ids[first : first + most])
        return [row.id for name in deployments for row in cloud.instances(Selector(name))]

    patiently(rest)


def lab(*words: str, **settings: str) -> None:
    """Give the lab a command, as `restart nova-api`.

    Raises:
        CalledProcessError: it couldn't be carried out.
    """
    environment = {**os.environ, "PYTHONPATH": str(LAB), "OSLAB_STATE": str(STATE), **settings}
    subprocess.run(["/usr/bin/python3", "-s", "-m", "oslab", *words], env=environment, check=True, timeout=300)


@contextlib.contextmanager
def faulty(fault: Fault) -> Iterator[str]:
    """Serve a proxy whose first request about servers suffers a fault, and every other one is passed on."""
    left = [fault]

    def answer(asked: Asked) -> Answer | Bad:
        if not left or not _is_struck(asked, fault):
            return forward(asked)
        left.clear()
        match fault:
            case Fault.LOST_BEFORE:
                return Bad.CLOSE
            case Fault.LOST_AFTER:
                forward(asked)
                return Bad.CLOSE
            case Fault.SILENCE:
                return Bad.SILENCE
            case Fault.THROTTLED:
                return Answer(429, b'{"overLimit": {"code": 429, "message": "too many"}}', {"Retry-After": "1"})
            case Fault.FAILED_PAGE:
                return Answer(500, b'{"computeFault": {"code": 500, "message": "a page that failed"}}')

    with loopback(answer) as server:
        yield server.url


def _is_struck(asked: Asked, fault: Fault) -> bool:
    changes = asked.method != "GET"
    return STRUCK in asked.path and (changes or fault not in (Fault.LOST_BEFORE, Fault.LOST_AFTER))


def forward(asked: Asked) -> Answer:
    """Pass a request on to where it was meant for."""
    target = urlsplit(asked.path)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
    path = f"{target.path}?{target.query}" if target.query else target.path
    try:
        connection.request(asked.method, path, asked.body or None, _passed(asked.headers))
        got = connection.getresponse()
        return Answer(got.status, got.read(), _passed(dict(got.getheaders())))
    finally:
        connection.close()


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
