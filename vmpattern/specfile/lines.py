"""Where each key of a TOML text stands, which tomllib doesn't tell. The text must be valid TOML: nothing is checked."""

import re
import tomllib

KeyPath = tuple[str | int, ...]
"""Keys and array indices from the root of a document to one value."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')[ \t]*""")
# A multi-line string may end in up to two quotes of its own before the three that close it.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\]|\\.)*"' r"|'[^']*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n]+")


def offsets(text: str) -> dict[KeyPath, int]:
    r"""Return where every table, key and array item of `text` begins, as an offset into it.

    A table that only its children imply begins where the first of them does.

    Example:
        >>> offsets('[a]\nb = [1, 2]')
        {('a',): 0, ('a', 'b'): 4, ('a', 'b', 0): 9, ('a', 'b', 1): 12}
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, int] = {}
        self.last: dict[KeyPath, int] = {}  # the newest index of each array of tables

    def document(self) -> None:
        table: KeyPath = ()
        while self._next():
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> str:
        """Skip blanks and comments; return the character there, empty at the end."""
        self._skip(_BLANK)
        return self.text[self.at : self.at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, "the text isn't valid TOML"
        self.at = match.end()
        return match[match.lastindex or 0]

    def _keys(self) -> list[str]:
        keys = [_plain(self._skip(_KEY))]
        while self.text[self.at] == ".":
            self.at += 1
            keys.append(_plain(self._skip(_KEY)))
        return keys

    def _header(self) -> KeyPath:
        start = self.at
        brackets = 2 if self.text.startswith("[[", start) else 1
        self.at += brackets
        keys = self._keys()
        self.at += brackets
        path: KeyPath = ()
        for key in keys[:-1]:
            path += (key,)
            self.found.setdefault(path, start)
            if path in self.last:
                path += (self.last[path],)
        path += (keys[-1],)
        if brackets == 2:
            self.found.setdefault(path, start)
            self.last[path] = self.last.get(path, -1) + 1
            path += (self.last[path],)
        # A header outdoes an earlier child that only implied the table.
        self.found[path] = start
        return path

    def _pair(self, path: KeyPath) -> None:
        start = self.at
        for key in self._keys():
            path += (key,)
            self.found.setdefault(path, start)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        first = self._next()
        if first == "[":
            self._items(path)
        elif first == "{":
            self._pairs(path)
        else:
            self._skip(_STRING if first in "\"'" else _BARE)

    def _items(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self._next() != "]":
            self.found[*path, index] = self.at
            self._value((*path, index))
            index += 1
            self._comma()
        self.at += 1

    def _pairs(self, path: KeyPath) -> None:
        self.at += 1
        while self._next() != "}":
            self._pair(path)
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        if self._next() == ",":
            self.at += 1


def _plain(key: str) -> str:
    """Return a key without its quotes and escapes."""
    return str(tomllib.loads(f"key = {key}")["key"]) if key[0] in "\"'" else key
