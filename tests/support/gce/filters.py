"""The filters of lists: what vmpattern writes of the grammar, and an error for the rest, never everything."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from gce.refusal import Refusal

Predicate = Callable[[dict[str, Any]], bool]
TOKEN = re.compile(r'\s*(?:([()])|(AND|OR|NOT)\b|([\w.\-]+)\s*(!=|=|:)\s*("[^"]*"|[^\s()]+))')


def parse(text: str) -> Predicate:
    """Return what the filter says of a resource: `field = value`, `field != value`, `field : *`, AND, OR, NOT, ()."""
    tokens = list(_tokens(text))
    predicate = _either(tokens, text)
    if tokens:
        raise _wrong(text)
    return predicate


def _tokens(text: str) -> Iterator[str | tuple[str, str, str]]:
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if found is None:
            raise _wrong(text)
        bracket, word, field, sign, value = found.groups()
        yield bracket or word or (field, sign, value.strip('"'))
        at = found.end()


def _either(tokens: list, text: str) -> Predicate:
    choices = [_all(tokens, text)]
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        choices.append(_all(tokens, text))
    return lambda resource: any(choice(resource) for choice in choices)


def _all(tokens: list, text: str) -> Predicate:
    parts = [_one(tokens, text)]
    while tokens and tokens[0] not in (")", "OR"):
        if tokens[0] == "AND":
            tokens.pop(0)
        parts.append(_one(tokens, text))
    return lambda resource: all(part(resource) for part in parts)


def _one(tokens: list, text: str) -> Predicate:
    if not tokens:
        raise _wrong(text)
    token = tokens.pop(0)
    if token == "NOT":
        inner = _one(tokens, text)
        return lambda resource: not inner(resource)
    if token == "(":
        inner = _either(tokens, text)
        if not tokens or tokens.pop(0) != ")":
            raise _wrong(text)
        return inner
    if not isinstance(token, tuple):
        raise _wrong(text)
    return _comparison(*token, text)


def _comparison(field: str, sign: str, value: str, text: str) -> Predicate:
    if sign == ":":
        if value != "*":
            raise _wrong(text)
        return lambda resource: _value(resource, field) is not None
    return lambda resource: (_value(resource, field) == value) == (sign == "=")


def _value(resource: dict[str, Any], field: str) -> str | None:
    # A label's key may hold no dot, so that the path is unambiguous.
    found: Any = resource
    for part in field.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return str(found).lower()
    return None if found is None else str(found)


def _wrong(text: str) -> Refusal:
    return Refusal(400, "invalid", f"Invalid value for field 'filter': '{text}'. Invalid list filter expression.")
