"""What happened: events while it happens, and the outcome at the end."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

import enum
from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.errors import ApplyFailed
from vmpattern.model.observed import NoRoom
from vmpattern.model.words import InstanceId, Market, Word


class EventKind(Word):
    """What an event tells."""

    BAKING = "baking"
    BAKED = "baked"
    BAKE_FAILED = "bake-failed"
    READ = "read"
    UNREADABLE = "unreadable"
    LAUNCHING = "launching"
    LAUNCHED = "launched"
    LAUNCH_FAILED = "launch-failed"
    LAUNCH_UNKNOWN = "launch-unknown"
    UNHEALTHY = "unhealthy"
    READY = "ready"
    FAILED = "failed"
    KEPT = "kept"
    REGISTERED = "registered"
    DEREGISTERED = "deregistered"
    DRAINING = "draining"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    GONE = "gone"
    BLOCKED = "blocked"
    RETRYING = "retrying"
    CALL_FAILED = "call-failed"
    STOPPING = "stopping"
    PAUSED = "paused"
    DONE = "done"


@attrs.frozen(kw_only=True)
class Event:
    """One thing that happened; `at` in epoch seconds of the reconciler's clock.

    `key` identifies the launch. A launch that is asked for (LAUNCHING) has its machine type in `message`, and its
    `market`; the two together have one price. `planned` is False for a termination that the plan didn't name. `total`
    and `ready` are the fleet's counts after it.
    """

    at: float
    kind: EventKind
    fleet: str = ""
    cloud: str = ""
    zone: str = ""
    count: int = 0
    instances: tuple[InstanceId, ...] = ()
    message: str = ""
    key: str = ""
    market: Market | None = None
    planned: bool = True
    total: int = 0
    ready: int = 0

    def __str__(self) -> str:
        where = "/".join(part for part in (self.cloud, self.zone) if part)
        what = ", ".join(self.instances) if len(self.instances) <= 3 else f"{len(self.instances)} instances"
        market = "" if self.market is None else self.market.value
        number = what or (str(self.count) if self.count else "")
        told = [self.fleet, self.kind.value, where, number, self.message, market]
        return " ".join(part for part in told if part) + ("" if self.planned else " (unplanned)")


class Result(enum.Enum):
    """How an apply ended."""

    COMPLETE = "complete"
    NOTHING = "nothing"
    FAILED = "failed"
    PAUSED = "paused"
    ROLLED_BACK = "rolled-back"
    INTERRUPTED = "interrupted"


@attrs.frozen(kw_only=True)
class Failure:
    """An error that a person should see: its code, how far it reaches, and what to do."""

    code: str
    scope: str
    message: str


@attrs.frozen(kw_only=True)
class FleetOutcome:
    """What an apply did to one fleet: instances created, destroyed, put behind and taken out of balancers.

    `ready` and `size` are how many are ready and asked for at the end, and `reached` says whether everything is as
    asked for; `lowest_ready` and `highest_total` are the extremes on the way, after whole readings: None where no cloud
    was read. `missing` is by how many up-to-date instances there are too few. `no_room` is where clouds had none,
    unless a later launch found some.
    """

    created: int
    destroyed: int
    ready: int
    size: int
    reached: bool
    registered: int = 0
    deregistered: int = 0
    lowest_ready: int | None = None
    highest_total: int | None = None
    missing: int = 0
    no_room: tuple[NoRoom, ...] = ()


UNENDING = "DoesNotConverge"
"""The code of the failure of a fleet whose instances come and go without an end."""


@attrs.frozen(kw_only=True)
class Outcome:
    """The end of an apply: never raised, always returned; `raise_for_failure` turns it into an error on request.

    `remaining` says in words what isn't as asked for; after success, at most what only evenness lacks.
    """

    result: Result
    fleets: Mapping[str, FleetOutcome] = attrs.field(converter=immutabledict)
    duration_s: float
    api_calls: int
    errors: tuple[Failure, ...] = ()
    remaining: tuple[str, ...] = ()
    events: tuple[Event, ...] = attrs.field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether the fleets are as asked for."""
        return self.result in (Result.COMPLETE, Result.NOTHING)

    @property
    def reached(self) -> bool:
        """Whether every fleet is as asked for."""
        return all(fleet.reached for fleet in self.fleets.values())

    def raise_for_failure(self) -> None:
        """Raise if the outcome isn't success.

        Raises:
            ApplyFailed: the apply failed, paused, was rolled back or interrupted; the text names every error.
        """
        if not self.ok:
            told = [f"{failure.code} ({failure.scope}): {failure.message}" for failure in self.errors]
            raise ApplyFailed("\n".join([f"the apply ended {self.result.value}", *told, *self.remaining]))
