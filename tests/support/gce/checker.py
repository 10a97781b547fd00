"""Holds requests and answers against Google's discovery documents: what Google's own clients are generated from."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs

FOLDER = Path(__file__).parent / "discovery"


@attrs.frozen
class Match:
    """The method that a request calls, and the arguments in its path."""

    method: Mapping[str, Any]
    arguments: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.method["id"]


class Checker:
    """One service's document; `problems_...` return a sentence for each thing that isn't as the document says."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._schemas = document["schemas"]
        self._routes = [(one["flatPath"].split("/"), one) for one in document["methods"].values()]
        # Where two paths fit, a literal segment beats a parameter.
        self._routes.sort(key=lambda route: [segment.startswith("{") for segment in route[0]])

    def match(self, verb: str, path: str) -> Match | None:
        """Return the method that this path and verb call, None where there is none."""
        base = "/" + self.document["servicePath"]
        if not path.startswith(base):
            return None
        segments = [unquote(segment) for segment in path[len(base) :].split("/")]
        for pattern, method in self._routes:
            if method["httpMethod"] == verb and len(pattern) == len(segments):
                pairs = list(zip(pattern, segments, strict=True))
                if all(want.startswith("{") or want == found for want, found in pairs):
                    return Match(method, {want[1:-1]: found for want, found in pairs if want.startswith("{")})
        return None

    def problems_of_request(self, match: Match, query: Sequence[tuple[str, str]], body: object) -> list[str]:
        """Check the path's arguments, the query and the body, None for no body."""
        return [*self._of_parameters(match, query), *self._of_body(match, body)]

    def problems_of_answer(self, match: Match, body: object) -> list[str]:
        """Check the body of a successful answer."""
        wanted = match.method.get("response")
        return list(self._of_value(wanted, body, "answer", None)) if wanted else []

    def _of_parameters(self, match: Match, query: Sequence[tuple[str, str]]) -> Iterator[str]:
        known = {**self.document["parameters"], **match.method.get("parameters", {})}
        # A flat path names the parts of a reserved expansion, which have no description of their own.
        in_path = [(name, value) for name, value in match.arguments.items() if name in known]
        for name, value in [*in_path, *query]:
            if name not in known:
                yield f"parameter {name}: unknown"
            elif (known[name]["location"] == "path") != (name in match.arguments):
                yield f"parameter {name}: belongs into the {known[name]['location']}"
            else:
                yield from _of_text(known[name], value, f"parameter {name}")
        given = {name for name, _ in query} | set(match.arguments)
        required = {name for name, one in known.items() if one.get("required") and one["location"] == "query"}
        yield from (f"parameter {name}: missing" for name in sorted(required - given))
        repeated = [name for name, one in known.items() if not one.get("repeated")]
        names = [name for name, _ in query]
        yield from (f"parameter {name}: given twice" for name in repeated if names.count(name) > 1)

    def _of_body(self, match: Match, body: object) -> Iterator[str]:
        wanted = match.method.get("request")
        if wanted is None:
            if body is not None:
                yield "body: none is taken"
        elif body is None:
            yield "body: missing"
        else:
            yield from self._of_value(wanted, body, "body", match.id)

    def _of_value(self, schema: Mapping[str, Any], value: object, at: str, method: str | None) -> Iterator[str]:
        """Check a value; `method` is the id of the method of a request, None in an answer."""
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        kind = schema.get("type")
        if kind == "object":
            yield from self._of_object(schema, value, at, method)
        elif kind == "array":
            if isinstance(value, list):
                for place, item in enumerate(value):
                    yield from self._of_value(schema["items"], item, f"{at}[{place}]", method)
            else:
                yield f"{at}: {value!r} isn't an array"
        elif kind != "any":
            yield from _of_scalar(schema, value, at, in_request=method is not None)

    def _of_object(self, schema: Mapping[str, Any], value: object, at: str, method: str | None) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: {value!r} isn't an object"
            return
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            kind = fields.get(name, others)
            if kind is None:
                yield f"{at}.{name}: no such field"
            elif method is not None and kind.get("readOnly"):
                yield f"{at}.{name}: read-only"
            else:
                yield from self._of_value(kind, inner, f"{at}.{name}", method)
        for name, kind in fields.items():
            if method in kind.get("annotations", {}).get("required", ()) and name not in value:
                yield f"{at}.{name}: missing"


def _of_scalar(schema: Mapping[str, Any], value: object, at: str, *, in_request: bool) -> Iterator[str]:
    kind = schema.get("type")
    types = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
    if not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{at}: {value!r} isn't of type {kind}"
    elif schema.get("format") in ("int64", "uint64") and not re.fullmatch(r"-?\d+", str(value)):
        yield f"{at}: {value!r} isn't a whole number in a string"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {', '.join(schema['enum'])}"
    elif in_request and "pattern" in schema and not re.fullmatch(schema["pattern"], str(value)):
        yield f"{at}: {value!r} doesn't fit {schema['pattern']}"


def _of_text(schema: Mapping[str, Any], text: str, at: str) -> Iterator[str]:
    """Check a value that came as text, in a path or query."""
    kind = schema["type"]
    if kind == "boolean" and text not in ("true", "false"):
        yield f"{at}: {text!r} isn't true or false"
    elif kind == "integer" and not re.fullmatch(r"-?\d+", text):
        yield f"{at}: {text!r} isn't a whole number"
    elif kind == "integer" and not int(schema.get("minimum", text)) <= int(text) <= int(schema.get("maximum", text)):
        yield f"{at}: {text} is out of range"
    elif "enum" in schema and text not in schema["enum"]:
        yield f"{at}: {text!r} is none of {', '.join(schema['enum'])}"
    elif "pattern" in schema and not re.fullmatch(schema["pattern"], text):
        yield f"{at}: {text!r} doesn't fit {schema['pattern']}"


def load(name: str) -> Checker:
    """Return the checker of a document, such as `compute.v1`."""
    return Checker(json.loads((FOLDER / f"{name}.json").read_text()))
