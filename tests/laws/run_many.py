"""Plays many random schedules, each by its seed alone, and sums up:  python tests/laws/run_many.py --runs 100000

A schedule that breaks a law is named by its seed:  python tests/laws/run_many.py --seed 4711 --runs 1 --verbose
"""

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "drivers"), str(ROOT / "tests" / "support")]

from lawbook.choices import Seeded  # noqa: E402
from lawbook.drawing import schedule  # noqa: E402
from lawbook.features import Coverage, features  # noqa: E402
from lawbook.onlooker import Onlooker  # noqa: E402
from lawbook.playing import play  # noqa: E402

CHUNK = 250
TOLD_EVERY = 10_000
"""After so many schedules it says how far it is."""

MOST_CPU_S = 10.0
"""A schedule that takes longer stands still."""


class StandsStill(BaseException):
    """Raised into a schedule that takes too long; nothing may catch it."""


def _interrupt(number: int, frame: object) -> None:
    raise StandsStill(traceback.format_stack(frame))  # type: ignore[arg-type]


@attrs.define
class Tally:
    """What happened in some schedules: counts of everything, and the seeds that broke a law."""

    counts: Counter[str] = attrs.field(factory=Counter)
    results: Counter[str] = attrs.field(factory=Counter)
    coverage: Coverage = attrs.field(factory=Coverage)
    broken: dict[int, list[str]] = attrs.field(factory=dict)
    cpu_s: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.results += other.results
        self.coverage.merge(other.coverage)
        self.broken |= other.broken
        self.cpu_s += other.cpu_s
        self.slowest = max(self.slowest, other.slowest)


def tally(seeds: range) -> Tally:
    """Play one schedule for each seed; every tenth has an onlooker who checks each decision."""
    total = Tally()
    for seed in seeds:
        began = time.process_time()
        total.broken |= {seed: broken} if (broken := _play(seed, total)) else {}
        took = time.process_time() - began
        total.cpu_s += took
        total.slowest = max(total.slowest, (took, seed))
    return total


def _play(seed: int, total: Tally) -> list[str]:
    drawn = schedule(Seeded(seed))
    onlooker = Onlooker()
    signal.signal(signal.SIGVTALRM, _interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_CPU_S)
    try:
        played = play(drawn, decider=onlooker) if seed % 10 == 0 else play(drawn)
    except (Exception, StandsStill):
        return [f"raised: {traceback.format_exc()}"]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    total.counts.update(
        schedules=1,
        applies=sum(played.results.values()),
        events=played.events,
        calls=played.calls,
        launches=played.launches,
        terminations=played.terminations,
        crashes=played.crashes,
        decisions_checked=onlooker.decisions,
    )
    total.results += played.results
    total.coverage.add(features(drawn))
    return played.broken + onlooker.broken


def chunks(seed: int, runs: int) -> Iterator[range]:
    for begin in range(seed, seed + runs, CHUNK):
        yield range(begin, min(begin + CHUNK, seed + runs))


def tell_progress(total: Tally, runs: int) -> None:
    played = total.counts["schedules"]
    if played % TOLD_EVERY < CHUNK and played < runs:
        print(f"{played:,} of {runs:,}, {len(total.broken)} broken", file=sys.stderr, flush=True)


def summary(total: Tally, wall_s: float) -> str:
    ms = total.cpu_s * 1000 / max(1, total.counts["schedules"])
    rows = [
        *((word.replace("_", " "), f"{count:,}") for word, count in total.counts.items()),
        ("ends", ", ".join(f"{word} {count:,}" for word, count in sorted(total.results.items()))),
        ("slowest", f"{total.slowest[0] * 1000:.0f} ms (seed {total.slowest[1]})"),
        ("time", f"{wall_s:.0f} s, {ms:.1f} ms of CPU a schedule"),
        ("broken laws", f"{len(total.broken):,}"),
    ]
    table = [f"{word:24}{text}" for word, text in rows]
    return "\n".join([*table, "share of schedules that drew", *total.coverage.lines()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="how many schedules (1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed; the others follow (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--stop-after", type=int, default=0, help="stop after so many broken ones (0: never)")
    parser.add_argument("--verbose", action="store_true", help="print the schedules that broke a law")
    asked = parser.parse_args()
    total, began = Tally(), time.monotonic()
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        parts = pool.map(tally, chunks(asked.seed, asked.runs)) if asked.jobs > 1 else None
        for part in parts or map(tally, chunks(asked.seed, asked.runs)):
            total.add(part)
            for seed, broken in part.broken.items():
                print(f"seed {seed}: {broken[0]}", flush=True)
            tell_progress(total, asked.runs)
            if asked.stop_after and len(total.broken) >= asked.stop_after:
                pool.shutdown(cancel_futures=True)
                break
    print(summary(total, time.monotonic() - began))
    if asked.verbose:
        for seed, broken in total.broken.items():
            print(f"\nseed {seed}: {schedule(Seeded(seed))}", *broken, sep="\n  ")
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
