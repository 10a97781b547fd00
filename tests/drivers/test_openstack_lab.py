"""Whole rollouts on a real OpenStack: with ports, with failures, killed at any moment, with services restarted."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import loopback
from oslab import driver, forward, lab, needs_lab, settings

import vmpattern as vmp
from vmpattern.driver import Selector
from vmpattern.model import ImageId, Phase
from vmpattern.specfile.writing import render
from vmpattern_openstack import OpenStackDriver
from vmpattern_openstack.answers import Named

pytestmark = needs_lab

PATIENCE_S = 600.0
PATIENT = {"launch_deadline": "20m", "ready_deadline": "20m", "progress_deadline": "30m"}
"""The lab builds as fast as its machine can, which others may be using."""
KILLS = 20
AT_A_TIME = 5
SEED = 20261126


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

    server = ThreadingHTTPServer(("0.0.0.0", 0), Healthy)
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
        name: str, size: int, *, release: str, placement: Mapping[str, object] | None = None, **rollout: object
    ) -> Path:
        names.add(name)
        options = {"networks": ["oslab-net"], **(placement or {})}
        document = {
            "deployment": name,
            "clouds": {"lab": {"driver": "openstack", **settings(call_timeout="30s")}},
            "services": {
                "web": {
                    "port": port,
                    "health": {"http": "/", "interval": "1s"},
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
        for name in names:
            rows = cleaner.instances(Selector(name))
            for row in rows:
                cleaner.terminate([row.id])


def apply(path: Path, *, follow: Callable[[vmp.Event], None] = lambda _: None) -> vmp.Outcome:
    deployment = vmp.load(path)
    return vmp.apply(vmp.plan(deployment, vmp.observe(deployment)), on_event=follow, locks=path.parent)


def live(cloud: OpenStackDriver, name: str) -> list[vmp.Instance]:
    return [row for row in cloud.instances(Selector(name)) if row.phase.is_live]


def gone(cloud: OpenStackDriver, name: str) -> bool:
    until = time.monotonic() + PATIENCE_S
    while cloud.instances(Selector(name)) and time.monotonic() < until:
        time.sleep(1.0)
    return not cloud.instances(Selector(name))


def ports(cloud: OpenStackDriver) -> set[str]:
    """Return the servers that ports are of."""
    found = cloud.calls("count ports").get("network", "/ports", {"fields": "device_id", "device_owner": "compute:nova"})
    rows = found["ports"]
    assert isinstance(rows, list)
    return {str(row["device_id"]) for row in rows}


def test_thirty_servers_are_replaced_without_one_too_few(cloud: OpenStackDriver, write: Callable[..., Path]) -> None:
    name = "lab-thirty"
    apply(write(name, 30, release="1")).raise_for_failure()
    before = {row.id for row in live(cloud, name)}

    path = write(name, 30, release="2", max_surge=10, max_in_flight=4)
    deployment = vmp.load(path)
    plan = vmp.plan(deployment, vmp.observe(deployment))
    vmp.apply(plan, locks=path.parent).raise_for_failure()
    after = {row.id for row in live(cloud, name)}

    assert (30, 30, set()) == (len(before), len(after), before & after)
    assert 30 <= plan.forecast.lowest_ready["web"]
    assert after <= ports(cloud)

    nobody = deployment.resized({"web": 0})
    vmp.apply(vmp.plan(nobody, vmp.observe(nobody)), locks=path.parent).raise_for_failure()

    assert gone(cloud, name)
    assert not ports(cloud) & (before | after)


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


@pytest.mark.parametrize("service", ["nova-api", "rabbitmq"])
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

    assert 6 == len(rows)
    assert 1 == len({row.revision for row in rows})


def killed_at(path: Path, seconds: float) -> None:
    """Begin an apply, and kill it after so many seconds, unless it was faster."""
    command = [sys.executable, "-m", "vmpattern", "-f", str(path), "apply", "--yes"]
    environment = {**os.environ, "XDG_STATE_HOME": str(path.parent)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def completed(path: Path) -> Mapping[str, object]:
    """Apply to the end, in a process of its own."""
    command = [sys.executable, "-m", "vmpattern", "-f", str(path), "apply", "--yes", "--json"]
    environment = {**os.environ, "XDG_STATE_HOME": str(path.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return json.loads(done.stdout)


def test_an_apply_that_is_killed_at_any_moment_is_carried_on_by_the_next(
    cloud: OpenStackDriver, write: Callable[..., Path]
) -> None:
    draw = random.Random(SEED)
    moments = [draw.uniform(0.5, 25.0) for _ in range(KILLS)]

    def play(number: int) -> tuple[int, int, int]:
        name = f"lab-kill-{number}"
        path = write(name, 2, release="1")
        if number % 2:  # half of them are killed in an update
            completed(path)
            path = write(name, 2, release="2")
        killed_at(path, moments[number])
        completed(path)
        rows = live(cloud, name)
        return len(rows), len({row.revision for row in rows}), len({row.id for row in rows})

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ends = list(pool.map(play, range(KILLS)))
    known = {row.id for number in range(KILLS) for row in cloud.instances(Selector(f"lab-kill-{number}"))}
    servers = cloud.calls("look for orphans").every(Named, "compute", "/servers", key="servers")
    orphans = [one.name for one in servers if one.name.startswith("lab-kill-") and one.id not in known]

    assert [(2, 1, 2)] * KILLS == ends
    assert [] == orphans


def test_tokens_of_one_minute_are_renewed_in_time() -> None:
    lab("restart", "keystone", OSLAB_TOKEN_S="60")
    try:
        with loopback(forward) as proxy, contextlib.closing(driver(proxy=proxy.url)) as made:
            until = time.monotonic() + 70.0
            while time.monotonic() < until:
                made.instances(Selector("lab-tokens"))
                time.sleep(5.0)
            tokens = [asked for asked in proxy.asked if asked.path.endswith("/auth/tokens")]
    finally:
        lab("restart", "keystone")

    assert 3 == len(tokens)
