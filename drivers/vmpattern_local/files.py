"""Files that are there as a whole or not at all, locks that every process respects, and what an `OSError` means."""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TypeVar, cast

import cattrs
import filelock

from vmpattern.errors import Denied, DriverError, Invalid, QuotaExceeded, Transient
from vmpattern.model.jsontext import parse_json

LOCK_WAIT_S = 10.0
"""Whoever holds the lock does something short; who waits longer than this is told so."""

REMOVALS = 3
"""Number of times that a folder is removed into which something is still written."""

T = TypeVar("T")

_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


@contextlib.contextmanager
def told(what: str) -> Generator[None]:
    """Turn an `OSError` into the error that says what to do next."""
    try:
        yield
    except OSError as error:
        raise _failure(what, error) from error


def _failure(what: str, error: OSError) -> DriverError:
    text = f"{what}: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
    code = errno.errorcode.get(error.errno or 0, "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return QuotaExceeded(f"{text}; make room on that disk", code=code)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(text, code=code, field="path")
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG):
        return Invalid(text, code=code, field="path")
    return Transient(text, code=code)


def write(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads; whoever reads it sees the old or the new one."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def write_value(path: Path, value: object) -> None:
    """Write an attrs value as JSON, as `write` does."""
    write(path, json.dumps(_CONVERTER.unstructure(value), indent=1).encode())


def read_value(path: Path, kind: type[T]) -> T | None:
    """Read an attrs value; None if there is no such file.

    Raises:
        Invalid: the file is damaged; it stays as it is.
    """
    try:
        return _CONVERTER.structure(parse_json(path.read_bytes()), kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, cattrs.BaseValidationError) as error:
        text = f"{path} is damaged and was left as it is: put back a copy of it, or remove {path.parent} by hand"
        raise Invalid(text, code="Damaged", field="path") from error


def remove(folder: Path) -> None:
    """Remove a folder: under another name at once, so that no reader sees a part of it; success if it isn't there.

    A process that is being killed may still write into it meanwhile: then what it wrote is removed, too.
    """
    gone = folder.with_name(f".gone-{secrets.token_hex(6)}")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
        for left in reversed(range(REMOVALS)):
            try:
                shutil.rmtree(gone)
                break
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or not left:
                    raise


@contextlib.contextmanager
def locked(root: Path) -> Generator[None]:
    """Hold the lock of a folder against every other thread and process.

    Raises:
        Transient: somebody else has held it for too long.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = filelock.FileLock(root / "lock", timeout=LOCK_WAIT_S, is_singleton=False)
    try:
        with lock:
            yield
    except filelock.Timeout:
        raise Transient(f"another process has held {root / 'lock'} for {LOCK_WAIT_S:g} s", code="Locked") from None


def hold(path: Path) -> int:
    """Open a file and lock it, for as long as any process has the returned descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_held(path: Path) -> bool:
    """Tell whether a file is locked by `hold`; False if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def table(path: Path) -> Mapping[str, object]:
    """Read a JSON object that may be missing or damaged, where that only costs time."""
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else {}
