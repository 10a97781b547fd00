"""Reading JSON that may be anything: every way in which it can be wrong is a `ValueError`. Text in, values out."""

import json


def parse_json(text: str | bytes) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: it isn't JSON, is no UTF-8 text, is nested too deeply, or holds what JSON has no number for.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number that JSON has")
