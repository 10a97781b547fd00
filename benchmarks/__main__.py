"""Runs benchmarks by name, all when none is named: prints their tables, and writes NAME.json for each.

With --page, what all of them found is also written into a page, between its two marker lines.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from benchmarks.spending import Deadline
from benchmarks.tables import Report, machine

NAMES = ("plan", "rollout", "start", "memory", "decide", "local", "aws_calls", "gcp_calls", "openstack_calls")
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; default: all")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results"), metavar="FOLDER", dest="folder")
    parser.add_argument("--page", type=Path, metavar="FILE", help="a Markdown page to write all tables into")
    parser.add_argument("--seconds", type=float, default=180.0, help="time of each; what doesn't fit is left out")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(NAMES)):
        parser.error(f"there is no benchmark {unknown[0]}")
    if asked.page and asked.names:
        parser.error("a page takes the tables of all benchmarks: name none")
    names = asked.names or NAMES
    for name in names:
        # One process each: what one leaves in memory would be part of another's figures.
        alone = [sys.executable, "-m", "benchmarks", name, f"--json={asked.folder}", f"--seconds={asked.seconds}"]
        if len(names) == 1:
            measure(name, asked.folder, asked.seconds)
        else:
            subprocess.run(alone, check=True)
    if asked.page:
        write_page(asked.page, [Report.read(asked.folder, name) for name in names])


def measure(name: str, folder: Path, seconds: float) -> None:
    """Run one benchmark in this process."""
    report = _benchmark(name)(Deadline(seconds))
    print(report.markdown(), end="\n\n", flush=True)
    report.write(folder)


def write_page(page: Path, found: list[Report]) -> None:
    """Put the tables between the markers of a page.

    Raises:
        ValueError: the page doesn't have the two marker lines, each once.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the lines {BEGIN} and {END}")
    tables = "\n\n".join([f"Measured with: {machine()}.", *(report.markdown() for report in found)])
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")


def _benchmark(name: str) -> Callable[[Deadline], Report]:
    # Imported when it runs: a process that starts others must stay small, see `spending.Spent`.
    return cast("Callable[[Deadline], Report]", import_module(f"benchmarks.{name}").report)


if __name__ == "__main__":
    main()
