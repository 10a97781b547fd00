"""From a provider's answer to the error that says what to do next: in one place, by a table that each driver supplies.

Values in, errors out: nothing here talks to a cloud.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from urllib.parse import quote, quote_plus

import attrs

from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    KeyConflict,
    KeySpent,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
    Unsupported,
)

LONGEST = 600
"""So many characters of a provider's text are told."""

SECRET_FROM = 4
"""A shorter value is in too many words to be a secret, or to be taken out of a text."""


@attrs.frozen(kw_only=True)
class Fault:
    """What a provider said of a request that it refused; `code` is empty where the answer has none of its own."""

    status: int
    code: str = ""
    message: str = ""
    request_id: str = ""
    retry_after_s: float | None = None


class ProviderError(Exception):
    """The provider's own words, as the cause of what was made of them; secrets are taken out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        fault = self.fault
        return f"HTTP {fault.status} {fault.code}: {fault.message}"


class Failure(enum.Enum):
    """Why there is no answer, and whether the request can have had an effect."""

    UNSENT = "not sent"  # nothing was sent: no effect
    UNTRUSTED = "not trusted"  # the other side couldn't prove who it is: nothing was sent, and nothing ever will be
    UNANSWERED = "not answered"  # it was sent, as far as one can know


class NoAnswer(Exception):
    """A request without an answer; secrets are taken out of the text."""

    def __init__(self, failure: Failure, text: str) -> None:
        super().__init__(failure, text)
        self.failure = failure
        self.text = text

    def __str__(self) -> str:
        return f"{self.failure.value}: {self.text}"


@attrs.frozen(kw_only=True)
class Subject:
    """What a request is about, as far as its errors must know.

    `what` names the call, `mutating` tells whether it may change something. Zone, machine type, its family (a pattern)
    and market name the scope of an error that reaches no further. `secrets` are in no error.
    """

    what: str
    mutating: bool = False
    zone: str | None = None
    machine_type: str | None = None
    market: str | None = None
    family: str | None = None
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Rule:
    """What is raised for an answer: `code` and `message` are patterns of the shell's kind, `status` is HTTP's.

    `scope` None: as far as such an error usually reaches; `of_market`: in the request's market only. `hint` says what a
    person can do.
    """

    code: str
    error: type[DriverError]
    scope: ScopeKind | None = attrs.field(default=None, kw_only=True)
    of_market: bool = attrs.field(default=False, kw_only=True)
    message: str = attrs.field(default="*", kw_only=True)
    status: int | None = attrs.field(default=None, kw_only=True)
    field: str = attrs.field(default="", kw_only=True)
    hint: str = attrs.field(default="", kw_only=True)

    def matches(self, fault: Fault, code: str) -> bool:
        """Tell whether the rule is about that answer."""
        return (
            self.status in (None, fault.status)
            and fnmatchcase(code, self.code)
            and fnmatchcase(fault.message.lower(), self.message.lower())
        )

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """How specific the rule is: a whole code, then the letters of a pattern, then a message, then a status."""
        letters = len(re.sub(r"[*?]|\[[^]]*\]", "", self.code))
        whole = letters == len(self.code)
        return whole, letters, len(self.message.strip("*")), self.status is not None


WIDE: Mapping[type[DriverError], ScopeKind] = {
    Throttled: ScopeKind.ACCOUNT,
    OutOfCapacity: ScopeKind.MACHINE_TYPE,
    QuotaExceeded: ScopeKind.ACCOUNT,
    Denied: ScopeKind.ACCOUNT,
    Unauthenticated: ScopeKind.ACCOUNT,
    NotFound: ScopeKind.INSTANCE,
    KeySpent: ScopeKind.INSTANCE,
    KeyConflict: ScopeKind.INSTANCE,
}
"""How far an error reaches unless a rule says otherwise; what isn't here is about the cloud."""

HINTS: Mapping[type[DriverError], str] = {
    QuotaExceeded: "ask the provider for a higher limit, or free some of it",
    Denied: "grant the permission to these credentials",
    Unauthenticated: "renew the credentials",
}

