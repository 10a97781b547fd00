"""What Google says when it refuses, at once or in an operation that fails later, and what is to be made of it."""

import re
from collections.abc import Iterable, Mapping
from typing import cast

from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    KeyConflict,
    NotFound,
    OutOfCapacity,
    QuotaExceeded,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern.model.jsontext import parse_json
from vmpattern_libcloud import ErrorTable, Fault, Reply, Rule, request_id, retry_after_s

ENABLE = "switch the API on for the project: gcloud services enable compute.googleapis.com"
BILLING = "the project needs a billing account"

RULES = (
    # Capacity: as reasons of answers, and as codes of operations.
    Rule("ZONE_RESOURCE_POOL_EXHAUSTED*", OutOfCapacity),
    Rule("REGION_RESOURCE_POOL_EXHAUSTED*", OutOfCapacity),
    Rule("RESOURCE_POOL_EXHAUSTED*", OutOfCapacity),
    Rule("STOCKOUT", OutOfCapacity),
    Rule("insufficientCapacity", OutOfCapacity),
    Rule("resourcePoolExhausted", OutOfCapacity),
    Rule("VM_MIN_COUNT_NOT_REACHED", OutOfCapacity),
    Rule("ZONE_UNAVAILABLE", OutOfCapacity, scope=ScopeKind.ZONE),
    # Limits that a person must raise.
    *(
        Rule(code, QuotaExceeded, message=f"*{metric}*", scope=scope, of_market=of_market)
        for code in ("QUOTA_EXCEEDED", "quotaExceeded")
        for metric, scope, of_market in (
            ("'cpus'", ScopeKind.FAMILY, True),
            ("_cpus'", ScopeKind.FAMILY, True),
            ("'preemptible_cpus'", ScopeKind.REGION, True),
            ("cpus_all_regions", ScopeKind.ACCOUNT, False),
            ("", ScopeKind.REGION, False),
        )
    ),
    Rule("limitExceeded", QuotaExceeded),
    Rule("LIMIT_EXCEEDED", QuotaExceeded),
    # Limits that pass by themselves.
    Rule("rateLimitExceeded", Throttled),
    Rule("userRateLimitExceeded", Throttled),
    Rule("RATE_LIMIT_EXCEEDED", Throttled),
    Rule("CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", Throttled),
    Rule("RESOURCE_OPERATION_RATE_EXCEEDED", Throttled),
    Rule("resourceExhausted", Throttled, status=429),
    # Who asks, and what they may do.
    Rule("authError", Unauthenticated),
    Rule("required", Unauthenticated, status=401),
    Rule("expired", Unauthenticated, status=401),
    Rule("forbidden", Denied),
    Rule("insufficientPermissions", Denied),
    Rule("PERMISSIONS_ERROR", Denied),
    Rule("SERVICE_ACCOUNT_ACCESS_DENIED", Denied, field="options.service_account"),
    Rule("accessNotConfigured", Denied, hint=ENABLE),
    Rule("SERVICE_DISABLED", Denied, hint=ENABLE),
    Rule("billingNotEnabled", Denied, hint=BILLING),
    # What passes by itself.
    Rule("backendError", Transient),
    Rule("internalError", Transient),
    Rule("INTERNAL_ERROR", Transient),
    Rule("unknownOperationError", Transient),
    Rule("badGateway", Transient),
    Rule("serviceUnavailable", Transient),
    Rule("SERVICE_UNAVAILABLE", Transient),
    Rule("conditionNotMet", Transient, scope=ScopeKind.INSTANCE),
    Rule("CONDITION_NOT_MET", Transient, scope=ScopeKind.INSTANCE),
    Rule("resourceNotReady", Transient, scope=ScopeKind.INSTANCE),
    Rule("RESOURCE_NOT_READY", Transient, scope=ScopeKind.INSTANCE),
    Rule("resourceInUse*", Transient, scope=ScopeKind.INSTANCE),
    Rule("RESOURCE_IN_USE*", Transient, scope=ScopeKind.INSTANCE),
    Rule("memberAlreadyExists", Transient, scope=ScopeKind.INSTANCE),
    Rule("memberNotFound", Transient, scope=ScopeKind.INSTANCE),
    # The words of Google's other APIs.
    Rule("UNAUTHENTICATED", Unauthenticated),
    Rule("PERMISSION_DENIED", Denied),
    Rule("RESOURCE_EXHAUSTED", Throttled),
    Rule("UNAVAILABLE", Transient),
    Rule("INTERNAL", Transient),
    Rule("INVALID_ARGUMENT", Invalid),
    Rule("NOT_FOUND", NotFound),
    # Names.
    Rule("alreadyExists", KeyConflict),
    Rule("RESOURCE_ALREADY_EXISTS", KeyConflict),
    Rule("notFound", NotFound),
    Rule("RESOURCE_NOT_FOUND", NotFound),
    # What can never work, and which field of the request is to blame.
    Rule("invalid", Invalid, message="*field 'zone'*", field="zone"),
    Rule("invalid", Invalid, message="*machinetype*", field="machine_type"),
    Rule("invalid", Invalid, message="*sourceimage*", field="image"),
    Rule("invalid", Invalid, message="*subnetwork*", field="options.subnetwork"),
    Rule("invalid", Invalid, message="*networkinterfaces*.network'*", field="options.network"),
    Rule("invalid", Invalid, message="*serviceaccounts*", field="options.service_account"),
    Rule("invalid", Invalid, message="*disktype*", field="options.disk_type"),
    Rule("invalid", Invalid, message="*disksizegb*", field="disk_gib"),
    Rule("invalid", Invalid, message="*metadata*", field="script"),
    Rule("invalid", Invalid, message="*tags*", field="options.tags"),
    Rule("invalid", Invalid),
    Rule("UNSUPPORTED_OPERATION", Invalid),
    Rule("operationNotSupported", Invalid),
)

