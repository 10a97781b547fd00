"""What is read from a document and what is wrong with it: a sheet collects both while spots walk through the values."""

import datetime
import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

import attrs

from vmpattern.errors import Problem, SpecError
from vmpattern.specfile.lines import KeyPath, offsets
from vmpattern.specfile.writing import write_path

T = TypeVar("T")

Parsed = str | int | float | bool | datetime.date | datetime.time | list["Parsed"] | dict[str, "Parsed"]
"""What tomllib makes of a value."""

_WORDS: dict[type[object], str] = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "a table",
}
_LONGEST = 60


class Told(ValueError):
    """Something inside a value is wrong, and the sheet has it already."""


@attrs.define
class Sheet:
    """One document, the values that could be read of it, and its problems.

    `directory` is where the file's relative paths start.
    """

    document: Mapping[str, Parsed]
    directory: str = "."
    problems: list[tuple[KeyPath, str]] = attrs.Factory(list[tuple[KeyPath, str]])
    values: dict[KeyPath, object] = attrs.Factory(dict[KeyPath, object])

    def names(self, section: str) -> tuple[str, ...]:
        """Return the keys of a table at the root, whether or not its values are right."""
        table = self.document.get(section)
        return tuple(table) if isinstance(table, dict) else ()

    def error(self, text: str, source: str) -> SpecError:
        """Return the problems in the order of the file, each with its line."""
        places = offsets(text)
        ordered = sorted(self.problems, key=lambda problem: _place(problem[0], places))
        told = (Problem(write_path(path), message, _line(path, text, places)) for path, message in ordered)
        return SpecError(tuple(told), source)


def _place(path: KeyPath, places: Mapping[KeyPath, int]) -> int:
    """Return the offset of a path, or of the nearest table around what is missing; -1 for the root."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path, -1)


def _line(path: KeyPath, text: str, places: Mapping[KeyPath, int]) -> int | None:
    place = _place(path, places)
    return None if place < 0 else text.count("\n", 0, place) + 1


@attrs.frozen
class Spot:
    """One value of a document, with the path that leads there."""

    value: Parsed
    path: KeyPath
    sheet: Sheet

    @property
    def name(self) -> str:
        """The key under which the value stands."""
        return str(self.path[-1])

    def child(self, key: str | int, value: Parsed = "") -> "Spot":
        """Return the spot of one entry of this value."""
        return Spot(value, (*self.path, key), self.sheet)

    def entries(self, expected: str = "a table") -> dict[str, "Spot"]:
        """Return the spots of a table, by key.

        Raises:
            ValueError: the value is no table.
        """
        if not isinstance(self.value, dict):
            raise ValueError(f"expected {expected}, found {kind_of(self.value)}")
        return {key: self.child(key, value) for key, value in self.value.items()}

    def items(self, expected: str = "an array") -> list["Spot"]:
        """Return the spots of an array.

        Raises:
            ValueError: the value is no array.
        """
        if not isinstance(self.value, list):
            raise ValueError(f"expected {expected}, found {kind_of(self.value)}")
        return [self.child(index, value) for index, value in enumerate(self.value)]

    def tell(self, message: str) -> None:
        """Note a problem with this value."""
        self.sheet.problems.append((self.path, message))

    def attempt(self, read: Callable[["Spot"], T]) -> T | None:
        """Read this value and remember it; None when it is wrong, which the sheet then knows."""
        try:
            value = read(self)
        except Told:
            return None
        except ValueError as error:
            # A name that is wrong has been told when its key was checked; the model says it once more.
            if all(path != self.path for path, _ in self.sheet.problems):
                self.tell(str(error))
            return None
        self.sheet.values[self.path] = value
        return value


def kind_of(value: Parsed) -> str:
    """Tell the kind of a TOML value without showing it."""
    return _WORDS.get(type(value), "a date or time")


def shown(value: Parsed) -> str:
    """Show a value in a message: short scalars as they are, anything else by its kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)) and len(text := repr(value)) <= _LONGEST:
        return text
    return kind_of(value)


def guess(name: str, known: Collection[str]) -> str:
    """Return the question after the nearest known name, or the list of all of them."""
    if near := difflib.get_close_matches(name, known, n=1):
        return f'did you mean "{near[0]}"?'
    return f"expected {one_of(known)}" if known else "there is none"


def one_of(names: Iterable[str]) -> str:
    """Write a choice of names."""
    told = [f'"{name}"' for name in names]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} or {told[-1]}"
