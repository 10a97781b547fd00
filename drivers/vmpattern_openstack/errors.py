"""What OpenStack's services say when they refuse, each in its own form, and what is to be made of it."""

from collections.abc import Mapping
from typing import cast

from vmpattern.errors import (
    DriverError,
    Invalid,
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

GROUP_HINT = "name the security group by its id"

RULES = (
    # Limits of the project.
    Rule("forbidden", QuotaExceeded, message="*quota exceeded*"),
    Rule("forbidden", QuotaExceeded, message="*quota*exceed*"),
    Rule("forbidden", QuotaExceeded, message="*maximum number of ports exceeded*"),
    Rule("forbidden", QuotaExceeded, message="*maximum number of*exceeded*"),
    Rule("overLimit", QuotaExceeded, status=413),
    # Object stores refuse in HTML, without a code.
    Rule("HTTP413", QuotaExceeded),
    Rule("overLimit", Throttled, status=429),
    Rule("OverQuota", QuotaExceeded),
    # Octavia changes one thing of a balancer at a time: that is a limit of calls.
    Rule("Client", Throttled, message="*immutable*", status=409, scope=ScopeKind.REGION),
    # What passes by itself.
    Rule("conflictingRequest", Transient, scope=ScopeKind.INSTANCE),
    # The server that a page of a list ended in is gone.
    Rule("badRequest", Transient, message="marker*not found*"),
    Rule("serviceUnavailable", Transient),
    Rule("computeFault", Transient, status=503),
    Rule("Service Unavailable", Transient),
    # Nova's own breakdowns: whether there was an effect, nobody can know.
    Rule("computeFault", Transient, status=500),
    Rule("HTTPInternalServerError", Transient, status=500),
    Rule("Internal Server Error", Transient, status=500),
    Rule("Server", Transient, status=500),
    # What can never work, and which field of the request is to blame.
    Rule("badRequest", Invalid, message="*availability zone*not available*", field="zone"),
    Rule("badRequest", Invalid, message="*availability_zone*", field="zone"),
    Rule("badRequest", Invalid, message="*flavorref*", field="machine_type"),
    Rule("badRequest", Invalid, message="*flavor*not be found*", field="machine_type"),
    Rule("badRequest", Invalid, message="*flavor's*too small for requested image*", field="machine_type"),
    Rule("badRequest", Invalid, message="*imageref*", field="image"),
    Rule("badRequest", Invalid, message="*can not find requested image*", field="image"),
    Rule("badRequest", Invalid, message="*image*not be found*", field="image"),
    Rule("badRequest", Invalid, message="*image*is not active*", field="image"),
    Rule("badRequest", Invalid, message="*user_data*", field="script"),
    Rule("badRequest", Invalid, message="*user data*", field="script"),
    Rule("badRequest", Invalid, message="*key_name*", field="options.key_pair"),
    Rule("badRequest", Invalid, message="*security group*", field="options.security_groups"),
    Rule("badRequest", Invalid, message="*server group*", field="options.server_group"),
    Rule("badRequest", Invalid, message="*instance group*", field="options.server_group"),
    Rule("badRequest", Invalid, message="*network*", field="options.networks"),
    Rule("badRequest", Invalid, message="*volume*", field="options.volume"),
    Rule("badRequest", Invalid, message="*tag*", field="options.tags"),
    Rule("badRequest", Invalid, message="*metadata*", field="options.metadata"),
    Rule("badRequest", Invalid),
    Rule("forbidden", Invalid, message="*external network*", field="options.networks"),
    Rule("conflictingRequest", Invalid, message="*multiple possible networks*", field="options.networks"),
    Rule("conflictingRequest", Invalid, message="*security group*", field="options.security_groups", hint=GROUP_HINT),
    Rule("conflictingRequest", Invalid, message="*locked*"),
    Rule("itemNotFound", NotFound),
    Rule("Unauthorized", Unauthenticated),
)
"""By Nova's words (a lower-case letter), Neutron's types, Keystone's and Glance's titles, Octavia's Client and Server.
"""

TABLE = ErrorTable(RULES)

BUILDS = ErrorTable(
    [
        Rule("*", Invalid),
        Rule("*", OutOfCapacity, message="*no valid host*"),
        Rule("*", OutOfCapacity, message="*exceeded maximum number of retries*"),
        Rule("*", OutOfCapacity, message="*exhausted all hosts*"),
        Rule("*", QuotaExceeded, message="*quota*"),
        Rule("*", QuotaExceeded, message="*maximum number of*exceeded*"),
    ]
)
"""What is to be made of the fault of a server that is in ERROR."""


def read_fault(reply: Reply, *, now: float) -> Fault:
    """Return what an answer says of its refusal; `now` is in epoch seconds."""
    code, message = _said(reply)
    return Fault(
        status=reply.status,
        code=code,
        message=message,
        request_id=request_id(reply.headers, "x-openstack-request-id", "x-compute-request-id"),
        retry_after_s=retry_after_s(reply.headers, now=now),
    )


def _said(reply: Reply) -> tuple[str, str]:
    try:
        found: object = parse_json(reply.body)
    except ValueError:
        return "", ""
    body = _table(found)
    if "faultstring" in body:
        return _text(body.get("faultcode")), _text(body.get("faultstring"))
    if "message" in body:
        return _text(body.get("title")), _text(body.get("message"))
    word, inner = next(iter(body.items()), ("", None))
    told = _table(inner)
    code = _text(told.get("type")) or (_text(told.get("title")) if word == "error" else word)
    return code, _text(told.get("message")) or _text(inner)


def unlaunchable(error: DriverError) -> DriverError:
    """Return what a refused launch is to raise: something named in it that isn't there can never work."""
    if not isinstance(error, NotFound):
        return error
    made = Invalid(error.message, code=error.code, field=error.field, request_id=error.request_id)
    made.__cause__ = error.__cause__
    return made


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
