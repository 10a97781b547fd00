"""From an answer's JSON to values; what can't be read is the provider's fault, and is told as such."""

import json
from collections.abc import Mapping
from typing import TypeVar, cast

import cattrs

from vmpattern.errors import Invalid
from vmpattern_libcloud.connection import Reply

Answer = TypeVar("Answer")


def document(reply: Reply, what: str) -> Mapping[str, object]:
    """Return the JSON object of an answer.

    Raises:
        Invalid: it isn't one, as where there is none: an empty answer says nothing, not that there is nothing.
    """
    try:
        found: object = json.loads(reply.body)
    except ValueError as error:
        raise Invalid(f"{what}: the answer is no JSON", code="UnreadableAnswer") from error
    if not isinstance(found, Mapping):
        raise Invalid(f"{what}: the answer is no JSON object", code="UnreadableAnswer")
    return cast("Mapping[str, object]", found)


def structured(converter: cattrs.Converter, kind: type[Answer], value: object, what: str) -> Answer:
    """Make a value of a part of an answer; fields that aren't read are passed over.

    Raises:
        Invalid: a field that must be there isn't, or has another type.
    """
    try:
        return converter.structure(value, kind)
    except (cattrs.BaseValidationError, TypeError, ValueError, AttributeError) as error:
        text = f"{what}: the answer can't be read as {kind.__name__}: another version of the API?"
        raise Invalid(text, code="UnreadableAnswer") from error
