"""Forecasting a fleet of which everything is out of date, beside Terraform planning as many replacements.

Each figure is from a process of its own. `plan` is the CPU time of the call within it; the process has, besides, to
start Python, to import, to calibrate, and to make up what was observed. Terraform's state is made with `apply`
beforehand, with Terraform's built-in `terraform_data`, so it needs no provider and no network.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import worlds
from benchmarks.spending import (
    Deadline,
    Failed,
    Spent,
    TookTooLong,
    best_and_median,
    calibration_s,
    cpu_s,
    in_child,
    run,
)
from benchmarks.tables import Cell, Report, Table
from vmpattern.forecast import plan

SIZES = (100, 1_000, 3_000, 10_000)
ROUNDS = 3
BALANCED = (100, 1_000, 3_000)

RESOURCES = """
variable "revision" { type = string }
variable "size" { type = number }
resource "terraform_data" "vm" {
  count            = var.size
  input            = "web-${count.index}"
  triggers_replace = [var.revision]
}
"""


def sample(size: int, *, balanced: bool = False) -> dict[str, float]:
    """Forecast one fleet; return the CPU seconds of it, of the calibration around it, and how many steps it has."""
    deployment, observation = worlds.deployment(size, balanced=balanced), worlds.outdated(size, balanced=balanced)
    plans = []
    before = calibration_s()
    taken = cpu_s(lambda: plans.append(plan(deployment, observation)))
    return {"cpu_s": taken, "calibration_s": (before + calibration_s()) / 2, "steps": len(plans[0].steps)}


def balanced(size: int) -> dict[str, float]:
    """Forecast one fleet behind a balancer."""
    return sample(size, balanced=True)


def report(deadline: Deadline) -> Report:
    """Measure every size by turns with Terraform, as long as there is time."""
    binary = shutil.which("terraform")
    ours: list[list[Cell]] = []
    theirs: list[list[Cell]] = []
    troubles: list[str] = []
    samples: dict[str, object] = {}
    for size in SIZES:
        forecasts: list[tuple[Spent, dict[str, float]]] = []
        plans: list[Spent] = []
        with _terraform(binary, size, deadline) as terraform:
            for _ in range(ROUNDS):
                if deadline.is_over() and forecasts:
                    break
                forecasts.append(in_child(sample, size, timeout_s=max(60.0, deadline.left_s())))
                plans += terraform.replaced(deadline)
        ours.append(_row(size, forecasts))
        theirs.append([size, *_compared([spent for spent, _ in forecasts], plans)])
        troubles += [f"{size:,} instances: {terraform.trouble}."] if terraform.trouble else []
        samples[str(size)] = {
            "plan": [found for _, found in forecasts],
            "process": [[spent.wall_s, spent.cpu_s, spent.peak_mib] for spent, _ in forecasts],
            "terraform": [[spent.wall_s, spent.cpu_s, spent.peak_mib] for spent in plans],
        }
    behind = [_row(size, [in_child(balanced, size, timeout_s=max(60.0, deadline.left_s()))]) for size in BALANCED]
    tables = [_forecasts(ours), _behind(behind), _beside(theirs, troubles)]
    return Report("plan", tables, samples)


COLUMNS = ["instances", "CPU s, best", "median", "ms an instance", "CPU / calibration", "calibration s", "steps"]


def _behind(rows: list[list[Cell]]) -> Table:
    return Table(
        "plan: the same behind a balancer",
        [*COLUMNS, "peak MiB"],
        rows,
        "Each replacement registers a new member and drains an old one besides; one round each.",
    )


def _forecasts(rows: list[list[Cell]]) -> Table:
    return Table(
        "plan: everything out of date, surge 1",
        [*COLUMNS, "peak MiB"],
        rows,
        "The calibration is a fixed loop of pure Python in the same process: its time tells how fast the machine was "
        "at that moment, and the quotient hardly depends on it. Peak memory is that of the whole process.",
    )


def _beside(rows: list[list[Cell]], troubles: list[str]) -> Table:
    columns = ["instances", "vmpattern CPU s", "MiB", "terraform CPU s", "wall s", "MiB", "times the CPU"]
    return Table(
        "plan beside Terraform: whole processes, best of several in turns",
        columns,
        rows,
        " ".join(
            [
                "Terraform plans to replace as many `terraform_data` resources. It computes a difference; vmpattern "
                "plays the whole rollout through. Neither talks to a cloud here. The process of vmpattern also starts "
                "Python, imports, calibrates and makes up what was observed.",
                *troubles,
            ]
        ),
    )


def _row(size: int, forecasts: list[tuple[Spent, dict[str, float]]]) -> list[Cell]:
    best, middle = best_and_median([found["cpu_s"] for _, found in forecasts])
    quotient, _ = best_and_median([found["cpu_s"] / found["calibration_s"] for _, found in forecasts])
    calibration = min(found["calibration_s"] for _, found in forecasts)
    peak = max(spent.peak_mib for spent, _ in forecasts)
    return [size, best, middle, best / size * 1000, quotient, calibration, int(forecasts[0][1]["steps"]), peak]


def _compared(ours: list[Spent], theirs: list[Spent]) -> list[Cell]:
    cpu, peak = min(spent.cpu_s for spent in ours), max(spent.peak_mib for spent in ours)
    if not theirs:
        return [cpu, peak, None, None, None, None]
    other = min(spent.cpu_s for spent in theirs)
    return [cpu, peak, other, min(one.wall_s for one in theirs), max(one.peak_mib for one in theirs), other / cpu]


class _Terraform:
    """A folder with a state of so many resources; `trouble` says why there is no figure."""

    def __init__(self, binary: str, folder: Path, size: int) -> None:
        self._binary, self._folder, self._size = binary, folder, size
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        self._env |= {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": str(folder / "empty.rc")}
        self.trouble = ""

    def make(self, deadline: Deadline) -> None:
        """Bring the resources into being."""
        self._folder.joinpath("empty.rc").touch()
        self._folder.joinpath("main.tf").write_text(RESOURCES, encoding="utf-8")
        self._run(deadline, "init")
        self._run(deadline, "apply", "-auto-approve", *self._of("1"))

    def replaced(self, deadline: Deadline) -> list[Spent]:
        """Plan the replacement of all; nothing when that takes too long."""
        return [] if self.trouble else self._run(deadline, "plan", *self._of("2"))

    def _of(self, revision: str) -> list[str]:
        return ["-input=false", f"-var=revision={revision}", f"-var=size={self._size}"]

    def _run(self, deadline: Deadline, *arguments: str) -> list[Spent]:
        if self.trouble:
            return []
        command = [self._binary, *arguments, "-no-color"]
        try:
            return [run(command, timeout_s=max(1.0, deadline.left_s()), folder=self._folder, env=self._env)[0]]
        except TookTooLong:
            self.trouble = f"terraform {arguments[0]} got no further in the time that was left (--seconds)"
        except Failed as error:
            self.trouble = f"terraform {arguments[0]} failed: {error}"
        return []


@contextmanager
def _terraform(binary: str | None, size: int, deadline: Deadline) -> Iterator[_Terraform]:
    with tempfile.TemporaryDirectory() as folder:
        terraform = _Terraform(binary or "", Path(folder), size)
        if binary is None:
            terraform.trouble = "skipped: no terraform on PATH"
        else:
            terraform.make(deadline)
        yield terraform
