"""libcloud's connections, made quiet: no environment, no redirects, no retries, and TLS as the driver's options say."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast
from urllib.parse import urlsplit

import attrs
import requests
from immutabledict import immutabledict
from libcloud.common.base import Connection, Response
from libcloud.http import LibcloudConnection

from vmpattern_libcloud.errors import Subject

Connect: TypeAlias = Callable[..., Connection]
"""Makes a connection of libcloud's; called with `secure`, `host` and `port`."""


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where a cloud's API is, and how it is reached.

    `url` has a scheme, a host, and maybe a port and a path that every request's path is put after. `ca_file` holds the
    authorities to trust instead of the usual ones; `verify` False trusts whoever answers. `named_by` is the option that
    the host's name was made of, for whom that name leads nowhere.
    """

    url: str
    ca_file: Path | None = None
    verify: bool = True
    proxy: str | None = None
    named_by: str = ""


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

    def __init__(self, response: requests.Response, connection: Connection) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.reply = Reply(response.status_code, headers, response.content)


class _Transport(LibcloudConnection):
    """One HTTP session that looks at nothing but its arguments."""

    def __init__(self, *, host: str, port: int, secure: bool, proxy: str | None, trust: bool | str) -> None:
        LibcloudConnection.__init__(self, host, port, secure=secure)
        self._url = str(self.host)
        self._trust = trust
        self.own = requests.Session()
        self.own.trust_env = False
        self.own.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self.wait_s = (0.0, 0.0)

    def request(
        self,
        method: str,
        url: str,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bool = False,
        stream: bool = False,
        hooks: object = None,
    ) -> None:
        # Not made by the session, which would add cookies of earlier answers, and look for settings of its own.
        prepared = requests.Request(method, self._url + url, data=body, headers=dict(headers or {})).prepare()
        # A redirect would carry credentials elsewhere, and turn a POST into a GET.
        self.response = self.own.send(
            prepared, allow_redirects=False, verify=self._trust, timeout=self.wait_s, proxies=self.own.proxies
        )


class Line:
    """One thread's connection to an endpoint; made, it doesn't talk to it yet."""

    def __init__(self, endpoint: Endpoint, connect: Connect) -> None:
        parts = urlsplit(endpoint.url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        trust = str(endpoint.ca_file) if endpoint.verify and endpoint.ca_file else endpoint.verify
        self._transport = _Transport(host=host, port=port, secure=secure, proxy=endpoint.proxy, trust=trust)
        self._connection = connect(secure=secure, host=host, port=port)
        self._connection.request_path = parts.path.rstrip("/")
        self._connection.responseCls = _Answer
        self._connection.connection = self._transport

    def exchange(self, request: Request, seconds: float) -> Reply:
        """Send a request and return its answer, after at most so many seconds.

        Raises:
            OSError, requests.RequestException, urllib3.exceptions.HTTPError: there is no answer.
        """
        # A quarter for the connection, the rest but a little for the answer.
        self._transport.wait_s = (seconds * 0.25, seconds * 0.7)
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
        self._transport.own.close()
