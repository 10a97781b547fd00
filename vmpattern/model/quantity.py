"""Durations, sizes and shares as people write them, and back. Text in, values out; errors are `ValueError`."""

import re
from decimal import Decimal

from vmpattern.model.words import LONGEST_S, Share

_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_MIB = {"MiB": Decimal(1), "GiB": Decimal(1024), "TiB": Decimal(1024 * 1024)}
_LARGEST_MIB = 2**40
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_duration(text: str) -> float:
    """Parse a duration into seconds.

    Example:
        >>> parse_duration("30s"), parse_duration("1.5m"), parse_duration("200ms")
        (30.0, 90.0, 0.2)

    Raises:
        ValueError: no number, a unit other than ms, s, m, h, d, or more than ten years.
    """
    return _parse(text, _SECONDS, 'a duration such as "30s", "5m" or "1h"', LONGEST_S, format_duration(LONGEST_S))


def format_duration(seconds: float) -> str:
    """Write seconds in the largest unit that loses nothing, so that `parse_duration` gives them back.

    Example:
        >>> format_duration(90.0), format_duration(3600), format_duration(0.25)
        ('90s', '1h', '250ms')
    """
    exact = Decimal(repr(float(seconds)))  # as it is written, not as it is stored: 0.1 and no digits beyond
    for unit in ("d", "h", "m") if exact >= 1 else ("ms",):
        count = exact / _SECONDS[unit]
        if count and count == count.to_integral_value():
            return f"{count:.0f}{unit}"
    return f"{exact.normalize():f}s"


def parse_mib(text: str) -> int:
    """Parse a size of memory into MiB.

    Example:
        >>> parse_mib("4GiB"), parse_mib("0.5GiB")
        (4096, 512)

    Raises:
        ValueError: no number, a unit other than MiB, GiB, TiB, or not a whole number of MiB.
    """
    most = f"{_LARGEST_MIB // 1024**2}TiB"
    return _whole(text, _parse(text, _MIB, 'a size such as "512MiB" or "4GiB"', _LARGEST_MIB, most), "MiB")


def parse_gib(text: str) -> int:
    """Parse a size of disk into GiB.

    Raises:
        ValueError: as `parse_mib`, or not a whole number of GiB.
    """
    return _whole(text, parse_mib(text) / 1024, "GiB")


def format_mib(mib: int) -> str:
    """Write MiB in the largest unit that loses nothing.

    Example:
        >>> format_mib(4096), format_mib(1536)
        ('4GiB', '1536MiB')
    """
    return f"{mib // 1024}GiB" if mib % 1024 == 0 else f"{mib}MiB"


def parse_share(value: str | int) -> Share:
    """Parse a number of instances, or a percentage of the size.

    Example:
        >>> parse_share("25%"), parse_share(2)
        (Share(number=25, percent=True), Share(number=2, percent=False))

    Raises:
        ValueError: negative, or neither a whole number nor a whole percentage.
    """
    match = re.fullmatch(r"(\d+)(%?)", str(value).strip())
    if not match:
        raise ValueError(f'expected a whole number or a share such as "25%", found {value!r}')
    return Share(int(match[1]), percent=bool(match[2]))


def _parse(text: str, units: dict[str, Decimal], expected: str, most: float, told: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    if not match or match[2] not in units:
        raise ValueError(f"expected {expected}, found {text!r}")
    number = float(Decimal(match[1]) * units[match[2]])
    if number > most:
        raise ValueError(f"expected {expected}, and at most {told}, found more")
    return number


def _whole(text: str, number: float, unit: str) -> int:
    if number != int(number):
        raise ValueError(f"expected a whole number of {unit}, found {text!r}")
    return int(number)


def many(count: int, noun: str) -> str:
    """Return the count with its noun, in the plural where it belongs.

    Example:
        >>> many(1, "instance"), many(1200, "instance")
        ('1 instance', '1,200 instances')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