SHARED = (
    Rule("*", Unauthenticated, status=401),
    Rule("*", Denied, status=403),
    Rule("*", NotFound, status=404),
    Rule("*", Throttled, status=429),
    Rule("*", Unsupported, status=501),
    # An answer without a code of its own is a gateway's; one with a code that nobody knows is never tried again.
    Rule("HTTP408", Transient),
    Rule("HTTP500", Transient),
    Rule("HTTP502", Transient),
    Rule("HTTP503", Transient),
    Rule("HTTP504", Transient),
)
"""What HTTP itself says; every table has these."""


class ErrorTable:
    """Rules by which answers become errors: the most specific that matches wins, the earlier of two alike.

    Guarantees:
        A code that no rule knows is never `Transient`. It is `Invalid`, or `OutcomeUnknown` where the provider failed
        at a request that may have had an effect; so is there what would be `Transient` elsewhere.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = sorted((*rules, *SHARED), key=lambda rule: rule.weight, reverse=True)

    def error(self, fault: Fault, subject: Subject) -> DriverError:
        """Return what is to be raised for an answer, with the provider's words as its cause."""
        code = fault.code or f"HTTP{fault.status}"
        unknown = OutcomeUnknown if subject.mutating and fault.status >= 500 else Invalid
        rule = next((rule for rule in self._rules if rule.matches(fault, code)), Rule(code, unknown))
        kind = rule.error
        if kind is Transient and subject.mutating and fault.status >= 500:
            kind = OutcomeUnknown
        told = attrs.evolve(fault, code=code, message=redacted(fault.message, subject.secrets))
        hint = rule.hint or HINTS.get(kind, "")
        text = f"{subject.what}: {told.message or f'HTTP status {fault.status}'}"
        error = kind(
            f"{text}; {hint}" if hint else text,
            code=code,
            scope=scope_of(rule.scope or WIDE.get(kind, ScopeKind.CLOUD), subject, of_market=rule.of_market),
            retry_after_s=fault.retry_after_s,
            request_id=fault.request_id,
            field=rule.field,
        )
        error.__cause__ = ProviderError(told)
        return error


def unanswered(problem: NoAnswer, subject: Subject) -> DriverError:
    """Return what is to be raised where there was no answer: `OutcomeUnknown` if an effect is possible."""
    text = f"{subject.what}: {problem}"
    if problem.failure is Failure.UNTRUSTED:
        error: DriverError = Invalid(
            f"{text}; name the authority that signed the certificate, or mend the address of the API",
            code="Untrusted",
        )
    elif problem.failure is Failure.UNANSWERED and subject.mutating:
        error = OutcomeUnknown(text, code="NoAnswer")
    else:
        error = Transient(text, code="NoAnswer" if problem.failure is Failure.UNANSWERED else "NotSent")
    error.__cause__ = problem
    return error


def scope_of(kind: ScopeKind, subject: Subject, *, of_market: bool = False) -> Scope:
    """Return the scope of that kind, named after the request; one that can't be named reaches as far as the region.

    `of_market` narrows a scope that is wider than a zone to the request's market.
    """
    market = subject.market if of_market else None
    if kind is ScopeKind.MACHINE_TYPE and subject.zone and subject.machine_type:
        return Scope(kind, zone=subject.zone, machine_type=subject.machine_type, market=subject.market)
    if kind is ScopeKind.ZONE and subject.zone:
        return Scope(kind, zone=subject.zone, market=subject.market)
    if kind is ScopeKind.FAMILY and subject.machine_type and subject.family:
        return Scope(kind, machine_type=subject.machine_type, family=subject.family, market=market)
    if kind in (ScopeKind.MACHINE_TYPE, ScopeKind.ZONE, ScopeKind.FAMILY):
        return Scope(ScopeKind.REGION, market=market)
    return Scope(kind, market=market)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return the text on one line, without secrets, without long runs of letters (tokens, encoded files), and not long.

    Secrets are found as they are and as a URL has them; those of less than `SECRET_FROM` characters stay.
    """
    for secret in sorted({form for one in secrets for form in (one, quote(one, safe=""), quote_plus(one))}, key=len):
        if len(secret) >= SECRET_FROM:
            text = text.replace(secret, "…")
    text = re.sub(r"[A-Za-z0-9+/=_%-]{120,}", "…", " ".join(text.split()))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
