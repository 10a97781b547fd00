"""Files that people name: read only if they are files and not endless, written as a whole or not at all."""

import errno
import os
import stat
import tempfile
from pathlib import Path

MOST_BYTES = 2**28
"""No file that a person names may be larger: a plan of 100,000 instances takes some MiB."""


def read_text(path: Path, *, most: int = MOST_BYTES, pipes: bool = False) -> str:
    """Read a file as UTF-8 text.

    Args:
        pipes: whether it may be a pipe, too, as in `vmpattern apply <(...)`.

    Raises:
        OSError: it can't be read, is a folder or neither a file nor a pipe, or is too large.
        UnicodeDecodeError: it isn't UTF-8.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode) and not (pipes and stat.S_ISFIFO(mode)):
        raise OSError(errno.EINVAL, "it isn't a regular file", str(path))
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content.decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write a file for its owner's eyes only; whoever reads `path` sees the old file or the new one, whole.

    Raises:
        OSError: it can't be written; nothing is left of the attempt.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")  # mode 0600
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        # The name of the file in between says nothing to anybody.
        raise OSError(error.errno, error.strerror, str(path)) from error


def create_text(path: Path, text: str) -> None:
    """Write a file that isn't there yet, with the usual mode.

    Raises:
        FileExistsError: it is there.
        OSError: it can't be written; nothing is left of the attempt.
    """
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except BaseException:
            path.unlink()
            raise
