"""Files for builders in the project's object store, Swift's or Ceph's: read by a signed address, gone by themselves.

They are in one container of ours, whose own key signs their addresses. Ceph takes no key of a container, but the
account's, which is used where somebody has set one, and is never set here.
"""

import hmac
import math
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, unquote, urlencode, urlsplit

from vmpattern.errors import DriverError, Invalid, NotFound, Scope, ScopeKind, Transient
from vmpattern_libcloud import ProviderError
from vmpattern_openstack.api import Calls

STORE = "object-store"
CONTAINER = "/vmpattern-staging"
OURS = "x-container-meta-vmpattern"
"""The container's metadata that says whose it is."""

KEY = "x-container-meta-temp-url-key"
ACCOUNT_KEYS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")
DIGESTS = ("sha256", "sha1")
"""What signs an address: what is safe, then what older stores take."""

NOT_EMPTY = 409


def stage(calls: Calls, name: str, data: bytes, *, lifetime_s: float, now: float, key: str) -> str:
    """Put data into an object, and return an address at which anybody reads it for so long.

    Args:
        now: in epoch seconds.
        key: what the container gets as its key, unless it has one.

    Raises:
        Invalid: there is no object store, the container is somebody else's, or no key is honoured.
        Transient: somebody removes the container at the same time.
    """
    if not calls.has(STORE):
        raise Invalid(
            f"{calls.subject.what}: the catalogue has no {STORE} in this region: put the files where builders can fetch"
            " them, with `url` and `sha256`; with  staging = false  in the cloud's options, plans tell it",
            code="NoService",
            scope=Scope(ScopeKind.REGION),
        )
    _open_container(calls, key)
    path = _path(name)
    try:
        # A whole second at least, and none too few.
        calls.exchange(STORE, "PUT", path, headers={"X-Delete-After": str(max(1, math.ceil(lifetime_s)))}, body=data)
        query = _honoured(calls, path, until=int(now + lifetime_s))
    except NotFound as error:
        text = f"{calls.subject.what}: somebody has removed it meanwhile; the same again puts it back"
        raise Transient(text, code="Removed") from error
    return f"{calls.url(STORE)}{path}?{urlencode(query)}"


def unstage(calls: Calls, names: Sequence[str]) -> None:
    """Delete objects, and the container with the last of them; what isn't there, or isn't ours, is left."""
    found = _headers(calls, CONTAINER) if calls.has(STORE) else None
    if found is None or OURS not in found:
        return
    for path in (*map(_path, names), CONTAINER):
        try:
            calls.exchange(STORE, "DELETE", path)
        except NotFound:
            continue
        except DriverError as error:
            if path != CONTAINER or not _is_not_empty(error):
                raise


def signed(path: str, key: str, digest: str, until: int) -> Mapping[str, str]:
    """Return the query by which anybody reads at a path, as it is without quotes, until a moment in epoch seconds.

    Source: Swift's temporary URLs, docs.openstack.org/swift/latest/api/temporary_url_middleware.html.
    """
    signature = hmac.new(key.encode(), f"GET\n{until}\n{path}".encode(), digest).hexdigest()
    return {"temp_url_sig": signature, "temp_url_expires": str(until)}


def _open_container(calls: Calls, key: str) -> None:
    found = _headers(calls, CONTAINER)
    if found is not None and OURS not in found:
        text = f"{calls.subject.what}: the container {CONTAINER[1:]} lacks our mark, and isn't touched: rename it"
        raise Invalid(text, code="NotOurs")
    if found is None or KEY not in found:
        calls.exchange(STORE, "PUT" if found is None else "POST", CONTAINER, headers={OURS: "staging", KEY: key})


def _honoured(calls: Calls, path: str, *, until: int) -> Mapping[str, str]:
    """Return the first signature with which the store lets anybody read."""
    whole = unquote(urlsplit(calls.url(STORE)).path + path)
    for key in _keys(calls):
        for digest in DIGESTS:
            query = signed(whole, key, digest, until)
            if calls.is_open(STORE, path, query):
                return query
    raise Invalid(
        f"{calls.subject.what}: the object store takes no signed address: look at this machine's clock; where it takes"
        " no keys of containers, as Ceph doesn't, set the account's once:"
        '  swift post -m "Temp-URL-Key:$(openssl rand -hex 32)"',
        code="NoSignature",
        scope=Scope(ScopeKind.ACCOUNT),
    )


def _keys(calls: Calls) -> Iterator[str]:
    # Read after the upload: of two that opened the container at once, both find the key that stayed. Nothing better is
    # to be had, as a store sets metadata without conditions.
    yield from filter(None, [calls.exchange(STORE, "HEAD", CONTAINER).get(KEY)])
    account = calls.exchange(STORE, "HEAD", "")
    yield from (account[name] for name in ACCOUNT_KEYS if account.get(name))


def _headers(calls: Calls, path: str) -> Mapping[str, str] | None:
    try:
        return calls.exchange(STORE, "HEAD", path)
    except NotFound:
        return None


def _is_not_empty(error: DriverError) -> bool:
    return isinstance(error.__cause__, ProviderError) and error.__cause__.fault.status == NOT_EMPTY


def _path(name: str) -> str:
    return f"{CONTAINER}/{quote(name, safe='')}"
