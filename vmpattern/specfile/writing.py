"""TOML text from plain values: short tables within a line, long ones as sections. Values in, text out."""

import math
import re
from collections.abc import Mapping, Sequence

from vmpattern.specfile.lines import KeyPath

Toml = str | int | float | bool | Sequence["Toml"] | Mapping[str, "Toml"]
"""What a TOML document may hold, apart from dates."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x7f": "\\u007f"}
_WIDTH = 100
_ALWAYS_SECTIONS = 2  # [clouds.demo], [services.shop], [fleets.shop]: never within a line


def render(table: Mapping[str, Toml]) -> str:
    """Return a document as TOML; keys stay in order, except that sections follow what isn't one.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    return "\n\n".join(_sections((), table)) + "\n"


def write_path(path: KeyPath) -> str:
    """Write a path as TOML would: keys with dots between, array items by index.

    Example:
        >>> write_path(("fleets", "shop", "placements", 1, "a b"))
        'fleets.shop.placements[1]."a b"'
    """
    parts = (f"[{part}]" if isinstance(part, int) else "." + write_key(part) for part in path)
    return "".join(parts).removeprefix(".")


def write_key(key: str) -> str:
    """Write one key, in quotes where it needs them."""
    return key if _BARE_KEY.fullmatch(key) else write_text(key)


def write_text(text: str) -> str:
    r"""Write a TOML basic string.

    Example:
        >>> print(write_text('say "a\\b"\n'))
        "say \"a\\b\"\n"
    """
    return '"' + "".join(_ESCAPES.get(sign) or (sign if sign >= " " else f"\\u{ord(sign):04x}") for sign in text) + '"'


def write_value(value: Toml) -> str:
    """Write a value within one line.

    Example:
        >>> print(write_value({"zones": ["a", "b"], "spot": True}))
        { zones = ["a", "b"], spot = true }

    Raises:
        ValueError: a number is infinite or not a number.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return write_text(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{write_key(key)} = {write_value(part)}" for key, part in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(write_value(item) for item in value)}]"
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that a file can hold")
    return repr(value)


def _sections(path: KeyPath, table: Mapping[str, Toml]) -> list[str]:
    """Return the section of a table and those of its long tables; a table of nothing but sections needs no header."""
    apart = {key: part for key, part in table.items() if isinstance(part, Mapping) and _is_section((*path, key), part)}
    lines = [_pair(key, part) for key, part in table.items() if key not in apart]
    if path and (lines or not apart):
        lines = [f"[{write_path(path)}]", *lines]
    below = [section for key, part in apart.items() for section in _sections((*path, key), part)]
    return ["\n".join(lines), *below] if lines else below


def _is_section(path: KeyPath, table: Mapping[str, Toml]) -> bool:
    return len(path) <= _ALWAYS_SECTIONS or len(_line(str(path[-1]), table)) > _WIDTH


def _pair(key: str, value: Toml) -> str:
    """Write a key and its value; an array too long for a line gets one line for each item."""
    line = _line(key, value)
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence) or len(line) <= _WIDTH:
        return line
    return "\n".join([f"{write_key(key)} = [", *(f"    {write_value(item)}," for item in value), "]"])


def _line(key: str, value: Toml) -> str:
    return f"{write_key(key)} = {write_value(value)}"
