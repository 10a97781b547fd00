"""Whole rollouts on a real OpenStack: with ports, with failures, with services restarted, with tokens of one minute."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import loopback
from oslab import driver, ended, forward, lab, needs_lab, ports, servers, settings

import vmpattern as vmp
from vmpattern.driver import Selector
from vmpattern.model import ImageId, Phase
from vmpattern.specfile.writing import render
from vmpattern_openstack import OpenStackDriver

pytestmark = [needs_lab, pytest.mark.alone]

PATIENCE_S = 600.0
PATIENT = {"launch_deadline": "20m", "ready_deadline": "20m", "progress_deadline": "30m"}
"""The lab builds as fast as its machine can, which others may be using."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver()) as made:
        yield made


@pytest.fixture(scope="module")
def image(cloud: OpenStackDriver) -> ImageId:
    return cloud.resolve("oslab-image")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """What listens on all of this machine's addresses answers at every server's: they are in 127.77.0.0/16."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # every server is asked at the same moment

    server = Server(("0.0.0.0", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def write(tmp_path: Path, image: ImageId, port: int) -> Iterator[Callable[..., Path]]:
    """Write a file with one fleet; whatever its deployment has in the cloud is ended with the test."""
    names: set[str] = set()

    def written(
        name: str,
        size: int,
        *,
        release: str,
        placement: Mapping[str, object] | None = None,
        proxy: str | None = None,
        **rollout: object,
    ) -> Path:
        names.add(name)
        options = {"networks": ["oslab-net"], **(placement or {})}
        through = {"proxy": proxy} if proxy else {}
        document = {
            "deployment": name,
            "clouds": {"lab": {"driver": "openstack", **settings(call_timeout="15s", **through)}},
            "services": {
                "web": {
                    "port": port,
                    "health": {"http": "/", "interval": "1s", "unhealthy_after": 10},
                    "env": {"RELEASE": release},
                    "image": {"existing": {"lab": str(image)}},
                }
            },
            "fleets": {
                "web": {
                    "service": "web",
                    "size": size,
                    "placements": [{"cloud": "lab", "machine_type": "oslab.nano", "options": options}],
                    "rollout": {"min_ready": "1s", "drain": "1s", **PATIENT, **rollout},
                }
            },
        }
        path = tmp_path / f"{name}.toml"
        path.write_text(render(document), "utf-8")
        return path

    yield written
    with contextlib.closing(driver()) as cleaner:
        ended(cleaner, *names)


def apply(path: Path, *, follow: Callable[[vmp.Event], None] = lambda _: None) -> vmp.Outcome:
    deployment = vmp.load(path)
    return vmp.apply(vmp.plan(deployment, vmp.observe(deployment)), on_event=follow, locks=path.parent)


def live(cloud: OpenStackDriver, name: str) -> list[vmp.Instance]:
    return [row for row in cloud.instances(Selector(name)) if row.phase.is_live]


def named(cloud: OpenStackDriver, name: str) -> set[str]:
    """Return the servers that have a deployment's name, whether ours or not."""
    return {id for id, called in servers(cloud).items() if called.startswith(f"{name}-")}


def settled(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(1.0)
    return held


@pytest.mark.parametrize(
    ("size", "surge"),
    [
        pytest.param(6, 3, id="6"),
        pytest.param(30, 10, id="30", marks=pytest.mark.long),
    ],
)
def test_servers_are_replaced_without_one_too_few(
    size: int, surge: int, cloud: OpenStackDriver, write: Callable[..., Path]
) -> None:
    name = f"lab-replaced-{size}"
    apply(write(name, size, release="1")).raise_for_failure()
    before = {row.id for row in live(cloud, name)}

    path = write(name, size, release="2", max_surge=surge, max_in_flight=4)
    deployment = vmp.load(path)
    plan = vmp.plan(deployment, vmp.observe(deployment))
    troubles: list[str] = []
    outcome = vmp.apply(plan, locks=path.parent, on_event=lambda event: troubles.extend(_trouble(event)))
    assert outcome.ok, troubles
    after = {row.id for row in live(cloud, name)}

    assert (size, size, set()) == (len(before), len(after), before & after)
    assert size <= plan.forecast.lowest_ready["web"]
    assert after <= ports(cloud)

    nobody = deployment.resized({"web": 0})
    vmp.apply(vmp.plan(nobody, vmp.observe(nobody)), locks=path.parent).raise_for_failure()

    assert settled(lambda: not cloud.instances(Selector(name)))
    assert not ports(cloud) & (before | after)


def _trouble(event: vmp.Event) -> list[str]:
    failed = (
        vmp.EventKind.FAILED,
        vmp.EventKind.CALL_FAILED,
        vmp.EventKind.LAUNCH_FAILED,
        vmp.EventKind.LAUNCH_UNKNOWN,
    )
    return [f"{event.kind.value}: {event.message}"] if event.kind in failed else []


def test_a_revision_that_can_not_be_built_is_paused_and_the_old_one_serves(
    cloud: OpenStackDriver, write: Callable[..., Path]
) -> None:
    name = "lab-failing"
    apply(write(name, 3, release="1")).raise_for_failure()
    before = {row.id for row in live(cloud, name)}

    outcome = apply(write(name, 3, release="2", placement={"metadata": {"oslab_fail": "build"}}, max_failures=1))
    rows = live(cloud, name)

    assert vmp.Result.PAUSED is outcome.result
    assert before == {row.id for row in rows if row.phase is Phase.RUNNING}
    assert len(rows) <= 3 + 2


@pytest.mark.parametrize("service", ["nova-api", pytest.param("rabbitmq", marks=pytest.mark.long)])
def test_a_service_that_is_restarted_meanwhile_loses_nothing(
    service: str, cloud: OpenStackDriver, write: Callable[..., Path]
) -> None:
    name = f"lab-{service}"
    apply(write(name, 6, release="1")).raise_for_failure()
    path = write(name, 6, release="2", max_surge=2, launch_deadline="4m", max_failures=6)
    begun = threading.Event()

    def follow(event: vmp.Event) -> None:
        if event.kind is vmp.EventKind.LAUNCHING:
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(apply, path, follow=follow)
        assert begun.wait(PATIENCE_S)
        lab("restart", service)
        outcome = update.result()
    if not outcome.ok:
        apply(path).raise_for_failure()
    rows = live(cloud, name)
    # A server whose message was lost never gets a host; it stays for inspection, as every one that fails.
    serving = [row for row in rows if row.kept_until is None]

    assert [(Phase.RUNNING, serving[0].revision)] * 6 == [(row.phase, row.revision) for row in serving]
    assert settled(lambda: {row.id for row in rows} == named(cloud, name))
    assert settled(lambda: ports(cloud) <= servers(cloud).keys())


@pytest.mark.long
def test_a_long_update_outlives_tokens_of_one_minute(write: Callable[..., Path]) -> None:
    name = "lab-tokens"
    lab("restart", "keystone", OSLAB_TOKEN_S="60")
    try:
        with loopback(forward) as proxy:
            began = time.monotonic()
            apply(write(name, 8, release="1", proxy=proxy.url)).raise_for_failure()
            apply(write(name, 8, release="2", proxy=proxy.url, max_surge=2, min_ready="20s")).raise_for_failure()
            lasted = time.monotonic() - began
    finally:
        lab("restart", "keystone")
    tokens = [asked for asked in proxy.asked if asked.path.endswith("/auth/tokens")]

    assert lasted > 120.0
    assert lasted / 60.0 < len(tokens)
