"""How many calls a fleet on Compute Engine costs: created, observed, replaced and ended, beside libcloud's own way.

The cloud is the emulator of the tests, in a process of its own; every request is held against Google's document.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs
from immutabledict import immutabledict

from benchmarks.gcp_libcloud import create_nodes
from benchmarks.spending import Deadline
from benchmarks.tables import Report, Table
from vmpattern.driver import Driver, LaunchRequest, Selector, connect
from vmpattern.model import Cloud, ImageId, Instance, LaunchKey, Market, Revision

LAB = Path(__file__).resolve().parents[1] / "tests/support/gce/lab.py"
IMAGE = ImageId("projects/debian-cloud/global/images/debian-12-bookworm-v20260101")
ZONE = "europe-west1-b"
INSTANCES = 200
SPEED = 2000
LIBCLOUD_NODES = 3


@attrs.frozen
class Cost:
    """What a piece of work cost: requests over the wire, calls as Google's quotas count them, the client's time."""

    what: str
    launched: int
    requests: int
    calls: int
    cpu_s: float
    wall_s: float

    @property
    def row(self) -> list[str | int | float | None]:
        """A row of the table."""
        per = (self.requests / self.launched, self.calls / self.launched) if self.launched else (None, None)
        return [self.what, self.launched, self.requests, self.calls, *per, self.cpu_s, self.wall_s]


@attrs.frozen
class Counts:
    """What the emulator was asked so far, and what of it wasn't as Google's document says."""

    requests: int
    calls: int
    violations: tuple[str, ...]


COLUMNS = ("", "instances", "requests", "calls", "requests each", "calls each", "CPU s", "seconds")


def report(deadline: Deadline) -> Report:
    """Create, observe, replace and end 200 instances: launched together, and one at a time."""
    rows = []
    for title, batch in (("together", INSTANCES), ("one by one", 1)):
        if not deadline.is_over():
            with _lab() as options:
                rows += _fleet(title, batch, options)
    if not deadline.is_over():
        with _lab() as options:
            rows.append(_libcloud(options))
    table = Table(
        title=f"A fleet of {INSTANCES} on Compute Engine, and the calls that it costs",
        columns=COLUMNS,
        rows=[cost.row for cost in rows],
        note="A batch is one request, and as many calls as it has parts: quotas count those. Replacing launches and "
        "ends as many as there are. An emulator has no latency, so that seconds say little of Google's.",
    )
    return Report("gcp_calls", [table], [attrs.asdict(cost) for cost in rows])


@contextmanager
def _lab() -> Generator[Mapping[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(LAB), folder, str(SPEED)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait()


def _fleet(title: str, batch: int, options: Mapping[str, str]) -> list[Cost]:
    with connect(Cloud(name="eu", driver="gcp", options=immutabledict(options))) as driver:
        made: list[Instance] = []

        def launch(revision: str) -> None:
            for first in range(0, INSTANCES, batch):
                made.extend(driver.launch(_request(batch, f"k{revision}{first}", revision)).created)

        def replace() -> None:
            old = list(made)
            launch("two")
            _end(driver, old)
            del made[: len(old)]

        work: list[tuple[str, int, Callable[[], object]]] = [
            ("created", INSTANCES, lambda: launch("one")),
            ("observed", 0, lambda: driver.instances(Selector("bench"))),
            ("replaced", INSTANCES, replace),
            ("ended", 0, lambda: _end(driver, made)),
        ]
        costs = [_measured(f"{what} {title}", launched, options, call) for what, launched, call in work]
    if wrong := _counts(options).violations:
        raise AssertionError(wrong[0])
    total = [sum(figures) for figures in zip(*(attrs.astuple(cost)[1:] for cost in costs), strict=True)]
    return [*costs, Cost(f"all {title}", *total)]


def _measured(what: str, launched: int, options: Mapping[str, str], call: Callable[[], object]) -> Cost:
    before, cpu, began = _counts(options), time.process_time(), time.monotonic()
    call()
    cpu_s, wall_s = time.process_time() - cpu, time.monotonic() - began
    after = _counts(options)
    return Cost(what, launched, after.requests - before.requests, after.calls - before.calls, cpu_s, wall_s)


def _counts(options: Mapping[str, str]) -> Counts:
    with urllib.request.urlopen(f"{options['endpoint']}/counts") as answer:
        counts = json.loads(answer.read())
    return Counts(counts["requests"], counts["calls"], tuple(counts["violations"]))


def _end(driver: Driver, rows: list[Instance]) -> None:
    most = driver.capabilities.max_terminate
    for first in range(0, len(rows), most):
        driver.terminate([row.id for row in rows[first : first + most]])


def _request(count: int, key: str, revision: str) -> LaunchRequest:
    return LaunchRequest(
        key=LaunchKey(key),
        count=count,
        deployment="bench",
        fleet="web",
        revision=Revision(revision),
        zone=ZONE,
        machine_type="e2-small",
        market=Market.ON_DEMAND,
        image=IMAGE,
    )


def _libcloud(options: Mapping[str, str]) -> Cost:
    nodes = LIBCLOUD_NODES
    call = create_nodes(nodes, url=options["endpoint"], project="acme-fleets", zone=ZONE, image=IMAGE)
    return _measured("created by libcloud's create_node", nodes, options, call)
