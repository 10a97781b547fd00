"""Real VMs on this machine: baking the example's service, booting it, and what a VM takes. Needs QEMU.

A round bakes under a new version of the service, asks for the same bake again, and boots one VM of the image alone.
"""

import json
import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median

import attrs

import vmpattern as vmp
from benchmarks.spending import Deadline
from benchmarks.tables import Report, Table
from vmpattern.driver import Driver, LaunchRequest, Selector
from vmpattern.model import ImageId, Instance, LaunchKey, Revision

EXAMPLE = Path(__file__).parents[1] / "examples" / "local"
ROUNDS = 3
LONGEST_S = 120.0
PAUSE_S = 0.05


@attrs.frozen(kw_only=True)
class Round:
    """What one round took, in seconds, CPU seconds of the VM's process, MiB in memory and MiB on disk."""

    bake_s: float
    again_s: float
    answer_s: float
    cpu_s: float
    resident_mib: float
    overlay_mib: float
    image_mib: float


def _rows(driver: Driver, deployment: str) -> list[Instance]:
    return [row for row in driver.instances(Selector(deployment)) if isinstance(row, Instance)]


def report(deadline: Deadline) -> Report:
    """Measure rounds as long as there is time, at least one."""
    if not (shutil.which("qemu-system-x86_64") and shutil.which("qemu-img")):
        return Report("local", [Table("local: skipped, because QEMU isn't installed", ["what"], [])])
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as name:
        folder = shutil.copytree(EXAMPLE, Path(name, "local"), ignore=shutil.ignore_patterns(".vmpattern"))
        deployment = vmp.load(folder / "vmpattern.toml")
        with vmp.connect(deployment.clouds["here"]) as driver:
            accelerator = _warm_up(driver, folder)
            try:
                while len(rounds) < ROUNDS and not (rounds and deadline.is_over()):
                    (folder / "hello/version").write_text(f"{len(rounds)}\n")
                    rounds.append(_round(folder, driver, len(rounds)))
            finally:
                _end(driver, *_rows(driver, deployment.name))
    titles = {
        "bake_s": "bake, s",
        "again_s": "the same bake again, s",
        "answer_s": "launch to first HTTP answer, s",
        "cpu_s": "CPU seconds of a boot",
        "resident_mib": "resident memory of a VM, MiB",
        "overlay_mib": "disk of a VM, MiB",
        "image_mib": "disk of an image, MiB",
    }
    found = {key: [getattr(one, key) for one in rounds] for key in titles}
    rows = [[title, min(found[key]), median(found[key])] for key, title in titles.items()]
    note = (
        f"{len(rounds)} rounds, one VM at a time, of 128 MiB, with {accelerator}; the bake is a whole `vmpattern bake`."
    )
    table = Table("local: real VMs", ["what", "best", "median"], rows, note)
    return Report("local", [table], [attrs.asdict(one) for one in rounds])


def _warm_up(driver: Driver, folder: Path) -> str:
    """Let the driver find out what it does once a machine: the base, and whether KVM works."""
    (row,) = driver.launch(_request("warm", ImageId("alpine"))).created
    _end(driver, row)
    answer = folder / ".vmpattern/local/accelerator.json"
    return "KVM" if answer.exists() and json.loads(answer.read_text())["works"] else "software emulation"


def _round(folder: Path, driver: Driver, number: int) -> Round:
    deployment = vmp.load(folder / "vmpattern.toml")
    bake_s, again_s = (_seconds(lambda: vmp.bake(deployment)) for _ in range(2))
    image = max(driver.images(Selector(deployment.name)), key=lambda one: one.created_at)
    began = time.perf_counter()
    (row,) = driver.launch(_request(f"round-{number}", image.id)).created
    _first_answer(f"http://{row.address}/healthz")
    answer_s = time.perf_counter() - began
    place = folder / ".vmpattern/local/vms" / row.id
    process = Path("/proc", (place / "pid").read_text().strip())
    used = process.joinpath("stat").read_text().rpartition(")")[2].split()
    pages = int(process.joinpath("statm").read_text().split()[1])
    found = Round(
        bake_s=bake_s,
        again_s=again_s,
        answer_s=answer_s,
        cpu_s=(int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK"),
        resident_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        overlay_mib=_disk_mib(place),
        image_mib=_disk_mib(folder / ".vmpattern/local/images" / image.id),
    )
    _end(driver, row)
    return found


def _request(key: str, image: ImageId) -> LaunchRequest:
    return LaunchRequest(
        key=LaunchKey(key),
        count=1,
        deployment="hello",
        fleet="measured",
        revision=Revision("r"),
        zone="local",
        machine_type="tiny",
        market=vmp.Market.ON_DEMAND,
        image=image,
        port=8080,
        env={"GREETING": "Hello from"},
    )


def _first_answer(url: str) -> None:
    began = time.monotonic()
    while True:
        passed_s = time.monotonic() - began
        try:
            # A VM's port takes connections before its service does, and the wait for one of these is part of the
            # figure: at most a tenth of it.
            with urllib.request.urlopen(url, timeout=max(0.4, passed_s / 10)):
                return
        except OSError:
            if passed_s > LONGEST_S:
                raise
            time.sleep(PAUSE_S)


def _end(driver: Driver, *rows: vmp.Instance) -> None:
    driver.terminate([row.id for row in rows])
    driver.close()  # waits for its end


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _disk_mib(folder: Path) -> float:
    """Return what a folder takes by itself: a kernel that is a second name of its base's takes nothing."""
    found = [path.stat() for path in folder.iterdir()]
    return sum(one.st_blocks * 512 for one in found if one.st_nlink == 1) / 2**20
