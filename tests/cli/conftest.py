"""What the tests of the command line share: golden files, and a way to run commands."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for cli_values: pytest's importlib mode puts no folder there

UPDATE = "VMPATTERN_UPDATE_GOLDEN"


@pytest.fixture
def golden():
    """Compare a text with a file in golden/; the environment variable VMPATTERN_UPDATE_GOLDEN=1 writes it instead."""

    def check(name: str, text: str) -> None:
        path = HERE / "golden" / name
        text = "".join(line.rstrip() + "\n" for line in text.splitlines())
        if os.environ.get(UPDATE):
            path.write_text(text, "utf-8")

        assert path.read_text("utf-8") == text, f"{UPDATE}=1 writes {path.name} anew"

    return check
