"""Bakes and updates on a real OpenStack, killed at a random moment: one more apply, and nothing is left over."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killed_applies import Found, Lane, Scale, killed, side_by_side
from oslab import CLOUDS, PAGE, driver, ended, needs_lab, ports, servers

from vmpattern.driver import Selector
from vmpattern.model import ImageState
from vmpattern_openstack import OpenStackDriver

pytestmark = [needs_lab, pytest.mark.alone]

SETTLE_S = 22.0
"""So long an apply looks before it launches anything: the age of lists, and the time of a call."""
GONE_S = 120.0

FILE = """
deployment = "{name}"

[clouds.lab]
driver = "openstack"
cloud = "oslab"
clouds_file = "{clouds}"
page_size = {page}
call_timeout = "15s"

[services.web.image]
base = "debian-12"
run = "true"
provision = "provision.sh"
variables = {{ RELEASE = "{release}" }}

[fleets.web]
service = "web"
size = {size}
placements = [{{ cloud = "lab", machine_type = "oslab.nano", options = {{ networks = ["oslab-net"] }} }}]

[fleets.web.rollout]
max_surge = {surge}
min_ready = "1s"
drain = "0s"
keep_failed = 0
launch_deadline = "10m"
ready_deadline = "10m"
"""


@pytest.fixture
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver()) as made:
        yield made


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + GONE_S
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(1.0)
    return held


def amiss(cloud: OpenStackDriver, name: str, size: int) -> Iterator[str]:
    """Wait until all that ends is gone; yield what isn't as it should be, whether it bears our labels or not."""
    named = [id for id, called in servers(cloud).items() if called.startswith(f"{name}-")]
    if not eventually(lambda: len(cloud.instances(Selector(name))) == size):
        yield f"{[(row.fleet, row.phase.value) for row in cloud.instances(Selector(name))]}"
    rows = cloud.instances(Selector(name))
    if 1 != len({(row.fleet, row.revision, row.image) for row in rows}):
        yield "more than one fleet, revision or image"
    if strangers := set(named) & set(servers(cloud)) - {row.id for row in rows}:
        yield f"servers that no list of ours shows: {strangers}"
    images = cloud.images(Selector(name))
    if len(images) != len({image.digest for image in images}):
        yield "an image that was made twice"
    if unready := [image.id for image in images if image.state is not ImageState.AVAILABLE]:
        yield f"images that nobody waits for: {unready}"


@contextlib.contextmanager
def swept(cloud: OpenStackDriver, names: list[str]) -> Iterator[None]:
    """Delete at the end whatever the deployments have."""
    try:
        yield
    finally:
        ended(cloud, *names)
        for name in names:
            cloud.delete_images([image.id for image in cloud.images(Selector(name))])


@pytest.mark.parametrize(
    ("scale", "lanes", "rounds"),
    [
        pytest.param(Scale(size=2, surge=2, work_s=25.0), 2, 1, id="2-moments"),
        pytest.param(Scale(size=3, surge=3, work_s=90.0), 4, 5, id="20-moments", marks=pytest.mark.long),
    ],
)
def test_an_apply_killed_at_any_moment_is_completed_by_the_next(
    cloud: OpenStackDriver, tmp_path: Path, scale: Scale, lanes: int, rounds: int
) -> None:
    names = [f"killed-{number}-{time.time():.0f}" for number in range(lanes)]

    def run(number: int) -> Found:
        folder, name = tmp_path / str(number), names[number]
        folder.mkdir()
        (folder / "provision.sh").write_text("echo provisioned\n")

        def written(release: str) -> str:
            asked = {"size": scale.size, "surge": scale.surge}
            return FILE.format(name=name, clouds=CLOUDS, page=PAGE, release=release, **asked)

        return killed(
            Lane(folder, written, {}),
            [str(release) for release in range(rounds + 1)],
            rounds=rounds,
            settle_s=SETTLE_S,
            work_s=scale.work_s,
            seed=number,
            amiss=lambda _: amiss(cloud, name, scale.size),
        )

    with swept(cloud, names):
        found = side_by_side(lanes, run)
        is_clean = eventually(lambda: ports(cloud) <= servers(cloud).keys())

    assert () == found.amiss
    assert is_clean
    assert 2 * found.hits >= lanes * rounds
