"""Several requests sent as one: `multipart/mixed`, a request in each part, and an answer for each, in their order."""

import json
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from typing import cast

import attrs

from vmpattern.errors import DriverError, OutcomeUnknown
from vmpattern_gcp.answers import Operation
from vmpattern_libcloud import Reply

BOUNDARY = "vmpattern_part_of_a_batch"
MOST = 100
"""Google advises against more parts in a batch."""


@attrs.frozen(kw_only=True)
class Part:
    """One request of a batch."""

    method: str
    path: str
    body: Mapping[str, object] | None = None


@attrs.frozen(kw_only=True)
class Sent:
    """What became of one request of a batch: an operation, or an error."""

    operation: Operation | None = None
    error: DriverError | None = None


def batched(parts: Sequence[Part]) -> tuple[str, bytes]:
    """Return the boundary and the body of a batch."""
    pieces = [f"--{BOUNDARY}\r\n{_written(part, number)}\r\n" for number, part in enumerate(parts)]
    return BOUNDARY, "".join([*pieces, f"--{BOUNDARY}--\r\n"]).encode()


def parts_of(reply: Reply, count: int, what: str) -> list[Reply]:
    """Return the answers in a batch's, in the order of the requests.

    Raises:
        OutcomeUnknown: there aren't as many answers as requests.
    """
    head = f"Content-Type: {reply.headers.get('content-type', '')}\r\n\r\n".encode()
    message = message_from_bytes(head + reply.body)
    found = cast("list[Message]", message.get_payload()) if message.is_multipart() else []
    if len(found) != count:
        raise OutcomeUnknown(f"{what}: a batch of {count} was answered with {len(found)} parts", code="BatchUnreadable")
    return [_read(part) for part in sorted(found, key=_number)]


def _written(part: Part, number: int) -> str:
    body = json.dumps(part.body) if part.body is not None else ""
    lines = ["Content-Type: application/http", f"Content-ID: <{number}>", "", f"{part.method} {part.path} HTTP/1.1"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"] if body else []
    return "\r\n".join([*lines, "", body])


def _number(part: Message) -> int:
    # An answer's id is the request's with a word before it.
    return int("".join(sign for sign in str(part["Content-ID"]) if sign.isdigit()) or 0)


def _read(part: Message) -> Reply:
    text = str(part.get_payload()).replace("\r\n", "\n")
    head, _, body = text.partition("\n\n")
    line, *lines = head.split("\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    return Reply(int(line.split(" ")[1]), headers, body.strip().encode())