TABLE = ErrorTable(RULES)

URGENCY = (
    Unauthenticated,
    Denied,
    QuotaExceeded,
    Invalid,
    KeyConflict,
    OutOfCapacity,
    NotFound,
    Throttled,
    Transient,
)
SUMMARY = "VM_MIN_COUNT_NOT_REACHED"
"""Says that something failed, and not what."""


def weight(error: DriverError) -> tuple[bool, int]:
    """Tell which of an operation's errors is to be raised: the smallest, since it needs a person most."""
    place = next((place for place, kind in enumerate(URGENCY) if isinstance(error, kind)), len(URGENCY))
    return error.code == SUMMARY, place


FIELDS = {
    "images": "image",
    "machineTypes": "machine_type",
    "subnetworks": "options.subnetwork",
    "networks": "options.network",
    "diskTypes": "options.disk_type",
    "zones": "zone",
}
"""The field of a launch that names a resource of this collection."""


def read_fault(reply: Reply, *, now: float) -> Fault:
    """Return what an answer says of its refusal; `now` is in epoch seconds."""
    try:
        error = _table(parse_json(reply.body)).get("error")
    except ValueError:
        error = None
    told = _table(error)
    first = _table(next(iter(_list(told.get("errors"))), None))
    reasons = [_text(_table(detail).get("reason")) for detail in _list(told.get("details"))]
    codes = [_text(first.get("reason")), *reasons, _text(told.get("status"))]
    return Fault(
        status=reply.status,
        code=next((code for code in codes if code), ""),
        message=_text(told.get("message")) or _text(error),
        request_id=request_id(reply.headers, "x-goog-request-id", "x-request-id"),
        retry_after_s=retry_after_s(reply.headers, now=now),
    )


def unlaunchable(error: DriverError) -> DriverError:
    """Return what a refused launch is to raise: a resource that isn't there is a field that can never work."""
    if not isinstance(error, NotFound):
        return error
    named = re.search(r"'[^']*?([a-zA-Z]+)/[^/']+'", error.message)
    field = FIELDS.get(named[1], "") if named else ""
    made = Invalid(error.message, code=error.code, field=field, request_id=error.request_id)
    made.__cause__ = error.__cause__
    return made


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> Iterable[object]:
    return cast("Iterable[object]", value) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
