"""The cloud behind the driver: a folder that several processes share, with a folder in it for each process that runs.

It stands for a provider's API: it knows labels, but nothing of vmpattern, and fails with `OSError`.
"""

import enum
import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import attrs
import cattrs
import filelock

from vmpattern_example import supervisor
from vmpattern_example.supervisor import ENDING, RECORD, remove

CONSOLE, ALIVE, WATCHED = "console.log", "alive", "watched"
LOCK_S = 10.0
START_S = 2.0


class State(enum.Enum):
    """How far a process has come."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    ENDING = "ending"
    GONE = "gone"


@attrs.frozen(kw_only=True)
class Process:
    """A process as it was asked for. Only one at a time has a `name`, none ever has the same `id`."""

    id: str
    name: str
    labels: Mapping[str, str]
    zone: str
    image: str
    request: str
    address: str
    started_at: float
    state: State = State.CREATED


class Host:
    """The cloud in a `folder`. Every change is made by who holds the lock of `alone`; reading needs none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Generator[None]:
        """Keep every other process and thread from changing anything meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = filelock.FileLock(self.folder / ".lock", timeout=LOCK_S).acquire()
        except filelock.Timeout:
            raise BlockingIOError(errno.EAGAIN, f"another process changes {self.folder}") from None
        with lock:
            # What was to end and whose supervisor was killed meanwhile, perhaps with the whole machine.
            for process in self.processes():
                if process.state is State.GONE:
                    remove(self.folder / process.name)
            yield

    def processes(self) -> tuple[Process, ...]:
        """List all there are."""
        found = (self._read(path.parent) for path in sorted(self.folder.glob(f"[!.]*/{RECORD}")))
        return tuple(process for process in found if process is not None)

    def create(self, process: Process, command: str, env: Mapping[str, str], *, grace_s: float) -> None:
        """Make a process, with its labels, in one step, and start it; where that fails there is none.

        Raises:
            FileExistsError: the name is taken.
        """
        folder, new = self.folder / process.name, self.folder / f".new-{process.name}"
        remove(new)
        new.mkdir()
        _write(new / RECORD, process)
        if folder.exists():
            raise FileExistsError(errno.EEXIST, f"there is a {process.name}")
        new.rename(folder)
        try:
            self.start(process.name, command, env, grace_s=grace_s)
        except OSError:
            self.end(process.name)
            raise

    def start(self, name: str, command: str, env: Mapping[str, str], *, grace_s: float) -> None:
        """Start a process that was created, under a supervisor, which holds its locks from the beginning."""
        folder = self.folder / name
        with (folder / ALIVE).open("wb") as alive, (folder / WATCHED).open("wb") as watched:
            fcntl.flock(alive, fcntl.LOCK_EX)
            fcntl.flock(watched, fcntl.LOCK_EX)
            call = [sys.executable, "-I", "-S", supervisor.__file__, command, str(grace_s), str(alive.fileno())]
            with (folder / CONSOLE).open("ab") as console:
                _run(call, cwd=folder, env=env, output=console, holding=[alive, watched])

    def end(self, name: str) -> None:
        """Ask for the end of a process: its supervisor sees to it, or there is nothing left to do but tidy up.

        Raises:
            PermissionError: the supervisor was killed, and the process lives on.
        """
        folder = self.folder / name
        if not folder.exists():
            return
        (folder / ENDING).touch()
        if _is_held(folder / WATCHED):
            return
        if _is_held(folder / ALIVE):
            raise PermissionError(errno.EPERM, f"nobody supervises {name}: end those who hold {folder / ALIVE} open")
        remove(folder)

    def label(self, process: Process, labels: Mapping[str, str]) -> None:
        """Set labels; an empty value removes one."""
        folder = self.folder / process.name
        kept = {name: value for name, value in {**process.labels, **labels}.items() if value}
        if folder.exists():
            _write(folder / RECORD, attrs.evolve(process, labels=kept))

    def console(self, name: str) -> str:
        """Return what a process printed."""
        return (self.folder / name / CONSOLE).read_text("utf-8", errors="replace")

    def _read(self, folder: Path) -> Process | None:
        try:
            record = (folder / RECORD).read_bytes()
            state = _state(folder)
        except FileNotFoundError:
            return None
        try:
            return attrs.evolve(cattrs.structure(json.loads(record), Process), state=state)
        except (ValueError, cattrs.BaseValidationError) as error:
            raise OSError(errno.EBADMSG, f"{folder / RECORD} is damaged") from error


def _state(folder: Path) -> State:
    alive = _is_held(folder / ALIVE)
    if (folder / ENDING).exists():
        return State.ENDING if alive else State.GONE
    if alive:
        return State.RUNNING
    return State.EXITED if (folder / CONSOLE).exists() else State.CREATED


def _run(
    call: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: IO[bytes], holding: Sequence[IO[bytes]]
) -> None:
    """Run what takes leave at once and goes on in the background, with these files open."""
    files = [file.fileno() for file in holding]
    try:
        done = subprocess.run(
            call,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=files,
            timeout=START_S,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(errno.ETIMEDOUT, f"the supervisor of {cwd.name} gave no answer") from None
    if done.returncode:
        raise BlockingIOError(errno.EAGAIN, f"the supervisor of {cwd.name} couldn't go on in the background")


def _is_held(file: Path) -> bool:
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _write(file: Path, process: Process) -> None:
    """Write a record as a whole: whoever reads finds the old one or the new one."""
    new = file.with_suffix(".new")
    with new.open("w", encoding="utf-8") as stream:
        json.dump(cattrs.unstructure(process), stream)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
