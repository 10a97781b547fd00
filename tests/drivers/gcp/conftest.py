"""An emulator for each test, which has to be asked and to answer as Google's documents say."""

from collections.abc import Generator
from pathlib import Path

import pytest
from gce.clouds import driver
from gce.emulator import Emulator
from gce.serving import served

from vmpattern_gcp import GcpDriver


@pytest.fixture
def emulator() -> Generator[Emulator]:
    emulator = Emulator()
    yield emulator

    assert [] == emulator.violations


@pytest.fixture
def url(emulator: Emulator) -> Generator[str]:
    with served(emulator) as url:
        yield url


@pytest.fixture
def gcp(emulator: Emulator, url: str, tmp_path: Path) -> Generator[GcpDriver]:
    made = driver(emulator, url)
    yield made
    made.close()
