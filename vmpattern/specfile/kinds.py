"""The kinds of values that a file may hold: how each is read from it, with its messages, and written back."""

import datetime
import enum
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

import attrs
from immutabledict import immutabledict

from vmpattern.model import NAME_RULE, Option, Options, is_name
from vmpattern.model.quantity import format_duration, parse_duration
from vmpattern.specfile.sheet import Spot, Told, guess, kind_of, one_of, shown
from vmpattern.specfile.writing import Toml, write_path

T = TypeVar("T")
Choice = TypeVar("Choice", bound=enum.Enum)

LATER = "comes with a later version of vmpattern"
_LARGEST = 2**63 - 1


@attrs.frozen
class Kind(Generic[T]):
    """How a value is read and written.

    `read` raises ValueError with what was expected and found, or `Told` when it has noted problems itself.
    """

    read: Callable[[Spot], T]
    write: Callable[[T], Toml]


AnyKind = Kind[Any]  # a table mixes kinds, and pairs each with the field that holds its values


def text(expected: str = "a string", *, accept: Callable[[str], bool] = bool, secret: bool = False) -> Kind[str]:
    """Return the kind of strings that `accept` takes; the messages never show a `secret` one."""

    def read(spot: Spot) -> str:
        if isinstance(spot.value, str) and accept(spot.value):
            return spot.value
        hidden = "another string" if isinstance(spot.value, str) else kind_of(spot.value)
        raise ValueError(f"expected {expected}, found {hidden if secret else shown(spot.value)}")

    return Kind(read, str)


def whole(least: int, most: int = _LARGEST, *, why: str = "") -> Kind[int]:
    """Return the kind of whole numbers in a range, both ends included; `why` tells one who wants more."""
    expected = f"a whole number from {least} to {most}" if most != _LARGEST else f"a whole number, at least {least}"

    def read(spot: Spot) -> int:
        if type(spot.value) is int and least <= spot.value <= most:
            return spot.value
        reason = f" ({why})" if why and type(spot.value) is int and spot.value > most else ""
        raise ValueError(f"expected {expected}, found {shown(spot.value)}{reason}")

    return Kind(read, int)


def quantity(
    expected: str, parse: Callable[[str], T], write: Callable[[T], Toml], *, accept: Callable[[T], bool]
) -> Kind[T]:
    """Return the kind of values that are written as text with a unit."""

    def read(spot: Spot) -> T:
        if not isinstance(spot.value, str):
            raise ValueError(f"expected {expected}, found {shown(spot.value)}")
        if not accept(value := parse(spot.value)):
            raise ValueError(f"expected more than nothing, found {shown(spot.value)}")
        return value

    return Kind(read, write)


def choice(kind: type[Choice]) -> Kind[Choice]:
    """Return the kind of an enum's values."""
    words = word(*(str(member.value) for member in kind))
    return Kind(lambda spot: kind(words.read(spot)), lambda member: str(member.value))


def word(*words: str, later: Collection[str] = ()) -> Kind[str]:
    """Return the kind of certain words; those in `later` are refused as what a later version brings."""

    def read(spot: Spot) -> str:
        if spot.value in later:
            raise ValueError(f"{shown(spot.value)} {LATER}: expected {one_of(words)} for now")
        if isinstance(spot.value, str) and spot.value in words:
            return spot.value
        if isinstance(spot.value, str):
            raise ValueError(f"found {shown(spot.value)}, {guess(spot.value, words)}")
        raise ValueError(f"expected {one_of(words)}, found {shown(spot.value)}")

    return Kind(read, str)


def reference(section: str) -> Kind[str]:
    """Return the kind of strings that name a table of a section: `clouds` or `services`."""
    noun = section.removesuffix("s")

    def read(spot: Spot) -> str:
        if not isinstance(spot.value, str):
            raise ValueError(f"expected the name of a {noun}, found {shown(spot.value)}")
        refer(section, spot.value, spot)
        return spot.value

    return Kind(read, str)


def refer(section: str, name: str, spot: Spot) -> None:
    """Check that `name` is a table of a section.

    Raises:
        ValueError: it isn't; the nearest name is told.
    """
    if name not in spot.sheet.names(section):
        noun = section.removesuffix("s")
        raise ValueError(f"there is no {noun} {shown(name)}: {guess(name, spot.sheet.names(section))}")


