"""Writes a document as TOML in any of the ways that TOML allows: other order, tables, blanks, comments and quotes."""

import datetime
from collections.abc import Callable, Mapping
from random import Random

from vmpattern.specfile.writing import write_key, write_text

Item = str | int | float | bool | datetime.date | list["Item"] | dict[str, "Item"]


def messy_toml(document: dict[str, Item], random: Random) -> str:
    """Return one of many texts that say what the document says."""
    writer = _Writer(random)
    body, *sections = writer.sections((), document)
    random.shuffle(sections)
    text = "\n".join(line for section in [body, *sections] for line in section)
    return text.replace("\n", random.choice(["\n", "\r\n"]))


class _Writer:
    def __init__(self, random: Random) -> None:
        self.random = random

    def sections(self, path: tuple[str, ...], table: Mapping[str, Item]) -> list[list[str]]:
        """Return the lines of a table, then those of the sections below it, which may come in any order."""
        ways = {key: self._way(value) for key, value in table.items()}
        own = [key for key, way in ways.items() if way in ("inline", "dotted")]
        self.random.shuffle(own)
        lines = [line for key in own for line in self._pairs(key, table[key], dotted=ways[key] == "dotted")]
        below = [section for key, way in ways.items() for section in self._below((*path, key), table[key], way)]
        if path and (lines or not below or self.random.random() < 0.5):
            lines = [self._noise(f"[{self._blank()}{self._path(path)}{self._blank()}]"), *lines]
        return [lines, *below]

    def _way(self, value: Item) -> str:
        if isinstance(value, dict):
            return self.random.choice(["section", "inline", "dotted"] if value else ["section", "inline"])
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return self.random.choice(["inline", "tables"])
        return "inline"

    def _below(self, path: tuple[str, ...], value: Item, way: str) -> list[list[str]]:
        if way == "section" and isinstance(value, dict):
            return self.sections(path, value)
        if way == "tables" and isinstance(value, list):
            items = [line for item in value if isinstance(item, dict) for line in self._table_item(path, item)]
            return [items]  # in one piece, for their order counts
        return []

    def _table_item(self, path: tuple[str, ...], item: dict[str, Item]) -> list[str]:
        keys = self._shuffled(item)
        return [self._noise(f"[[{self._path(path)}]]"), *(line for key in keys for line in self._pairs(key, item[key]))]

    def _pairs(self, key: str, value: Item, *, dotted: bool = False) -> list[str]:
        if not dotted or not isinstance(value, dict):
            return [self._noise(f"{self._key(key)}{self._blank()}={self._blank()}{self._value(value)}")]
        keys = {part: f"{self._key(key)}{self._blank()}.{self._blank()}{self._key(part)}" for part in value}
        return [self._noise(f"{keys[part]} = {self._value(value[part])}") for part in self._shuffled(value)]

    def _value(self, value: Item, *, inline: bool = False) -> str:
        """Write a value; within an inline table, arrays stay on their line as well."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            pairs = [f"{self._key(key)} = {self._value(value[key], inline=True)}" for key in self._shuffled(value)]
            return "{" + self._blank() + ", ".join(pairs) + self._blank() + "}"
        if isinstance(value, list):
            gap: Callable[[], str] = self._blank if inline else self._gap
            items = [f"{gap()}{self._value(item, inline=inline)}{gap()}," for item in value]
            return f"[{''.join(items)}{gap()}]"
        return value.isoformat() if isinstance(value, datetime.date) else repr(value)

    def _text(self, text: str) -> str:
        plain = text.isprintable() and "'" not in text
        if plain and self.random.random() < 0.3:
            return f"'{text}'"
        if plain and self.random.random() < 0.3:
            return f"'''{text}'''"
        return write_text(text) if self.random.random() < 0.7 else f'""{write_text(text)}""'

    def _key(self, key: str) -> str:
        return write_key(key) if self.random.random() < 0.7 else write_text(key)

    def _path(self, path: tuple[str, ...]) -> str:
        return f"{self._blank()}.{self._blank()}".join(self._key(key) for key in path)

    def _shuffled(self, table: Mapping[str, Item]) -> list[str]:
        return self.random.sample(list(table), len(table))

    def _blank(self) -> str:
        return self.random.choice(["", " ", "  ", "\t"])

    def _gap(self) -> str:
        return self.random.choice(["", " ", "\n", ' # ] it\'s a "comment"\n'])

    def _noise(self, line: str) -> str:
        before = self.random.choice(["", "", "", "\n", "# [not.a.table]\n", "  "])
        return before + line + self.random.choice(["", "", " # key = 'x", "\t"])
