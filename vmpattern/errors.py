"""Every error that vmpattern raises, told apart by what the caller does next.

VmpatternError
├── SpecError            a file or a value is wrong: lists every problem with its place
├── Refused              asked for something that would be unsafe or can't be done: nothing was touched
│   ├── StalePlan        the plan no longer fits what is running
│   ├── DamagedPlan      the saved plan was edited, cut short or made by another version
│   └── Locked           another apply holds this fleet
├── ApplyFailed          an outcome that isn't success, raised on request
├── UnknownDriver        no installed driver has that name, or two have it
└── DriverError          a cloud call didn't do what was asked
    ├── Throttled        again, later, with the same key; the budget shrinks
    ├── Transient        again, soon, with the same key
    ├── OutOfCapacity    that scope is blocked for a while: the next placement
    ├── QuotaExceeded    that scope is spent: the next placement; where none is left, a person must act
    ├── Denied           ┐ a person must act: stop this fleet before anything is drained
    ├── Unauthenticated  ┘
    ├── Invalid          can never work: stop, name the field
    ├── NotFound         success for terminate, else observe again
    ├── KeySpent         the key's instances are provably gone: the next attempt's key
    ├── KeyConflict      the key was used for another request: list again, then the next attempt's key
    ├── OutcomeUnknown   resolved by the key and by listing, never by blind repetition
    ├── Unsupported      the driver doesn't declare this: a bug of the caller
    └── ContractBroken   the driver broke the contract: stop, name driver and verb
"""

import enum
from collections.abc import Sequence

import attrs


class ScopeKind(enum.Enum):
    """How far an error reaches, narrowest first."""

    INSTANCE = "instance"
    MACHINE_TYPE = "machine-type"
    FAMILY = "machine-family"
    ZONE = "zone"
    REGION = "region"
    ACCOUNT = "account"
    CLOUD = "cloud"


@attrs.frozen
class Scope:
    """What an error is about: a kind, and the names that the kind needs.

    `zone` is set for ZONE and MACHINE_TYPE, `machine_type` for MACHINE_TYPE and FAMILY, `market` where only one market
    is meant. `family` is a pattern of the shell's kind that matches the machine types of a FAMILY.
    """

    kind: ScopeKind
    zone: str | None = None
    machine_type: str | None = None
    market: str | None = None
    family: str | None = None

    def __str__(self) -> str:
        names = " ".join(name for name in (self.machine_type, self.market, self.zone) if name)
        return f"{self.kind.value} {names}".strip()


class VmpatternError(Exception):
    """The root: catches everything that vmpattern raises on purpose."""


@attrs.frozen
class Problem:
    """One mistake in a file: where it is, what was found, what was expected."""

    path: str
    message: str
    line: int | None = None


class SpecError(VmpatternError):
    """A file or value is wrong.

    `problems` holds every mistake that was found, in the order of the file; `source` names the file or is empty.
    """

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        super().__init__(tuple(problems), source)
        self.problems = tuple(problems)
        self.source = source

    def __str__(self) -> str:
        return "\n".join(self._line(problem) for problem in self.problems)

    def _line(self, problem: Problem) -> str:
        place = f"{self.source}:{problem.line}" if problem.line and self.source else self.source
        return ": ".join(part for part in (place, problem.path, problem.message) if part)


class Refused(VmpatternError):
    """What was asked is unsafe or impossible; nothing was touched."""


class StalePlan(Refused):
    """The plan no longer fits: instances of its fleets came or went since it was made, or what it needs has changed.

    `only_went`: nothing else happened than that instances went, which may have failed.
    """

    def __init__(self, message: str, *, only_went: bool = False) -> None:
        super().__init__(message)
        self.only_went = only_went


class DamagedPlan(Refused):
    """The saved plan was edited, cut short, or written by another version."""


class Locked(Refused):
    """Another apply on this machine holds the fleet."""


class ApplyFailed(VmpatternError):
    """An apply ended otherwise than complete; raised by `Outcome.raise_for_failure`."""


class UnknownDriver(VmpatternError):
    """No installed driver bears the name, or more than one does."""


LONGEST_PAUSE_S = 120.0
"""A provider is asked again after these seconds at the latest, whatever longer pause it wishes for."""

MOMENT_S = 1e8
"""From here on a number of seconds is taken for a moment, in seconds since 1970."""


class DriverError(VmpatternError):
    """A call to a cloud failed.

    `code` is the provider's own code, `scope` how far it reaches, `retry_after_s` the provider's wish in seconds, as
    far as it makes sense: at most `LONGEST_PAUSE_S`, and None for what is no length of time. `request_id` is what the
    provider's support asks for, `field` the field of the request that is to blame.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        scope: Scope = Scope(ScopeKind.CLOUD),
        retry_after_s: float | None = None,
        request_id: str = "",
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).__name__
        self.scope = scope
        self.retry_after_s = _pause(retry_after_s)
        self.request_id = request_id
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, {key: getattr(self, key) for key in _DETAILS}))

    def __str__(self) -> str:
        details = [f"field {self.field}"] if self.field else []
        details += [f"request {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join([self.code, str(self.scope), *details])})"


def _pause(wished_s: float | None) -> float | None:
    """Return how long to pause; a moment in time, infinity or a negative number is no length of time."""
    if wished_s is None or not 0.0 <= wished_s < MOMENT_S:
        return None
    return min(float(wished_s), LONGEST_PAUSE_S)


_DETAILS = ("code", "scope", "retry_after_s", "request_id", "field")


def _rebuild(kind: type[DriverError], message: str, details: dict[str, object]) -> DriverError:
    error = kind(message)
    for name, value in details.items():
        setattr(error, name, value)
    return error


class Throttled(DriverError):
    """Too many calls: again later with the same key, and fewer calls from now on."""


class Transient(DriverError):
    """The same call may work soon: again with the same key."""


class OutOfCapacity(DriverError):
    """Nothing to be had in `scope` for now: that scope is blocked for a while."""


class QuotaExceeded(DriverError):
    """A limit of the account is reached in `scope`: the next placement; where none is left, a person must raise it."""


class Denied(DriverError):
    """The credentials don't permit this call: a person must grant it."""


class Unauthenticated(DriverError):
    """The credentials are missing, wrong or expired: a person must renew them."""


class Invalid(DriverError):
    """The request can never work; `field` names what is wrong with it."""


class NotFound(DriverError):
    """What was named isn't there: success for terminate, else observe again."""


class KeySpent(DriverError):
    """The launch key's instances are provably gone: go on with the next attempt's key."""


class KeyConflict(DriverError):
    """The launch key was used with another request: list again; nothing there, and the next attempt's key follows."""


class OutcomeUnknown(DriverError):
    """The request was sent and no answer came: resolve by the key and by listing."""


class Unsupported(DriverError):
    """The driver doesn't declare the capability that this needs."""


class ContractBroken(DriverError):
    """The driver did what the contract forbids; the message names driver and verb."""
