"""Signs that a terminal can't show are written with the nearest that it can, so that renderers needn't care."""

import codecs
import io
from typing import TextIO

_PLAIN = {"→": "->", "·": "-", "…": "...", "█": "#", "░": ".", "━": "=", "╸": "=", "╺": "-", "✓": "ok", "✗": "FAIL"}
_PLAIN |= {"–": "-", "—": "-", "×": "x", "≥": ">=", "≤": "<=", "“": '"', "”": '"', "’": "'"}


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("vmpattern", _replace)


def make_printable(stream: TextIO) -> None:
    """Let `stream` write any text, whatever its encoding."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="vmpattern")
