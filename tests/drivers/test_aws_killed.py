"""An apply that is killed at any moment, again and again, and then let be: the fleet is whole, nothing is twice."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from aws_cloud.serving import Cloud
from aws_kit import aws

from vmpattern.driver import Selector

SUPPORT = Path(__file__).resolve().parents[1] / "support"
IMAGES = ("ami-0de0000000000001a", "ami-0de0000000000002a")
CHANGING = ("RunInstances", "TerminateInstances")


def applying(cloud: Cloud, image: str, size: int, folder: Path, patience: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", str(SUPPORT / "aws_apply.py")]
    words = [cloud.url, image, str(size), str(folder), "killed", patience]
    return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def changes(cloud: Cloud) -> int:
    counts = cloud.ask("counts")
    return sum(counts.get(name, 0) for name in CHANGING)


def killed(cloud: Cloud, image: str, size: int, folder: Path, patience: str, chance: random.Random) -> bool:
    """Start an apply, and kill it at a random moment: before, while or after it changes something.

    Half of the moments are counted from the first change, or few would hit one. Returns whether it was still at work.
    """
    before, process = changes(cloud), applying(cloud, image, size, folder, patience)
    end = time.monotonic() + 120
    if chance.random() < 0.7:
        while process.poll() is None and changes(cloud) == before and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 1.5))
    else:
        time.sleep(chance.uniform(0.0, 4.0))
    at_work = process.poll() is None
    process.kill()
    process.communicate()
    return at_work


def done(cloud: Cloud, image: str, size: int, folder: Path, patience: str) -> None:
    with applying(cloud, image, size, folder, patience) as process:
        told, _ = process.communicate(timeout=900)
    assert 0 == process.returncode, told


@pytest.mark.parametrize(
    ("kills", "size", "patience"),
    [
        pytest.param(4, 6, "2s", id="a few times"),
        pytest.param(50, 100, "10s", id="fifty times", marks=pytest.mark.long),
    ],
)
def test_a_killed_rollout_ends_whole_after_one_more_apply(
    aws_cloud: Cloud, tmp_path: Path, kills: int, size: int, patience: str
) -> None:
    chance = random.Random(20261126)
    done(aws_cloud, IMAGES[0], size, tmp_path, patience)
    hits = 0
    for number in range(kills):
        hits += killed(aws_cloud, IMAGES[(number // 5 + 1) % 2], size, tmp_path, patience, chance)
    wanted = IMAGES[(kills // 5) % 2]
    done(aws_cloud, wanted, size, tmp_path, patience)
    live = [row for row in aws(aws_cloud).instances(Selector("killed")) if row.phase.is_live]

    assert hits > kills // 2
    assert {(wanted, "us-east-1a"): size // 2, (wanted, "us-east-1b"): size // 2} == Counter(
        (row.image, row.zone) for row in live
    )
    assert 1 == len({row.revision for row in live})
