"""Calls of AWS's query APIs over libcloud's signed connection: typed parameters in, elements out, every page."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import attrs

from vmpattern_aws.calls import CHANGES, S3, SERVICES, Service
from vmpattern_aws.credentials import Source
from vmpattern_aws.faults import TABLE, parsed, read_fault
from vmpattern_aws.signing import Signed
from vmpattern_libcloud import Deadline, Endpoint, Fault, Page, Reply, Request, Session, Subject, every_page

Param: TypeAlias = "str | int | float | bool | Sequence[Param] | Mapping[str, Param] | None"
Params: TypeAlias = Mapping[str, Param]


class Api:
    """Calls services in one region, as one account; an address in `reached` is that of all services."""

    def __init__(
        self,
        reached: Endpoint,
        region: str,
        credentials: Source,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.region = region
        self._sessions: dict[str, Session] = {}
        services = {one.name: one for one in (*SERVICES.values(), S3)}
        for service in services.values():
            self._sessions[service.name] = Session(
                reached if reached.url else attrs.evolve(reached, url=address(service, region), named_by="region"),
                errors=TABLE,
                read_fault=_Reader(now),
                connect=partial(Signed, service=service.name, region=region, credentials=credentials),
                secrets=lambda: credentials().secrets(),
            )

    def call(self, action: str, params: Params, deadline: Deadline, *, subject: Subject | None = None) -> ET.Element:
        """Make one call, and return the root of its answer.

        Raises:
            DriverError: as the table says.
        """
        service = SERVICES[action]
        about = attrs.evolve(subject or Subject(what=action), what=action, mutating=action in CHANGES)
        written = {"Action": action, "Version": service.version, **dict(flattened(params, service.each))}
        request = Request(
            subject=about,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            body=urlencode(written).encode(),
        )
        reply = self._sessions[service.name].send(request, deadline)
        try:
            return parsed(reply.body)
        except ET.ParseError:
            # An answer that nobody can read: of a change, nothing is known.
            fault = Fault(status=502, message=f"an answer of {len(reply.body)} bytes that isn't XML")
            raise self._sessions[service.name].refusal(fault, about) from None

    def pages(self, action: str, params: Params, items: str, deadline: Deadline) -> list[ET.Element]:
        """Make a call for every page, and return the elements at the path `items` of all of them."""

        def fetch(mark: str) -> Page[ET.Element]:
            root = self.call(action, {**params, **({"NextToken": mark} if mark else {})}, deadline)
            return Page(root.findall(items), root.findtext("nextToken") or root.findtext(".//NextToken") or "")

        return every_page(fetch)

    def s3(self, request: Request, deadline: Deadline) -> Reply:
        """Send a request to the object store."""
        return self._sessions[S3.name].send(request, deadline)

    def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            session.close()


@attrs.frozen
class _Reader:
    """Reads faults at the moment at which they come."""

    _now: Callable[[], float]

    def __call__(self, reply: Reply) -> Fault:
        return read_fault(reply, now=self._now())


def address(service: Service, region: str) -> str:
    """Return where a service is in a region."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service.name}.{region}.{suffix}"


def flattened(value: Param, each: str, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield parameters as the query APIs write them; what is None is left out.

    `each` stands between the name of a list and the number of an item, which counts from 1.

    Example:
        >>> dict(flattened({"Filter": [{"Name": "tag:a", "Value": ["b"]}], "DryRun": True}, ""))
        {'Filter.1.Name': 'tag:a', 'Filter.1.Value.1': 'b', 'DryRun': 'true'}
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flattened(inner, each, f"{name}.{key}" if name else key)
    elif isinstance(value, str | int | float):
        yield name, str(value).lower() if isinstance(value, bool) else str(value)
    elif value is not None:
        for place, inner in enumerate(value, 1):
            yield from flattened(inner, each, f"{name}{each}.{place}")
