"""Where a simulated world lives: in this process, or in a file that several processes share.

An effect is in the file before the verb that had it returns. What only reading and waiting change (the clock, the
request budgets) is written with the next effect, or at the end: a crash may lose time, never an instance.
"""

import errno
import hashlib
import json
import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Protocol, cast

import attrs
import filelock

from vmpattern.errors import Denied, DriverError, Invalid, Scope, ScopeKind, Transient
from vmpattern.model.jsontext import parse_json
from vmpattern.simulation import EPOCH, SimulatedCloud

FORMAT = "vmpattern-memory"
VERSION = 1
WAIT_S = 60.0

_CLOUD = Scope(ScopeKind.CLOUD)


class Keeper(Protocol):
    """Gives access to the world, one caller at a time."""

    generation: int
    """Counts how often another process's world took the place of the one at hand."""

    @contextmanager
    def reading(self) -> Generator[SimulatedCloud]:
        """Lend the world for something that has no effect on instances."""
        ...

    @contextmanager
    def changing(self) -> Generator[SimulatedCloud]:
        """Lend the world for an effect, which is kept when the block is left, even by an error."""
        ...

    def now(self) -> float:
        """Return the moment of the world at hand, of a new world where none can be had; never less than before."""
        ...

    def close(self) -> None:
        """Keep the time that has passed, if that can be kept."""
        ...


class ProcessKeeper:
    """Keeps a world in the memory of this process."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        self.generation = 0
        self._cloud = cloud

    @contextmanager
    def reading(self) -> Generator[SimulatedCloud]:
        yield self._cloud

    changing = reading

    def now(self) -> float:
        return self._cloud.clock.now()

    def close(self) -> None:
        pass


@attrs.frozen
class _Mark:
    """What tells one content of the file from another: the file as the system sees it, and its first line."""

    inode: int
    mtime_ns: int
    size: int
    head: bytes


class FileKeeper:
    """Keeps a world in a JSON file: locked while in use, checked when read, replaced as a whole when written."""

    def __init__(
        self, path: Path, *, new: Callable[[], SimulatedCloud], load: Callable[[Mapping[str, object]], SimulatedCloud]
    ) -> None:
        self.generation = 0
        self._path = path
        self._new = new
        self._load = load
        self._cloud: SimulatedCloud | None = None
        self._seen_at = EPOCH
        self._mark: _Mark | None = None
        self._unsaved = False
        self._lockable = False
        self._threads = threading.RLock()
        self._processes = filelock.FileLock(f"{path}.lock", thread_local=False)

    @contextmanager
    def reading(self) -> Generator[SimulatedCloud]:
        with self._threads, self._held():
            cloud = self._fresh()
            self._unsaved = True
            yield cloud

    @contextmanager
    def changing(self) -> Generator[SimulatedCloud]:
        with self._threads, self._held():
            cloud = self._fresh()
            try:
                yield cloud
            finally:
                self._write(cloud)

    def now(self) -> float:
        # Asked all the time: doesn't look at the file, whose news come with the next verb.
        with self._threads:
            if self._cloud is None:
                with suppress(DriverError), self.reading():  # why it can't be read is for the verbs to say
                    pass
            if self._cloud is not None:
                self._seen_at = max(self._seen_at, self._cloud.clock.now())
            return self._seen_at

    def close(self) -> None:
        with self._threads:
            if self._unsaved:
                with suppress(DriverError), self.changing():  # only time is lost, as by a crash
                    pass

    @contextmanager
    def _held(self) -> Generator[None]:
        try:
            if not self._lockable:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._marked()  # nothing is left beside what can't be a world
                with open(self._processes.lock_file, "ab"):
                    self._lockable = True  # where no file can be made, the lock would be waited for in vain
            self._processes.acquire(timeout=WAIT_S)
        except filelock.Timeout:
            raise Transient(f"another process has held {self._path} for {WAIT_S:g} s", scope=_CLOUD) from None
        except OSError as error:
            raise _failure(self._path, error) from error
        try:
            yield
        finally:
            self._processes.release()

    def _fresh(self) -> SimulatedCloud:
        """Return the world as the file has it; the one at hand, if the file hasn't changed since."""
        mark = self._marked()
        if self._cloud is not None and mark == self._mark:
            return self._cloud
        cloud = self._new() if mark is None else self._read()
        if self._cloud is not None:
            # The clock never goes back, whatever another process has written.
            cloud.advance(self._cloud.clock.now())
            self.generation += 1
        self._cloud, self._mark = cloud, mark
        return cloud

    def _marked(self) -> _Mark | None:
        try:
            with open(self._path, "rb", opener=_without_waiting) as file:
                stat = os.fstat(file.fileno())
                if not S_ISREG(stat.st_mode):
                    raise Invalid(f"{self._path} can't be used: it isn't a regular file", scope=_CLOUD, field="path")
                return _Mark(stat.st_ino, stat.st_mtime_ns, stat.st_size, file.read(len(_head("0" * 64))))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure(self._path, error) from error

    def _read(self) -> SimulatedCloud:
        try:
            return self._load(_checked(self._path.read_bytes()))
        except (ValueError, RecursionError) as error:
            raise Invalid(
                f"{self._path} is damaged: {error}. It was left as it is. Put back a copy of it, or move it away "
                "to start with an empty simulated cloud",
                field="path",
                scope=_CLOUD,
            ) from error
        except OSError as error:
            raise _failure(self._path, error) from error

    def _write(self, cloud: SimulatedCloud) -> None:
        body = _dumped(cloud.to_json())
        head = _head(hashlib.sha256(body).hexdigest())
        # One name will do, since whoever writes holds the lock; what a crash leaves there is overwritten.
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(head + body + b"}\n")
                file.flush()
                os.fsync(file.fileno())
                stat = os.fstat(file.fileno())
            os.replace(new, self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            self._cloud = self._mark = None
            raise _failure(self._path, error) from error
        self._mark = _Mark(stat.st_ino, stat.st_mtime_ns, stat.st_size, head)
        self._unsaved = False


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe without a writer would be waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _head(checksum: str) -> bytes:
    return f'{{"format": "{FORMAT}", "version": {VERSION}, "sha256": "{checksum}", "world":\n'.encode()


def _dumped(world: object) -> bytes:
    return json.dumps(world, separators=(",", ":")).encode()


def _checked(content: bytes) -> Mapping[str, object]:
    try:
        document: object = parse_json(content)
    except ValueError as error:
        raise ValueError(f"it isn't JSON ({error})") from None
    document = _table(document)
    if document.get("format") != FORMAT:
        raise ValueError("it isn't the file of a simulated cloud")
    if document.get("version") != VERSION:
        raise ValueError(f"it is of version {document.get('version')}, and this vmpattern reads version {VERSION}")
    world = _table(document.get("world"))
    if "sha256" in document and hashlib.sha256(_dumped(world)).hexdigest() != document["sha256"]:
        raise ValueError("its content doesn't match its checksum")
    return world


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failure(path: Path, error: OSError) -> DriverError:
    text = f"{path} can't be used: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(text, scope=_CLOUD, field="path")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
        return Invalid(text, scope=_CLOUD, field="path")
    return Transient(text, scope=_CLOUD, field="path")
