"""OpenStack's services as one verb uses them: within its deadline, about its subject, every page read."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, TypeVar
from urllib.parse import parse_qs, urlsplit

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Denied, DriverError, Invalid, NotFound, Scope, ScopeKind, Transient, Unauthenticated
from vmpattern_libcloud import Deadline, Endpoint, Page, Reply, Request, Session, Subject, document, every_page
from vmpattern_openstack.answers import Json, parsed
from vmpattern_openstack.errors import TABLE, read_fault
from vmpattern_openstack.identity import Identity, Token
from vmpattern_openstack.login import Login

Answer = TypeVar("Answer")
Now = Callable[[], float]
_NOTHING: Mapping[str, str] = immutabledict()

RECENT_S = 15.0
"""So long what the cloud told counts as what there is now."""
DIAGNOSTICS, TAGS, FLAVOR_SPECS, VOLUME_TYPES = "2.48", "2.52", "2.61", "2.67"
"""Nova's microversions: with diagnostics that are the same for every hypervisor, with tags at a launch, with extra
specs of flavors, and with types of root volumes."""


class Api:
    """The services of one login, each with a session of its own. `page_size` is that of Nova's lists."""

    def __init__(self, login: Login, *, timeout_s: float, page_size: int, proxy: str | None, now: Now) -> None:
        self._login = login
        self._timeout_s = timeout_s
        self._proxy = proxy
        self._now = now
        self.page_size = page_size
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self.identity: Identity = Identity(login, self.session(login.url), now=now)

    def calls(self, what: str, *, mutating: bool = False, subject: Subject | None = None) -> "Calls":
        """Return what a verb makes its calls with; its time begins now."""
        about = attrs.evolve(subject or Subject(what=what), what=what, mutating=mutating)
        return Calls(self, about, Deadline(self._timeout_s))

    def session(self, url: str) -> Session:
        """Return the session with an address."""
        with self._lock:
            if url not in self._sessions:
                self._sessions[url] = self._made(url)
            return self._sessions[url]

    def close(self) -> None:
        """Let go of every connection."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close()

    def _made(self, url: str) -> Session:
        endpoint = Endpoint(url=url, ca_file=self._login.ca_file, verify=self._login.verify, proxy=self._proxy)
        return Session(
            endpoint,
            errors=TABLE,
            read_fault=lambda reply: read_fault(reply, now=self._now()),
            secrets=lambda: self.identity.secrets(),
        )


class Calls:
    """The calls of one verb; what they may raise is any `DriverError`."""

    def __init__(self, api: Api, subject: Subject, deadline: Deadline) -> None:
        self._api = api
        self._deadline = deadline
        self._fresh: Token | None = None
        self._old = True
        self.subject = subject
        self.page_size: int = api.page_size

    def project(self) -> str | None:
        """Return the id of the project that is asked about, None where the token is of none."""
        return self._token().project

    def of_project(self, params: Mapping[str, str]) -> Mapping[str, str]:
        """Return the parameters of a list of Neutron's for this project alone: an administrator sees all of them."""
        project = self.project()
        return {**params, "project_id": project} if project else params

    def get(self, service: str, path: str, params: Mapping[str, str] = _NOTHING, *, version: str = TAGS) -> Json:
        """Read one document."""
        return self._send(service, "GET", path, params=params, mutating=False, version=version)

    def find(self, service: str, path: str) -> Json | None:
        """Read one document, None where there is none."""
        try:
            return self.get(service, path)
        except NotFound:
            return None

    def ask(self, service: str, path: str, body: Json) -> Json:
        """Ask with a body, without an effect."""
        return self._send(service, "POST", path, body=body, mutating=False)

    def change(self, service: str, method: str, path: str, body: Json | None = None, *, version: str = TAGS) -> Json:
        """Change something."""
        return self._send(service, method, path, body=body, mutating=True, version=version)

    def upload(self, service: str, path: str, file: BinaryIO) -> None:
        """Send a file as it is, without holding it in memory."""
        self._send(service, "PUT", path, body=file, mutating=True)

    def has(self, service: str) -> bool:
        """Tell whether the catalogue has a service."""
        return service in self._token().urls

    def url(self, service: str) -> str:
        """Return the address of a service.

        Raises:
            Invalid: the catalogue has none.
        """
        found = self._token().urls.get(service)
        if found is None:
            text = f"{self.subject.what}: the catalogue has no service {service} in this region"
            raise Invalid(text, code="NoService", scope=Scope(ScopeKind.REGION))
        return found

    def exchange(
        self, service: str, method: str, path: str, *, headers: Mapping[str, str] = _NOTHING, body: bytes = b""
    ) -> Mapping[str, str]:
        """Send what isn't JSON, and return the headers of the answer, whose names are in small letters."""
        mutating = method not in ("GET", "HEAD")
        return self._reply(service, method, path, headers=headers, body=body, mutating=mutating).headers

    def is_open(self, service: str, path: str, params: Mapping[str, str]) -> bool:
        """Tell whether anybody may read at an address, without a token; `params` are in no error."""
        subject = attrs.evolve(self.subject, mutating=False, secrets=(*self.subject.secrets, *params.values()))
        request = Request(subject=subject, method="HEAD", path=path, params=params)
        try:
            self._api.session(self.url(service)).send(request, self._deadline)
        except (Unauthenticated, Denied):
            return False
        return True

    def every(
        self,
        kind: type[Answer],
        service: str,
        path: str,
        params: Mapping[str, str] = _NOTHING,
        *,
        key: str,
        version: str = TAGS,
        follow: Callable[[Sequence[Answer], str], str] = lambda _, told: told,
    ) -> list[Answer]:
        """Read every page of a list that stands under a key of each document.

        Args:
            follow: returns the mark of the next page for the rows of a page and the mark that it tells; none: "".
        """

        def fetch(mark: str) -> Page[Answer]:
            marked = {**params, "marker": mark} if mark else params
            found = self.get(service, path, marked, version=version)
            rows = found.get(key)
            if not isinstance(rows, list):
                raise Invalid(f"{self.subject.what}: the answer has no list {key}", code="UnreadableAnswer")
            items = [parsed(kind, row, self.subject.what) for row in rows]
            return Page(items, after=follow(items, _mark(found, key)))

        return every_page(fetch)

    def parsed(self, kind: type[Answer], value: object) -> Answer:
        """Make a value of a part of an answer."""
        return parsed(kind, value, self.subject.what)

    def _token(self) -> Token:
        if self._fresh is None:
            before = self._api.identity.at_hand
            self._fresh = self._api.identity.token(self._deadline)
            self._old = self._fresh is before
        return self._fresh

    def _send(
        self,
        service: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] = _NOTHING,
        body: Json | BinaryIO | None = None,
        mutating: bool,
        version: str = TAGS,
    ) -> Json:
        kind, data = _content(body)
        headers = {"Accept": "application/json", **kind}
        if service == "compute":
            headers["OpenStack-API-Version"] = f"compute {version}"
        reply = self._reply(service, method, path, params=params, headers=headers, body=data, mutating=mutating)
        return {} if mutating and not reply.body else document(reply, self.subject.what)

    def _reply(
        self,
        service: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str],
        body: bytes | BinaryIO,
        mutating: bool,
    ) -> Reply:
        token = self._token()
        request = Request(
            subject=attrs.evolve(self.subject, mutating=mutating),
            method=method,
            path=path,
            params=params,
            headers={"X-Auth-Token": token.id, **headers},
            body=body,
        )
        try:
            return self._api.session(self.url(service)).send(request, self._deadline)
        except Unauthenticated as error:
            raise self._refused(token, error) from error

    def _refused(self, token: Token, error: Unauthenticated) -> DriverError:
        """Drop a token that was refused; one that was just fetched is refused for good."""
        self._api.identity.forget(token)
        if not self._old:
            return error
        text = f"{self.subject.what}: the token isn't taken any more; the next call gets a new one"
        return Transient(text, code="TokenRefused", scope=Scope(ScopeKind.ACCOUNT), request_id=error.request_id)


def _content(body: Json | BinaryIO | None) -> tuple[Mapping[str, str], bytes | BinaryIO]:
    if body is None:
        return {}, b""
    if isinstance(body, Mapping):
        return {"Content-Type": "application/json"}, json.dumps(body).encode()
    return {"Content-Type": "application/octet-stream"}, body


def _mark(found: Json, key: str) -> str:
    """Return the mark of the next page: Nova, Neutron and Octavia link to it in a list, Glance by a path."""
    links = found.get(f"{key}_links")
    told = [str(link["href"]) for link in links if link["rel"] == "next"] if isinstance(links, list) else []
    following = next(iter(told), "") or str(found.get("next") or "")
    return parse_qs(urlsplit(following).query).get("marker", [""])[0] if following else ""
