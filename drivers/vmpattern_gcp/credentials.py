"""Who asks: tokens of google-auth, by a service account's key or the application-default credentials; none is kept."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from vmpattern.errors import Scope, ScopeKind, Transient, Unauthenticated
from vmpattern_libcloud import redacted

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
PATIENCE_S = 10
ACCOUNT = Scope(ScopeKind.ACCOUNT)
LOG_IN = "run  gcloud auth application-default login, or name a key file in the cloud's option `credentials`"


class Credentials(Protocol):
    """Something that has a token for the next request."""

    def token(self) -> str:
        """Return a token that is valid now.

        Raises:
            Unauthenticated: there is none to be had.
            Transient: whoever gives it can't be reached.
        """
        ...

    def project(self) -> str | None:
        """Return the project that these credentials are of, None where they don't say."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """Return what no message may contain; asks nobody."""
        ...


class GoogleCredentials:
    """Tokens that google-auth fetches and renews: from a key file, else from wherever Google's own tools look."""

    def __init__(self, path: Path | None, *, proxy: str | None = None) -> None:
        self._path = path
        self._proxy = proxy
        self._lock = threading.Lock()
        self._found: tuple[Any, str | None] | None = None

    def token(self) -> str:
        """Return the token at hand, or a new one where it has run out."""
        with self._lock:
            credentials, _ = self._load()
            if not credentials.valid:
                self._guarded(lambda: credentials.refresh(_request(self._proxy)))
            return str(credentials.token)

    def project(self) -> str | None:
        """Return the project that was found with the credentials."""
        with self._lock:
            return self._load()[1]

    def secrets(self) -> tuple[str, ...]:
        """Return the token at hand, if there is one."""
        token = self._found[0].token if self._found is not None else None
        return (str(token),) if token else ()

    def _load(self) -> tuple[Any, str | None]:
        found = self._found or self._guarded(self._look)
        self._found = found
        return found

    def _look(self) -> tuple[Any, str | None]:
        import google.auth
        from google.oauth2 import service_account

        if self._path is None:
            return google.auth.default(scopes=SCOPES, request=_request(self._proxy))
        load = cast("Callable[..., Any]", service_account.Credentials.from_service_account_file)
        credentials = load(str(self._path), scopes=SCOPES)
        return credentials, credentials.project_id

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            from google.auth import exceptions
        except ImportError as error:
            text = "google-auth isn't installed: run  python -m pip install 'vmpattern[gcp]'"
            raise Unauthenticated(text, code="NoGoogleAuth", scope=ACCOUNT) from error
        try:
            return call()
        except exceptions.TransportError as error:
            raise Transient(f"whoever gives Google's tokens can't be reached: {error}", code="NoToken") from error
        except (exceptions.GoogleAuthError, OSError, ValueError) as error:
            where = f"the key file {self._path} gives" if self._path else "the application-default credentials give"
            # What is said of a key that can't be read may hold part of it.
            said = redacted(str(error), ()) if isinstance(error, exceptions.GoogleAuthError) else type(error).__name__
            text = f"{where} no token ({said}); {LOG_IN}"
            raise Unauthenticated(text, code=type(error).__name__, scope=ACCOUNT) from None


def _request(proxy: str | None) -> Any:
    import functools

    import requests
    from google.auth.transport.requests import Request

    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": proxy, "http": proxy} if proxy else {}
    return functools.partial(Request(session), timeout=PATIENCE_S)
