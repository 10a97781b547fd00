"""Standard output and error, made to take whatever is written: signs they can't show, and readers that went away."""

import codecs
import contextlib
import io
import os
import sys
from typing import IO, TextIO, cast

_PLAIN = {
    "→": "->",
    "·": "-",
    "…": "...",
    "█": "#",
    "░": ".",
    "━": "=",
    "╸": "=",
    "╺": "-",
    "✓": "ok",
    "✗": "FAIL",
    "–": "-",
    "—": "-",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "“": '"',
    "”": '"',
    "’": "'",
}


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("vmpattern", _replace)


def open_streams() -> bool:
    """Let standard streams that were closed lead nowhere, and return whether standard output was open.

    What is opened first would take their numbers otherwise, and be written to by mistake.
    """
    is_heard = sys.stdout is not None
    if sys.stdin is None:
        sys.stdin = _nowhere("r")
    if not is_heard:
        sys.stdout = _nowhere("w")
    if sys.stderr is None:
        sys.stderr = _nowhere("w")
    return is_heard


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))


def make_printable(stream: TextIO) -> None:
    """Let `stream` write any text: what its encoding can't say becomes the nearest that it can."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="vmpattern")


def silence(stream: IO[str]) -> None:
    """Let what is still written to `stream` go nowhere: its reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def cut_off(error: OSError) -> int:
    """Say, as far as anything can be said, that the output couldn't be written; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
            continue
        silence(stream)  # what is left of it fails again when Python ends
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"The output can't be written: {error.strerror or error}.\n")
        sys.stderr.flush()
    return 1


def flush(stream: TextIO) -> None:
    """Write what is left, unless nobody reads it."""
    try:
        stream.flush()
    except BrokenPipeError:
        silence(stream)
