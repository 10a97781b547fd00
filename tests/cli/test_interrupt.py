"""Signals on a terminal: the first lets what is in flight end, the second leaves at once; both have their status."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="there are terminals on POSIX only")

PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have it ignored
sys.path.insert(0, sys.argv[1])
import cli_values as values
from vmpattern.cli.run import run
from vmpattern.model import EventKind, Result

class Slow(values.Stub):
    def apply(self, plan, *, on_event, stop):
        on_event(values.event(EventKind.LAUNCHED, 0, "i-new0"))
        while not stop():
            time.sleep(0.05)
        time.sleep(float(sys.argv[2]))
        return values.outcome(Result.INTERRUPTED, remaining=("1 launch without an answer",))

sys.exit(run(sys.argv[3:], engine=Slow(values.rolling(), RuntimeError())))
"""


class Terminal:
    """A process whose standard input, output and error are a terminal of 80 columns; `text` is what it showed."""

    def __init__(self, folder: Path, lasts_s: float, *words: str) -> None:
        (folder / "vmpattern.toml").touch()
        self.ours, theirs = pty.openpty()
        command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(lasts_s), *words]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.text = ""

    @property
    def plain(self) -> str:
        """What was shown, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text)

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + 20
        while words not in self.plain:
            assert time.monotonic() < deadline, self.text
            self.read()

    def read(self) -> bool:
        if not select.select([self.ours], [], [], 20)[0]:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"nothing more came after: {self.text}")
        try:
            data = os.read(self.ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def interrupt(self, number: int = signal.SIGINT, *, times: int = 1) -> None:
        """Send a signal; a reader of lines may miss one that comes just before it waits, as on any terminal."""
        for _ in range(times):
            self.process.send_signal(number)
            try:
                self.process.wait(0.5 if times > 1 else 0)
                return
            except subprocess.TimeoutExpired:
                continue

    def end(self) -> int:
        while self.read():
            pass
        os.close(self.ours)
        return self.process.wait(20)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_lets_what_is_in_flight_end(number: int, status: int, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 0.3, "apply", "--yes")
    terminal.wait_for("i-new0")
    terminal.interrupt(number)
    terminal.wait_for("Stopping: what is in flight is let end")

    assert terminal.end() == status
    assert "Interrupted in 6 min 12 s" in terminal.plain
    assert "1 launch without an answer" in terminal.plain


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_leaves_at_once_and_gives_the_cursor_back(number: int, status: int, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 60, "apply", "--yes")
    terminal.wait_for("i-new0")
    terminal.interrupt()
    terminal.wait_for("Stopping")
    terminal.interrupt(number)

    assert terminal.end() == status
    assert "Left at once" in terminal.plain
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")


def test_a_terminal_that_is_closed_lets_the_apply_come_to_its_end(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 0.3, "apply", "--yes")
    terminal.wait_for("i-new0")
    terminal.interrupt(signal.SIGHUP)
    os.close(terminal.ours)

    assert 129 == terminal.process.wait(20)


@pytest.mark.parametrize(("answer", "status"), [("yes", 130), ("no", 1), ("", 1)])
def test_the_question_is_asked_on_the_terminal(answer: str, status: int, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 0, "apply")
    terminal.wait_for("Type yes to go ahead")
    os.write(terminal.ours, f"{answer}\n".encode())
    if status == 130:
        terminal.wait_for("i-new0")
        terminal.interrupt()

    assert terminal.end() == status


def test_an_interrupted_question_changes_nothing(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 0, "destroy")
    terminal.wait_for("Type shop-prod to go ahead")
    terminal.interrupt(times=10)

    assert terminal.end() == 130
    assert "nothing was changed" in terminal.plain
