"""Secrets of services: read when they are needed, within bounds, and never part of a message."""

import os
import shlex
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmpattern.errors import Refused
from vmpattern.files import read_text
from vmpattern.model import Secret

if TYPE_CHECKING:
    import subprocess

MOST_BYTES = 2**20
"""No secret is larger, whether a file holds it or a command prints it."""

COMMAND_S = 20.0
"""So long may a command take to print its secret."""

BY_HAND = "run it by hand in the folder of the file to see why"


def secret_value(path: str, secret: Secret, directory: str, *, within_s: float = COMMAND_S) -> str:
    """Read a secret, without the line breaks at its end.

    Args:
        path: where the file names it.
        directory: where relative paths start, and commands run.
        within_s: how long a command may take.

    Raises:
        Refused: it can't be had; the text says where it is named, its kind and why, never a line or a value.
    """
    kind, _, rest = secret.ref.partition(":")
    if kind == "env":
        if rest not in os.environ:
            raise Refused(f"{path}: the variable {rest} isn't set in this environment; set it")
        return os.environ[rest]
    if kind not in ("file", "command"):
        raise Refused(f"{path}: a secret is env:NAME, file:PATH or command:LINE, and this is none of them")
    try:
        if kind == "file":
            return _sound(read_text(Path(directory) / rest, most=MOST_BYTES, pipes=True))
        return _sound(_printed(_words(rest), directory, within_s).decode("utf-8"))
    except UnicodeDecodeError:
        reason = "it isn't UTF-8 text; encode it, with base64 for example"
    except _Unreadable as error:
        reason = str(error)
    except OSError as error:
        todo = "correct the path, or make it readable" if kind == "file" else "correct the line, or install the program"
        reason = f"{(error.strerror or 'the system refused').lower()}; {todo}"
    except ValueError:  # a NUL in a path or in a line
        reason = "the system takes no such name; correct it"
    raise Refused(f"{path}: its {kind} secret can't be read: {reason}")


class _Unreadable(Exception):
    """Why a command gave no secret, in words."""


def _sound(text: str) -> str:
    """Return a secret without the line breaks at its end; what can't be one is never rolled out for one."""
    value = text.rstrip("\n")
    if not value:
        raise _Unreadable("there is nothing in it")
    if "\0" in value:
        raise _Unreadable("it has a NUL, which no environment can hold; encode it, with base64 for example")
    return value


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError:
        raise _Unreadable("the line has a quote that isn't closed; close it") from None
    if not words:
        raise _Unreadable("the line is empty; write a command after the colon")
    return words


def _printed(words: list[str], directory: str, within_s: float) -> bytes:
    """Run a command and return what it prints: no more than is allowed, and no longer."""
    import subprocess  # here, since most commands run no other

    ends = time.monotonic() + within_s
    process = subprocess.Popen(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
    content = bytearray()
    # A thread, which ends with the process: what the command has started may hold its output open for ever.
    reader = threading.Thread(target=_take, args=(process, content), daemon=True)
    reader.start()
    try:
        reader.join(within_s)
        if len(content) > MOST_BYTES:
            raise _Unreadable(f"the command prints more than {MOST_BYTES:,} bytes; let it print the secret only")
        if reader.is_alive():
            raise subprocess.TimeoutExpired((), within_s)
        status = process.wait(max(0.0, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Unreadable(f"the command took longer than {within_s:g} seconds; {BY_HAND}") from None
    finally:
        process.kill()
        process.wait()
    if status:
        ended = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise _Unreadable(f"the command {ended}; {BY_HAND}")
    return bytes(content)


def _take(process: "subprocess.Popen[bytes]", content: bytearray) -> None:
    """Read what a process prints until it ends or is too long; closed then, so that more can't be written."""
    assert process.stdout is not None
    with process.stdout as stream:
        while len(content) <= MOST_BYTES and (part := stream.read(2**16)):
            content += part
