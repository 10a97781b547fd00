"""Batches: many requests in one, as `multipart/mixed` with a request in each part."""

import json
from collections.abc import Callable, Iterable
from email import message_from_bytes
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from gce.emulator import Emulator

BOUNDARY = "batch_of_answers"


def batch_app(
    emulator: "Emulator", environ: dict[str, Any], raw: bytes, start: Callable[..., object]
) -> Iterable[bytes]:
    """Carry out each request of a batch, in order, and answer with as many parts."""
    head = f"Content-Type: {environ['CONTENT_TYPE']}\r\n\r\n".encode()
    parts = message_from_bytes(head + raw).get_payload()
    token = environ.get("HTTP_AUTHORIZATION", "")
    answers = [_part(emulator, part, token) for part in parts]
    data = "".join(f"--{BOUNDARY}\r\n{answer}\r\n" for answer in answers) + f"--{BOUNDARY}--"
    content = [("Content-Type", f"multipart/mixed; boundary={BOUNDARY}"), ("Content-Length", str(len(data.encode())))]
    start("200 OK", content)
    return [data.encode()]


def _part(emulator: "Emulator", part: Any, token: str) -> str:
    text = part.get_payload()
    line, _, rest = text.lstrip().partition("\n")
    verb, target, _ = line.split(" ", 2)
    _, _, body = rest.replace("\r\n", "\n").partition("\n\n")
    url = urlsplit(target)
    status, headers, answer = emulator.answer(verb, url.path, parse_qsl(url.query), body.strip().encode(), token)
    lines = [f"{name}: {value}" for name, value in [("Content-Type", "application/json"), *headers]]
    reply = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n" + "\r\n".join(lines) + "\r\n\r\n" + json.dumps(answer)
    named = f"Content-ID: <response-{part['Content-ID'].strip('<>')}>"
    return f"Content-Type: application/http\r\n{named}\r\n\r\n{reply}"
