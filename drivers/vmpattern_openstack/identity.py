"""Tokens of Keystone, with the catalogue that comes along: fetched when one is needed, renewed before it runs out."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Invalid, Scope, ScopeKind
from vmpattern_libcloud import Deadline, Request, Session, Subject, document
from vmpattern_openstack.answers import parsed
from vmpattern_openstack.login import APPLICATION, METHODS, TOKEN, Login

MARGIN_S = 30.0
"""A token is renewed so long before its end, or at half its life if it is short."""

TYPES: Mapping[str, tuple[str, ...]] = {
    "compute": ("compute",),
    "image": ("image",),
    "network": ("network",),
    "load-balancer": ("load-balancer", "load_balancer"),
    "object-store": ("object-store",),
}
"""The services, and what catalogues call them."""

PATHS: Mapping[str, str] = {"image": "/v2", "network": "/v2.0", "load-balancer": "/v2"}
"""The version that is put after an endpoint which names none."""

WHAT = Subject(what="ask Keystone for a token")


@attrs.frozen(kw_only=True)
class _Endpoint:
    interface: str
    url: str
    region: str | None = None


@attrs.frozen(kw_only=True)
class _Entry:
    type: str
    endpoints: tuple[_Endpoint, ...] = ()


@attrs.frozen(kw_only=True)
class _Project:
    id: str


@attrs.frozen(kw_only=True)
class _Body:
    expires_at: datetime
    issued_at: datetime
    project: _Project | None = None
    catalog: tuple[_Entry, ...] = ()


@attrs.frozen(kw_only=True)
class Token:
    """A token, and when it should be renewed, in epoch seconds of this machine; `project` is the id of its project."""

    id: str = attrs.field(repr=False)
    renew_at: float
    project: str | None = None
    urls: Mapping[str, str] = immutabledict()


class Identity:
    """The token of one login, shared by threads. `now` tells epoch seconds."""

    def __init__(self, login: Login, session: Session, *, now: Callable[[], float]) -> None:
        self._login = login
        self._session = session
        self._now = now
        self._lock = threading.Lock()
        self._token: Token | None = None

    def token(self, deadline: Deadline) -> Token:
        """Return the token at hand, or a new one where that runs out.

        Raises:
            Unauthenticated: Keystone doesn't know who asks.
            DriverError: Keystone can't be asked.
        """
        with self._lock:
            if self._token is None or self._now() >= self._token.renew_at:
                self._token = self._fetch(deadline)
            return self._token

    @property
    def at_hand(self) -> Token | None:
        """The token that was fetched last; asks nobody."""
        return self._token

    def forget(self, token: Token) -> None:
        """Drop a token that a service doesn't take any more, unless it was renewed since."""
        with self._lock:
            if self._token is token:
                self._token = None

    def secrets(self) -> tuple[str, ...]:
        """Return what no message may contain."""
        token = self._token
        return (*self._login.secrets, *((token.id,) if token else ()))

    def _fetch(self, deadline: Deadline) -> Token:
        asked_at = self._now()
        request = Request(
            subject=WHAT,
            method="POST",
            path="/auth/tokens",
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=json.dumps(token_request(self._login)).encode(),
        )
        reply = self._session.send(request, deadline)
        body = parsed(_Body, document(reply, WHAT.what).get("token"), WHAT.what)
        # Keystone's clock may be another than this machine's: only the span counts.
        life_s = (body.expires_at - body.issued_at).total_seconds()
        return Token(
            id=reply.headers.get("x-subject-token", ""),
            renew_at=asked_at + life_s - min(MARGIN_S, life_s / 2),
            project=body.project.id if body.project else None,
            urls=urls(body.catalog, self._login),
        )


def token_request(login: Login) -> Mapping[str, object]:
    """Return the body with which a token is asked for."""
    auth, method = login.auth, METHODS[login.method]
    if method == APPLICATION:
        named = {"name": auth.get("application_credential_name"), "user": _user(auth)}
        own = {"id": auth["application_credential_id"]} if "application_credential_id" in auth else named
        given: dict[str, object] = {**own, "secret": auth["application_credential_secret"]}
    elif method == TOKEN:
        given = {"id": auth["token"]}
    else:
        given = {"user": {**_user(auth), "password": auth["password"]}}
    identity = {"methods": [method], method: given}
    # An application credential is of one project, and Keystone takes no other word on it.
    scope = {} if method == APPLICATION else {"scope": {"project": _project(auth)}}
    return {"auth": {"identity": identity, **scope}}


def _user(auth: Mapping[str, str]) -> Mapping[str, object]:
    return {"id": auth["user_id"]} if "user_id" in auth else _in_domain(auth.get("username", ""), auth, "user")


def _project(auth: Mapping[str, str]) -> Mapping[str, object]:
    return {"id": auth["project_id"]} if "project_id" in auth else _in_domain(auth["project_name"], auth, "project")


def _in_domain(name: str, auth: Mapping[str, str], what: str) -> Mapping[str, object]:
    by_name = auth.get(f"{what}_domain_name")
    return {"name": name, "domain": {"name": by_name} if by_name else {"id": auth.get(f"{what}_domain_id", "default")}}


def urls(catalog: tuple[_Entry, ...], login: Login) -> Mapping[str, str]:
    """Return each service's address in the login's region; a service that has none there is left out.

    Raises:
        Invalid: the region isn't in the catalogue; or none is named, and there are several.
    """
    regions = {one.region for entry in catalog for one in entry.endpoints if one.region}
    if login.region is None:
        _refuse_several(catalog, login)
    if login.region is not None and regions and login.region not in regions:
        text = f"there is no region {login.region!r}; there are: {', '.join(sorted(regions))}"
        raise Invalid(text, code="NoRegion", field="region", scope=Scope(ScopeKind.ACCOUNT))
    found: dict[str, str] = {}
    for name, types in TYPES.items():
        told = (
            one.url
            for entry in catalog
            if entry.type in types
            for one in entry.endpoints
            if one.interface == login.interface and login.region in (None, one.region)
        )
        if url := login.endpoints.get(name) or next(told, ""):
            found[name] = _versioned(url.rstrip("/"), PATHS.get(name, ""))
    return immutabledict(found)


def _refuse_several(catalog: tuple[_Entry, ...], login: Login) -> None:
    """Refuse to choose a region, where services that are asked have addresses in several: they wouldn't be one cloud.

    Raises:
        Invalid: there are several; names them.
    """
    asked = {kind for name, types in TYPES.items() if name not in login.endpoints for kind in types}
    ends = (one for entry in catalog if entry.type in asked for one in entry.endpoints)
    several = sorted({one.region for one in ends if one.region and one.interface == login.interface})
    if len(several) > 1:
        text = f"the cloud has the regions {', '.join(several)}, and none is named: say which, as  region = ..."
        raise Invalid(text, code="SeveralRegions", field="region", scope=Scope(ScopeKind.ACCOUNT))


def _versioned(url: str, path: str) -> str:
    last = url.rpartition("/")[2]
    return url if last[:1] == "v" and last[1:2].isdigit() else url + path
