"""libcloud's connections, made quiet: no environment, no redirects, no retries, and TLS as the driver's options say."""

import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import attrs
import certifi
import urllib3
from immutabledict import immutabledict
from libcloud.common.base import Connection, Response
from libcloud.http import LibcloudConnection
from urllib3.util import parse_url
from urllib3.util.ssl_ import create_urllib3_context

from vmpattern_libcloud.errors import Subject

Connect: TypeAlias = Callable[..., Connection]
"""Makes a connection of libcloud's; called with `secure`, `host` and `port`."""


def _with_scheme(proxy: str | None) -> str | None:
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where a cloud's API is, and how it is reached.

    `url` has a scheme, a host, and maybe a port and a path that every request's path is put after. `ca_file` holds the
    authorities to trust instead of the usual ones; `verify` False trusts whoever answers. `proxy` is a URL whose scheme
    may be left out if it is http. `named_by` is the option that the host's name was made of, for whom that name leads
    nowhere.
    """

    url: str
    ca_file: Path | None = None
    verify: bool = True
    proxy: str | None = attrs.field(default=None, converter=_with_scheme)
    named_by: str = ""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken there."""
        return urlsplit(self.url).scheme == "https"


_NOTHING: Mapping[str, str] = immutabledict()


@attrs.frozen(kw_only=True)
class Request:
    """One HTTP request, and what its errors are to say: see `Subject`. A file as its body is read as it is sent."""

    subject: Subject
    method: str = "GET"
    path: str = "/"
    params: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    body: bytes | BinaryIO = attrs.field(default=b"", repr=False)


@attrs.frozen
class Reply:
    """A provider's answer, whatever its status; the names of `headers` are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Answer(Response):
    """What libcloud makes of an answer: nothing but its parts. Each is the caller's own, so threads share none."""

    def __init__(self, response: urllib3.BaseHTTPResponse, connection: Connection) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.reply = Reply(response.status, headers, response.data)


class _Transport:
    """What a connection of libcloud's sends by: one socket at a time, and a look at nothing but the arguments.

    libcloud's own asks the session of requests, which looks into the environment, keeps cookies, follows redirects, and
    takes twice the CPU.
    """

    def __init__(self, origin: str, manager: urllib3.PoolManager) -> None:
        self._origin = origin
        self._manager = manager
        self.timeout = urllib3.Timeout()

    def request(
        self,
        method: str,
        url: str,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> None:
        """Send a request, and take its answer."""
        told = dict(headers or {})
        if body and not isinstance(body, bytes):
            told["Content-Length"] = str(os.stat(body.fileno()).st_size - body.tell())
        # A redirect would carry credentials elsewhere, and turn a POST into a GET.
        self._response = self._manager.urlopen(
            method,
            self._origin + url,
            redirect=False,
            retries=False,
            body=body or None,
            headers=told,
            timeout=self.timeout,
        )

    def getresponse(self) -> urllib3.BaseHTTPResponse:
        """Return the answer."""
        return self._response

    def close(self) -> None:
        """Let go of the socket."""
        self._manager.clear()


def trust(endpoint: Endpoint) -> ssl.SSLContext:
    """Return whom an endpoint's connections trust; it takes its time, and several threads may share it."""
    context = create_urllib3_context()
    if endpoint.verify:
        context.load_verify_locations(endpoint.ca_file or certifi.where())
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _manager(proxy: str | None, context: ssl.SSLContext | None) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(num_pools=1, maxsize=1, ssl_context=context)
    user = parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
    return urllib3.ProxyManager(
        proxy, num_pools=1, maxsize=1, proxy_headers=headers, ssl_context=context, proxy_ssl_context=context
    )


class Line:
    """One thread's connection to an endpoint; made, it doesn't talk to it yet."""

    def __init__(self, endpoint: Endpoint, connect: Connect, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(endpoint.url)
        port = parts.port or (443 if endpoint.secure else 80)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        origin = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
        self._transport = _Transport(origin, _manager(endpoint.proxy, context))
        self._connection = connect(secure=endpoint.secure, host=host, port=port)
        self._connection.request_path = parts.path.rstrip("/")
        self._connection.responseCls = _Answer
        self._connection.connection = cast("LibcloudConnection", self._transport)  # which is asked for no more

    def exchange(self, request: Request, seconds: float) -> Reply:
        """Send a request and return its answer, after at most so many seconds.

        Raises:
            OSError, urllib3.exceptions.HTTPError: there is no answer.
            ValueError: a header has what none may have.
        """
        # A quarter for the connection, the rest but a little for the answer.
        self._transport.timeout = urllib3.Timeout(connect=seconds * 0.25, read=seconds * 0.7)
        answer = self._connection.request(
            request.path,
            method=request.method,
            params=dict(request.params),
            headers=dict(request.headers),
            data=request.body,
            retry_failed=False,
        )
        return cast("_Answer", answer).reply

    def close(self) -> None:
        """Let go of the sockets."""
        self._transport.close()
