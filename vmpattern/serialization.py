"""The JSON forms of the model: what commands print and what a saved plan holds. Values in, values out; no I/O.

Enums are written by value, shares as a number or `"25%"`, tuples and sets as arrays, mappings as objects. Numbers are
finite.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_origin

from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception
from immutabledict import immutabledict

from vmpattern.errors import DamagedPlan, Problem, SpecError
from vmpattern.model import (
    AnySlot,
    Existing,
    ImageId,
    ImageSource,
    Option,
    Outcome,
    PackerManifest,
    PendingSlot,
    Plan,
    Reason,
    Recipe,
    RemoteFile,
    Secret,
    Share,
    Slot,
    Unbaked,
)
from vmpattern.model.quantity import parse_share

T = TypeVar("T")

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
"""What a JSON document may hold."""

PLAN_VERSION = 3
"""The form of a saved plan; a plan of another one is refused."""

_KINDS = {Recipe: "recipe", Existing: "existing", PackerManifest: "packer-manifest"}
_FROM, _TO, _SECRET, _UNBAKED = (override(rename=name) for name in ("from", "to", "secret", "unbaked"))


def to_json(value: object) -> Json:
    """Return the JSON form of a value of the model.

    Raises:
        ValueError: a number in it is infinite or not a number.
    """
    return cast(Json, _CONVERTER.unstructure(value))


def from_json(kind: type[T], data: Json) -> T:
    """Return the value of the model whose JSON form is `data`.

    Guarantees:
        `from_json(type(value), to_json(value))` equals the value, through JSON text as well.

    Raises:
        SpecError: `data` isn't the form of such a value; every problem, with its path from `$`.
    """
    try:
        return _CONVERTER.structure(data, kind)
    except RecursionError as error:
        raise SpecError([Problem("$", "is nested too deeply")]) from error
    except Exception as error:  # a group of whatever its hooks and the model's validators raised
        told = (line.rpartition(" @ ") for line in transform_error(error, format_exception=_tell))
        raise SpecError([Problem(path, message) for message, _, path in told]) from error


def plan_to_json(plan: Plan) -> dict[str, Json]:
    """Return the document of `plan --json`, which is also what `plan -o` saves."""
    document = _plan_document(plan)
    return {**document, "digest": _digest(document)}


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 of everything that a plan says, in hexadecimal."""
    return _digest(_plan_document(plan))


def plan_from_json(data: Json) -> Plan:
    """Return a saved plan.

    Guarantees:
        `plan_from_json(plan_to_json(plan))` equals the plan, through JSON text as well.

    Raises:
        DamagedPlan: it is no plan, was edited or cut short, or is of another version.
    """
    if not isinstance(data, dict) or not {"version", "steps", "digest"} <= data.keys():
        raise DamagedPlan("this is no plan, or was cut short: expected what `vmpattern plan -o` wrote")
    if data["version"] != PLAN_VERSION:
        raise DamagedPlan("the plan was written by another version of vmpattern: make a new plan")
    try:
        plan = from_json(Plan, {key: part for key, part in data.items() if key not in _ADDED})
    except SpecError as error:
        raise DamagedPlan(f"the plan was edited or cut short: make a new plan ({error.problems[0].message})") from error
    # Compared as a whole, so that numbers which another program wrote as 30 instead of 30.0 do no harm.
    if plan_to_json(plan) != data:
        raise DamagedPlan("the plan was edited or cut short, its digest doesn't match: make a new plan")
    return plan


_ADDED = ("version", "changes", "reached", "remaining", "digest")


def _plan_document(plan: Plan) -> dict[str, Json]:
    form = cast(dict[str, Json], to_json(plan))
    head: dict[str, Json] = {
        "version": PLAN_VERSION,
        "changes": plan.changes,
        "reached": not plan.changes,
        "remaining": list(plan.remaining),
    }
    return {**head, "fleets": form["fleets"], "bakes": form["bakes"], **form}


