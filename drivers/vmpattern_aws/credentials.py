"""Whose name a call bears: the environment's keys, else what botocore finds; that is loaded only when it is needed."""

from collections.abc import Callable, Mapping
from typing import Protocol, cast

import attrs

from vmpattern.errors import Invalid, Scope, ScopeKind, Unauthenticated

_ACCOUNT = Scope(ScopeKind.ACCOUNT)
_INSTALL = "install vmpattern[aws], which reads profiles, SSO, roles and the metadata service"


@attrs.frozen
class Credentials:
    """Keys as calls are signed with them; `token` only for those that expire."""

    key: str
    secret: str = attrs.field(repr=False)
    token: str | None = attrs.field(default=None, repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Return what no error may tell."""
        return (self.secret, self.token) if self.token else (self.secret,)


Source = Callable[[], Credentials]


class _Found(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Refreshing(Protocol):
    def get_frozen_credentials(self) -> _Found: ...


class _Session(Protocol):
    def get_credentials(self) -> _Refreshing | None: ...

    def get_config_variable(self, name: str) -> object: ...


def source(profile: str | None, environ: Mapping[str, str]) -> Source:
    """Return where credentials come from: the same places, in the same order, as the AWS tools look at.

    Guarantees:
        Keys of the environment need no further library; everything else is looked for at the first call.
    """
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if profile is None and key and secret:
        found = Credentials(key, secret, environ.get("AWS_SESSION_TOKEN") or None)
        return lambda: found
    return _Chain(profile)


class _Chain:
    """botocore's chain: profiles, SSO, assumed roles, containers, the metadata service. It refreshes what expires."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._found: _Refreshing | None = None

    def __call__(self) -> Credentials:
        try:
            if self._found is None:
                self._found = session(self._profile).get_credentials()
            if self._found is None:
                raise Unauthenticated(
                    "no credentials for AWS were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                    "log in with aws sso login, name a profile, or run on a VM that has a role",
                    code="NoCredentials",
                    scope=_ACCOUNT,
                )
            frozen = self._found.get_frozen_credentials()
        except _botocore_error() as error:
            raise Unauthenticated(f"AWS gives no credentials: {error}", code="NoCredentials", scope=_ACCOUNT) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def session(profile: str | None) -> _Session:
    """Make a session of botocore's.

    Raises:
        Unauthenticated: it isn't installed.
    """
    try:
        import botocore.session  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        text = f"no keys are in the environment, and without botocore nothing else is looked at: {_INSTALL}"
        raise Unauthenticated(text, code="NoBotocore", scope=_ACCOUNT) from error
    return cast("_Session", botocore.session.Session(profile=profile))


def _botocore_error() -> type[Exception]:
    from botocore.exceptions import BotoCoreError  # pyright: ignore[reportMissingTypeStubs]

    return cast("type[Exception]", BotoCoreError)


def holder(profile: str | None, environ: Mapping[str, str]) -> str:
    """Return by what name the same credentials are found again; two names may still be of one account."""
    key = environ.get("AWS_ACCESS_KEY_ID")
    if profile is None and key and environ.get("AWS_SECRET_ACCESS_KEY"):
        return f"the key {key}"
    named = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    return f"the profile {named}"


def region(named: str | None, profile: str | None, environ: Mapping[str, str]) -> str:
    """Return the region: as the options name it, else the environment, else the profile.

    Raises:
        Invalid: none of them does.
    """
    found: object = named or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not found:
        try:
            found = session(profile).get_config_variable("region")
        except Unauthenticated:
            found = None
    if not isinstance(found, str):
        raise Invalid("no region is known: name it in the cloud's options, as region", code="NoRegion", field="region")
    return found
