"""Holds requests of AWS's query APIs against botocore's service models: names, lists, enums, types, lengths."""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache

import botocore.session

MODELS = {"ec2": "ec2", "elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "sts": "sts"}
ALWAYS = {"Action", "Version"}


@cache
def model(service: str):
    return botocore.session.get_session().get_service_model(MODELS.get(service, service))


def faults(service: str, params: Mapping[str, str]) -> list[str]:
    """Return what the model of a service has against a request, a sentence each."""
    described = model(service)
    action = params.get("Action", "")
    if action not in described.operation_names:
        return [f"{service} has no action {action!r}"]
    found = []
    if params.get("Version") != described.api_version:
        found.append(f"{action}: version {params.get('Version')!r}, and the model has {described.api_version}")
    tree, clashes = unflattened({name: value for name, value in params.items() if name not in ALWAYS})
    shape = described.operation_model(action).input_shape
    is_ec2 = described.metadata["protocol"] == "ec2"
    return found + clashes + list(walk(is_ec2, shape, tree, action))


def s3_faults(method: str, path: str, headers: Mapping[str, str]) -> list[str]:
    """Return what the model of S3 has against a request on a bucket or an object."""
    wanted = "/{Bucket}/{Key+}" if path.strip("/").count("/") else "/{Bucket}"
    operations = [
        operation
        for operation in map(model("s3").operation_model, model("s3").operation_names)
        if operation.http["method"] == method and operation.http["requestUri"].partition("?")[0] == wanted
    ]
    if not operations:
        return [f"s3 has no {method} {wanted}"]
    known = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
    for operation in operations:
        members = operation.input_shape.members.values()
        known |= {str(one.serialization.get("name", "")).lower() for one in members}
    return [f"s3 {method}: no header {name}" for name in headers if name.startswith("x-amz-") and name not in known]


def unflattened(params: Mapping[str, str]) -> tuple[dict, list[str]]:
    tree: dict = {}
    clashes = []
    for name, value in params.items():
        *steps, last = name.split(".")
        inner = tree
        for step in steps:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                clashes.append(f"{name}: a value and a structure at once")
                break
        else:
            inner[last] = value
    return tree, clashes


def walk(is_ec2: bool, shape, value, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        yield from structure(is_ec2, shape, value, path)
    elif kind == "list":
        yield from items(is_ec2, shape, value, path)
    elif isinstance(value, dict):
        yield f"{path}: a structure, expected {kind}"
    else:
        yield from scalar(shape, value, path)


def written_as(is_ec2: bool, name: str, shape) -> str:
    said = shape.serialization
    if not is_ec2:
        return said.get("name", name)
    usual = said["name"][0].upper() + said["name"][1:] if "name" in said else name
    return said.get("queryName", usual)


def structure(is_ec2: bool, shape, value, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: a value, expected a structure"
        return
    members = {written_as(is_ec2, name, inner): (name, inner) for name, inner in shape.members.items()}
    seen = set()
    for name, inner in value.items():
        if name not in members:
            yield f"{path}.{name}: no such parameter"
            continue
        seen.add(members[name][0])
        yield from walk(is_ec2, members[name][1], inner, f"{path}.{name}")
    yield from (f"{path}: {name} is missing" for name in shape.required_members if name not in seen)


def items(is_ec2: bool, shape, value, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: a value, expected a list"
        return
    if not is_ec2 and not shape.serialization.get("flattened"):
        each = shape.member.serialization.get("name", "member")
        if set(value) != {each}:
            yield f"{path}: a list is written with .{each}.N"
            return
        value = value[each]
    places = sorted(value, key=lambda place: int(place) if place.isdigit() else -1)
    if places != [str(place) for place in range(1, len(places) + 1)]:
        yield f"{path}: places {places[:4]} aren't 1, 2 and so on"
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(places))
    if not least <= len(places) <= most:
        yield f"{path}: {len(places)} items, expected {least} to {most}"
    for place in places:
        yield from walk(is_ec2, shape.member, value[place], f"{path}.{place}")


def scalar(shape, value: str, path: str) -> Iterator[str]:
    kind, limits = shape.type_name, shape.metadata
    if kind == "boolean" and value not in ("true", "false"):
        yield f"{path}: {value!r} is no boolean"
    elif kind in ("integer", "long", "double", "float"):
        if not re.fullmatch(r"-?\d+" if kind in ("integer", "long") else r"-?[\d.]+(e-?\d+)?", value):
            yield f"{path}: {value!r} is no {kind}"
        elif not limits.get("min", float(value)) <= float(value) <= limits.get("max", float(value)):
            yield f"{path}: {value} is outside {limits.get('min')} to {limits.get('max')}"
    elif kind == "blob":
        yield from _base64(value, path)
    elif kind == "timestamp":
        yield from _timestamp(value, path)
    elif kind == "string":
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{path}: {value!r} isn't one of {', '.join(shape.enum[:5])} ..."
        if not limits.get("min", 0) <= len(value) <= limits.get("max", len(value)):
            yield f"{path}: {len(value)} letters, expected {limits.get('min', 0)} to {limits.get('max')}"
        pattern = limits.get("pattern")
        if pattern and "\\p{" not in pattern and not re.search(pattern, value):
            yield f"{path}: {value!r} doesn't match {pattern}"


def _base64(value: str, path: str) -> Iterator[str]:
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        yield f"{path}: isn't base64"


def _timestamp(value: str, path: str) -> Iterator[str]:
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        yield f"{path}: {value!r} is no time"
