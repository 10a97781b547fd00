"""What the tests of the command line share: golden files, and a way to run commands."""

import json
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner

from vmpattern.cli.engine import Engine
from vmpattern.cli.run import run

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for cli_values: pytest's importlib mode puts no folder there

UPDATE = "VMPATTERN_UPDATE_GOLDEN"


@pytest.fixture(autouse=True)
def _hears_ctrl_c() -> Generator[None, None, None]:
    """Leave Ctrl-C to pytest: a command that was interrupted ignores it from then on."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


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


@attrs.frozen
class Ran:
    """What a command line did: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict:
        """The one JSON document of standard output."""
        return json.loads(self.out)


class _Program:
    """`run` in the form that click's runner calls."""

    name = "vmpattern"

    def __init__(self, engine: Engine | None) -> None:
        self.engine = engine

    def main(self, *, args: list[str], prog_name: str) -> None:
        sys.exit(run(args, engine=self.engine))


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command line in an empty folder, without a terminal, with `answer` on standard input."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, engine: Engine | None = None, answer: str = "") -> Ran:
        result = CliRunner().invoke(_Program(engine), list(words), input=answer)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return invoke
