"""The parameter `fields`: which part of an answer is sent."""

import re
from typing import Any

from gce.refusal import Refusal

Mask = dict[str, "Mask"]
TOKEN = re.compile(r"[\w*\-]+|[/(),]")


def masked(answer: Any, text: str) -> Any:
    """Return the part of an answer that a mask such as `items/*/instances(id,name),nextPageToken` names."""
    tokens = TOKEN.findall(text)
    mask = _fields(tokens, text)
    if tokens or "".join(TOKEN.findall(text)) != text:
        raise _wrong(text)
    return _part(answer, mask)


def _fields(tokens: list[str], text: str) -> Mask:
    mask: Mask = {}
    while True:
        at = mask
        while True:
            if not tokens or tokens[0] in "/(),":
                raise _wrong(text)
            at = at.setdefault(tokens.pop(0), {})
            if not tokens or tokens[0] != "/":
                break
            tokens.pop(0)
        if tokens and tokens[0] == "(":
            tokens.pop(0)
            at.update(_fields(tokens, text))
            if not tokens or tokens.pop(0) != ")":
                raise _wrong(text)
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def _part(value: Any, mask: Mask) -> Any:
    if not mask:
        return value
    if isinstance(value, list):
        return [_part(one, mask) for one in value]
    if not isinstance(value, dict):
        return value
    every = mask.get("*")
    chosen = {key: mask.get(key, every) for key in value if key in mask or every is not None}
    return {key: _part(value[key], inner or {}) for key, inner in chosen.items()}


def _wrong(text: str) -> Refusal:
    return Refusal(400, "invalidParameter", f"Invalid field selection {text}")
