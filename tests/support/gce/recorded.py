"""What Google says when it refuses, as its manuals and those who met it tell, and what is to be made of it."""

from collections.abc import Callable, Sequence

import attrs

from gce.emulator import Emulator
from gce.faults import Fault, OperationError, Where
from gce.refusal import Refusal
from vmpattern.driver import Driver, LaunchRequest, Selector
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    KeyConflict,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern.model import ImageId, LaunchKey, Market, Revision
from vmpattern.testing import Recorded

LIST = "compute.instances.aggregatedList"
INSERT = "compute.instances.insert"
BULK = "compute.instances.bulkInsert"
ACCOUNT, CLOUD, INSTANCE = ScopeKind.ACCOUNT, ScopeKind.CLOUD, ScopeKind.INSTANCE
REGION, FAMILY = ScopeKind.REGION, ScopeKind.FAMILY
CPUS = "Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1."
KIND = ScopeKind.MACHINE_TYPE


@attrs.frozen
class Case:
    """An answer to a method, and what is to be raised."""

    method: str
    status: int
    code: str
    error: type[DriverError]
    scope: ScopeKind
    later: bool = False
    message: str = ""


CASES = (
    Case(LIST, 403, "rateLimitExceeded", Throttled, ACCOUNT),
    Case(LIST, 403, "userRateLimitExceeded", Throttled, ACCOUNT),
    Case(LIST, 429, "rateLimitExceeded", Throttled, ACCOUNT),
    Case(LIST, 401, "authError", Unauthenticated, ACCOUNT),
    Case(LIST, 403, "forbidden", Denied, ACCOUNT),
    Case(LIST, 403, "accessNotConfigured", Denied, ACCOUNT),
    Case(LIST, 503, "backendError", Transient, CLOUD),
    Case(LIST, 500, "internalError", Transient, CLOUD),
    Case(LIST, 400, "somethingNew", Invalid, CLOUD),
    Case(INSERT, 403, "quotaExceeded", QuotaExceeded, REGION),
    Case(INSERT, 403, "rateLimitExceeded", Throttled, ACCOUNT),
    Case(INSERT, 503, "backendError", OutcomeUnknown, CLOUD),
    Case(INSERT, 503, "somethingNew", OutcomeUnknown, CLOUD),
    Case(BULK, 503, "insufficientCapacity", OutOfCapacity, KIND),
    Case(BULK, 403, "quotaExceeded", QuotaExceeded, FAMILY, message=CPUS),
    Case(INSERT, 503, "ZONE_RESOURCE_POOL_EXHAUSTED", OutOfCapacity, KIND, later=True),
    Case(INSERT, 503, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", OutOfCapacity, KIND, later=True),
    Case(BULK, 503, "ZONE_RESOURCE_POOL_EXHAUSTED", OutOfCapacity, KIND, later=True),
    Case(INSERT, 403, "QUOTA_EXCEEDED", QuotaExceeded, FAMILY, later=True, message=CPUS),
    Case(BULK, 403, "QUOTA_EXCEEDED", QuotaExceeded, REGION, later=True),
    Case(INSERT, 409, "RESOURCE_ALREADY_EXISTS", KeyConflict, INSTANCE, later=True),
    Case(INSERT, 500, "INTERNAL_ERROR", Transient, CLOUD, later=True),
    Case(INSERT, 503, "SOMETHING_NEW", Invalid, CLOUD, later=True),
    Case(INSERT, 404, "RESOURCE_NOT_FOUND", Invalid, CLOUD, later=True, message="'projects/x/global/images/y' isn't"),
)


def replayed(
    emulator: Emulator, connect: Callable[[], Driver], zone: str, machine_type: str, image: ImageId
) -> Sequence[Recorded]:
    """Return each case, with the call that meets it."""

    def request(case: Case, number: int) -> LaunchRequest:
        return LaunchRequest(
            key=LaunchKey(f"krecorded{number}"),
            count=1 if case.method == INSERT else 2,
            deployment="recorded",
            fleet="web",
            revision=Revision("r"),
            zone=zone,
            machine_type=machine_type,
            market=Market.ON_DEMAND,
            image=image,
        )

    def replay(case: Case, number: int) -> Callable[[], object]:
        def call() -> object:
            emulator.world.faults.append(_fault(case))
            driver = connect()
            return driver.instances(Selector("x")) if case.method == LIST else driver.launch(request(case, number))

        return call

    return [
        Recorded(
            name=f"{case.code} {'of an operation' if case.later else case.status} to {case.method}",
            replay=replay(case, number),
            error=case.error,
            scope=case.scope,
        )
        for number, case in enumerate(CASES)
    ]


def _fault(case: Case) -> Fault:
    text = case.message or f"words about {case.code}"
    if case.later:
        error = OperationError(case.code, text)
        return Fault(case.method, where=Where.OPERATION, errors=(error,), status=case.status)
    return Fault(case.method, refusal=Refusal(case.status, case.code, text))