def _digest(document: Mapping[str, Json]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def outcome_to_json(outcome: Outcome) -> dict[str, Json]:
    """Return the document of `apply --json`; the events aren't in it."""
    return {
        "outcome": outcome.result.value,
        "reached": outcome.reached,
        "fleets": {
            name: {
                "created": fleet.created,
                "destroyed": fleet.destroyed,
                "register": fleet.registered,
                "deregister": fleet.deregistered,
                "ready": fleet.ready,
                "size": fleet.size,
                "reached": fleet.reached,
                "lowest_ready": fleet.lowest_ready,
                "highest_total": fleet.highest_total,
            }
            for name, fleet in outcome.fleets.items()
        },
        "duration_s": outcome.duration_s,
        "api_calls": outcome.api_calls,
        "errors": [to_json(error) for error in outcome.errors],
        "remaining": list(outcome.remaining),
    }


def _tell(error: BaseException, kind: type | None) -> str:
    """Tell what is wrong with a part; what can't even be looked into, an array or object would have been."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if isinstance(error, TypeError | AttributeError):
        return "expected an array" if get_origin(kind) in (tuple, frozenset) else "expected an object"
    if isinstance(error, SpecError):
        return "; ".join(f"{problem.path} {problem.message}" for problem in error.problems)
    return str(error) if isinstance(error, ValueError) and error.args else format_exception(error, kind)


def _exactly(kind: type[T], expected: str) -> Callable[[object, object], T]:
    """Return a hook that takes values of just this type: JSON has it, so nothing needs guessing."""

    def read(data: object, _: object) -> T:
        if type(data) is not kind:
            raise ValueError(f"expected {expected}")
        return data

    return read


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} has no JSON form")
    return float(number)


def _read_float(data: object, _: object) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
        raise ValueError("expected a finite number")
    return float(data)


def _write_share(share: Share) -> Json:
    return str(share) if share.percent else share.number


def _read_share(data: object, _: object) -> Share:
    if not isinstance(data, str) and type(data) is not int:
        raise ValueError('expected a whole number or a share such as "25%"')
    return parse_share(data)


def _write_option(option: Option) -> Json:
    if isinstance(option, immutabledict):
        return {key: _write_option(part) for key, part in option.items()}
    if isinstance(option, tuple):
        return [_write_option(item) for item in option]
    return _finite(option) if isinstance(option, float) else option


def _read_option(data: Json) -> Option:
    if isinstance(data, dict):
        return immutabledict({key: _read_option(part) for key, part in data.items()})
    if isinstance(data, list):
        return tuple(_read_option(item) for item in data)
    if data is None or (isinstance(data, float) and not math.isfinite(data)):
        raise ValueError("expected a setting, neither null nor an infinite number")
    return data


def _read_options(data: Json, _: object) -> Option:
    if not isinstance(data, dict):
        raise ValueError("expected an object")
    return _read_option(data)


def _read_scalar(data: object, _: object) -> str | int | None:
    if data is None or type(data) in (str, int):
        return cast("str | int | None", data)
    raise ValueError("expected a string, a whole number or null")


def _is_options(kind: Any) -> bool:
    return immutabledict in (kind, get_origin(kind))


def _text_or(kind: type[T], converter: Converter) -> Callable[[object, object], str | T]:
    return lambda data, _: data if isinstance(data, str) else converter.structure(data, kind)


def _slot_reader(converter: Converter) -> Callable[[object, object], AnySlot]:
    """Read a slot: one that can be launched is the one that lacks nothing."""

    def read(data: object, _: object) -> AnySlot:
        known = ("zone", "machine_type", "image")
        if isinstance(data, dict) and any(type(data.get(key)) is not str for key in known):
            return converter.structure(data, PendingSlot)
        return converter.structure(data, Slot)

    return read


def _image_reader(converter: Converter) -> Callable[[object, object], ImageId | Unbaked | None]:
    def read(data: object, _: object) -> ImageId | Unbaked | None:
        if data is None:
            return None
        return converter.structure(data, Unbaked) if isinstance(data, dict) else ImageId(converter.structure(data, str))

    return read


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list, frozenset: sorted})
    for kind, expected in ((str, "a string"), (int, "a whole number"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, expected))
    converter.register_structure_hook(float, _read_float)
    converter.register_unstructure_hook(float, _finite)
    converter.register_structure_hook(Share, _read_share)
    converter.register_unstructure_hook(Share, _write_share)
    converter.register_structure_hook_func(_is_options, _read_options)
    converter.register_unstructure_hook_func(_is_options, _write_option)
    converter.register_structure_hook(str | int | None, _read_scalar)
    converter.register_structure_hook(Reason, make_dict_structure_fn(Reason, converter, before=_FROM, after=_TO))
    converter.register_unstructure_hook(Reason, make_dict_unstructure_fn(Reason, converter, before=_FROM, after=_TO))
    converter.register_structure_hook(Secret, make_dict_structure_fn(Secret, converter, ref=_SECRET))
    converter.register_unstructure_hook(Secret, make_dict_unstructure_fn(Secret, converter, ref=_SECRET))
    converter.register_structure_hook(str | Secret, _text_or(Secret, converter))
    converter.register_structure_hook(str | RemoteFile, _text_or(RemoteFile, converter))
    converter.register_structure_hook(Unbaked, make_dict_structure_fn(Unbaked, converter, digest=_UNBAKED))
    converter.register_unstructure_hook(Unbaked, make_dict_unstructure_fn(Unbaked, converter, digest=_UNBAKED))
    converter.register_structure_hook(AnySlot, _slot_reader(converter))
    converter.register_structure_hook(ImageId | Unbaked | None, _image_reader(converter))
    configure_tagged_union(ImageSource, converter, tag_generator=_KINDS.__getitem__, tag_name="kind")
    return converter


_CONVERTER = _converter()
