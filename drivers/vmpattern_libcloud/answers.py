"""From an answer's JSON to values; what can't be read is the provider's fault, and is told as such."""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from vmpattern.errors import Invalid
from vmpattern.model.jsontext import parse_json
from vmpattern_libcloud.connection import Reply

Answer = TypeVar("Answer")


def document(reply: Reply, what: str) -> Mapping[str, object]:
    """Return the JSON object of an answer.

    Raises:
        Invalid: it isn't one, as where there is none: an empty answer says nothing, not that there is nothing.
    """
    try:
        found: object = parse_json(reply.body)
    except ValueError as error:
        raise Invalid(f"{what}: the answer is no JSON", code="UnreadableAnswer") from error
    if not isinstance(found, Mapping):
        raise Invalid(f"{what}: the answer is no JSON object", code="UnreadableAnswer")
    return cast("Mapping[str, object]", found)


def converter(name_of: Callable[[type, str], str]) -> cattrs.Converter:
    """Return what makes values of answers; a class costs nothing before the first of its values.

    Args:
        name_of: tells how the provider calls a field, of a class.
    """
    made = cattrs.Converter(detailed_validation=False)

    def structure(kind: type[attrs.AttrsInstance]):  # type: ignore[no-untyped-def]
        names = {field.name: override(rename=name_of(kind, field.name)) for field in attrs.fields(kind)}
        return make_dict_structure_fn(kind, made, **names)  # type: ignore[arg-type]

    made.register_structure_hook_factory(attrs.has, structure)
    return made


def structured(converter: cattrs.Converter, kind: type[Answer], value: object, what: str) -> Answer:
    """Make a value of a part of an answer; fields that aren't read are passed over.

    Raises:
        Invalid: a field that must be there isn't, or has another type.
    """
    try:
        return converter.structure(value, kind)
    except (cattrs.BaseValidationError, LookupError, TypeError, ValueError, AttributeError) as error:
        text = f"{what}: the answer can't be read as {kind.__name__}: another version of the API?"
        raise Invalid(text, code="UnreadableAnswer") from error
