"""A stand-in for AWS that counts: moto, or pages of as many instances as are asked for. Started by `aws_calls`.

Every request is held against botocore's models, as in the tests of the driver.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qs, parse_qsl

SUPPORT = Path(__file__).resolve().parents[1] / "tests/support"
Environ = dict[str, object]
Application = Callable[[Environ, Callable[..., object]], Iterable[bytes]]
Faults = Callable[[str, Mapping[str, str]], list[str]]
"""What the model of a service has against the parameters of a request."""

PAGE = 1000
_ITEM = (
    "<item><instancesSet><item><instanceId>i-{number:017x}</instanceId><imageId>ami-1</imageId>"
    "<instanceState><name>running</name></instanceState><instanceType>t3.micro</instanceType>"
    "<launchTime>2026-01-01T00:00:00.000Z</launchTime><privateIpAddress>10.0.0.1</privateIpAddress>"
    "<placement><availabilityZone>us-east-1a</availabilityZone></placement><tagSet>"
    "<item><key>vmpattern-deployment</key><value>shop</value></item>"
    "<item><key>vmpattern-fleet</key><value>web</value></item></tagSet></item></instancesSet></item>"
)


class Counting:
    """Counts calls by the access key that signed them; /__calls/KEY tells how many there were, and what was wrong."""

    def __init__(self, inner: Application, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self._calls: Counter[str] = Counter()
        self._violations: dict[str, list[str]] = {}

    def __call__(self, environ: Environ, start: Callable[..., object]) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        if path.startswith("/__calls/"):
            key = path.rpartition("/")[2]
            told = {"calls": self._calls[key], "violations": self._violations.get(key, [])}
            return _answer(start, json.dumps(told).encode())
        signed = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", str(environ.get("HTTP_AUTHORIZATION", "")))
        key, service = signed.groups() if signed else ("", "")
        body = _body(environ)
        self._calls[key] += 1
        wrong = self._faults(service, dict(parse_qsl(body.decode(), keep_blank_values=True)))
        self._violations.setdefault(key, []).extend(wrong)
        return self._inner(_with_all(environ, body), start)


def _with_all(environ: Environ, body: bytes) -> Environ:
    """Ask moto for as many instances as EC2 would give: moto takes the least count that is asked for."""
    most = re.search(rb"MaxCount=(\d+)", body)
    if most:
        body = re.sub(rb"MinCount=\d+", b"MinCount=" + most[1], body)
    return {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _body(environ: Environ) -> bytes:
    stream = cast("BinaryIO", environ["wsgi.input"])
    return stream.read(int(str(environ.get("CONTENT_LENGTH") or 0)))


def pages(size: int) -> Application:
    """Return an application that lists so many instances, a thousand a page, and knows nothing else."""
    whole = [
        "".join(_ITEM.format(number=number) for number in range(first, min(first + PAGE, size)))
        for first in range(0, size, PAGE)
    ]

    def application(environ: Environ, start: Callable[..., object]) -> Iterable[bytes]:
        asked = parse_qs(_body(environ).decode())
        if asked["Action"] != ["DescribeInstances"]:
            return _answer(start, b"<R/>")
        number = int(asked.get("NextToken", ["0"])[0])
        after = f"<nextToken>{number + 1}</nextToken>" if number + 1 < len(whole) else ""
        return _answer(start, f"<R><reservationSet>{whole[number]}</reservationSet>{after}</R>".encode())

    return application


def _answer(start: Callable[..., object], body: bytes) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _faults() -> Faults:
    sys.path.insert(0, str(SUPPORT))
    return cast("Faults", import_module("aws_cloud.wire").faults)


def main(size: int) -> None:
    """Serve on a free port, print its address, and end when nobody reads any more; size 0 is moto."""
    import logging
    import threading

    from werkzeug.serving import make_server

    logging.disable()
    if size:
        inner = pages(size)
    else:
        # Without an image of its own, moto looks through 1,300 others for every instance.
        os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        inner = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, Counting(inner, _faults()), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    os._exit(0)  # a request under way needn't be waited for


if __name__ == "__main__":
    main(int(sys.argv[1]))