def sequence(item: Kind[T], *, least: int = 0, most: int = _LARGEST) -> Kind[tuple[T, ...]]:
    """Return the kind of arrays whose items are of one kind, and all different."""

    def read(spot: Spot) -> tuple[T, ...]:
        spots = spot.items()
        if len(spots) < least:
            raise ValueError(f"expected at least {least} item, found an empty array")
        if len(spots) > most:
            raise ValueError(f"expected at most {most} items, found {len(spots)}")
        before = len(spot.sheet.problems)
        first: dict[T, Spot] = {}
        for part in spots:
            value = part.attempt(item.read)
            if value is not None and first.setdefault(value, part) is not part:
                part.tell(f"is the same as {write_path(first[value].path)}: expected each just once")
        _stop_if_told(spot, before)
        return tuple(first)

    return Kind(read, lambda values: [item.write(value) for value in values])


def mapping(
    value: Kind[T], *, key: Callable[[Spot], None], expected: str = "a table"
) -> Kind[immutabledict[str, T] | Mapping[str, T]]:
    """Return the kind of tables with free keys, which `key` checks; sorted, so that the file's order is gone."""

    def read(spot: Spot) -> immutabledict[str, T]:
        before = len(spot.sheet.problems)
        values: dict[str, T] = {}
        for name, part in spot.entries(expected).items():
            part.attempt(key)
            if (found := part.attempt(value.read)) is not None:
                values[name] = found
        _stop_if_told(spot, before)
        return immutabledict(sorted(values.items()))

    return Kind(read, lambda values: {name: value.write(values[name]) for name in sorted(values)})


def check_name(spot: Spot) -> None:
    """Check that a key may name a cloud, service or fleet.

    Raises:
        ValueError: it may not.
    """
    if not is_name(spot.name):
        raise ValueError(f"{shown(spot.name)} isn't a name: expected {NAME_RULE}")


def check_variable(spot: Spot) -> None:
    """Check that a key may name an environment variable.

    Raises:
        ValueError: it may not.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", spot.name):
        raise ValueError("expected a name of letters, digits and _ that doesn't begin with a digit")


def check_cloud(spot: Spot) -> None:
    """Check that a key names a cloud.

    Raises:
        ValueError: there is no such cloud.
    """
    refer("clouds", spot.name, spot)


def _stop_if_told(spot: Spot, before: int) -> None:
    if len(spot.sheet.problems) > before:
        raise Told


def _read_option(spot: Spot) -> Option:
    """Read a driver's setting; messages show none, for it may be a password."""
    value = spot.value
    if isinstance(value, datetime.date | datetime.time):
        raise ValueError("expected no date or time: write it as a string")
    if isinstance(value, dict):
        return read_options(spot.entries())
    if isinstance(value, list):
        read = [part.attempt(_read_option) for part in spot.items()]
        return tuple(item for item in read if item is not None)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ValueError("expected a whole number of at most 64 bits")
    return value


def read_options(entries: Mapping[str, Spot]) -> Options:
    """Read a driver's settings, sorted by key at every level; what is wrong is noted and left out."""
    read = {name: part.attempt(_read_option) for name, part in sorted(entries.items())}
    return immutabledict({name: value for name, value in read.items() if value is not None})


def write_options(options: Options) -> dict[str, Toml]:
    """Write a driver's settings, sorted by key at every level."""
    return {name: _write_option(options[name]) for name in sorted(options)}


def _write_option(option: Option) -> Toml:
    if isinstance(option, immutabledict):
        return write_options(option)
    return [_write_option(item) for item in option] if isinstance(option, tuple) else option


OPTIONS: Kind[Options] = Kind(lambda spot: read_options(spot.entries()), write_options)

_DURATION = 'a duration such as "30s", "5m" or "1h"'
DURATION = quantity(_DURATION, parse_duration, format_duration, accept=lambda seconds: seconds >= 0)
POSITIVE_DURATION = quantity(_DURATION, parse_duration, format_duration, accept=lambda seconds: seconds > 0)
