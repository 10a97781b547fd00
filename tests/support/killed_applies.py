"""Commands that are killed at any moment, and begun again: what the tests of drivers that talk to a server share."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

LONGEST_S = 900.0
TRIES = 5


@attrs.frozen
class Scale:
    """How large a fleet is, how many more there may be, and about how long its update works once it has looked."""

    size: int
    surge: int
    work_s: float


class Lane:
    """A fleet of its own, and the commands that work on it. `written` returns the file that asks for an image."""

    def __init__(self, folder: Path, written: Callable[[str], str], environ: Mapping[str, str]) -> None:
        self._file = folder / "vmpattern.toml"
        self._written = written
        self._environ = {**os.environ, **environ, "XDG_STATE_HOME": str(folder)}

    def complete(self, image: str) -> None:
        """Bring the fleet to an image, by one command that could read its cloud.

        On a machine that is busy with other things a server may not answer in time; then nothing is changed.
        """
        for _ in range(TRIES):
            told, complained = self._carried_out(image)
            if "Nothing was changed" not in complained:
                break
        assert json.loads(told or "{}").get("outcome") in ("complete", "nothing"), told + complained

    def _carried_out(self, image: str) -> tuple[str, str]:
        with self._begin(image) as process:
            try:
                return process.communicate(timeout=LONGEST_S)
            finally:
                process.kill()

    def kill(self, image: str, seconds: float) -> bool:
        """Begin to bring the fleet to an image, kill that after so many seconds, and tell whether it was at work."""
        process = self._begin(image)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
        return False

    def _begin(self, image: str) -> "subprocess.Popen[str]":
        self._file.write_text(self._written(image))
        command = [sys.executable, "-W", "ignore", "-m", "vmpattern", "-f", str(self._file), "apply", "--yes", "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._environ)


@attrs.frozen
class Found:
    """How many of the kills hit a command at work, and what was amiss after the command that followed."""

    hits: int
    amiss: tuple[str, ...]


def killed(
    lane: Lane,
    images: Sequence[str],
    *,
    rounds: int,
    settle_s: float,
    work_s: float,
    seed: int,
    amiss: Callable[[str], Iterable[str]],
) -> Found:
    """Kill so many updates of a fleet, each at a moment of its own, and complete each by one more command.

    Args:
        settle_s: so long a command looks before it changes anything; it is killed within `work_s` after that.
        amiss: yields what isn't as it should be once the fleet was brought to an image.
    """
    draw, hits, found = random.Random(seed), 0, list[str]()
    lane.complete(images[0])
    for number in range(rounds):
        image = images[(number + 1) % len(images)]
        moment = settle_s + draw.uniform(0.0, work_s)
        hits += lane.kill(image, moment)
        lane.complete(image)
        found += [f"seed {seed}, kill {number} after {moment:.1f} s: {one}" for one in amiss(image)]
    return Found(hits, tuple(found))


def side_by_side(lanes: int, run: Callable[[int], Found]) -> Found:
    """Run several lanes at the same time, and add up what they found."""
    with ThreadPoolExecutor(lanes) as pool:
        found = list(pool.map(run, range(lanes)))
    return Found(sum(one.hits for one in found), tuple(text for one in found for text in one.amiss))
