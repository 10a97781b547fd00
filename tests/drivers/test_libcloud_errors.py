"""Answers of a provider become errors by a table: what wins, what is kept, what is never told."""

import pytest

from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern_libcloud import ErrorTable, Failure, Fault, NoAnswer, ProviderError, Rule, Subject, redacted, unanswered

TABLE = ErrorTable(
    [
        Rule("Insufficient*", OutOfCapacity),
        Rule("InsufficientAddresses", QuotaExceeded, hint="free an address"),
        Rule("InsufficientZone", OutOfCapacity, scope=ScopeKind.ZONE),
        Rule("Invalid*", Invalid),
        Rule("InvalidInstanceID.NotFound", NotFound),
        Rule("InvalidParameter", Invalid, field="image", message="*image*"),
        Rule("InvalidParameter", Denied, message="*image*forbidden*"),
        Rule("Broken", Transient),
        Rule("Slow", Throttled),
    ]
)
READ = Subject(what="list")
LAUNCH = Subject(what="launch", mutating=True, zone="a", machine_type="small", market="spot")


@pytest.mark.parametrize(
    ("fault", "subject", "kind"),
    [
        pytest.param(Fault(status=400, code="InsufficientRoom"), LAUNCH, OutOfCapacity, id="a pattern"),
        pytest.param(Fault(status=400, code="InsufficientAddresses"), LAUNCH, QuotaExceeded, id="a whole code first"),
        pytest.param(Fault(status=404, code="InvalidInstanceID.NotFound"), READ, NotFound, id="code before status"),
        pytest.param(Fault(status=400, code="InvalidThing"), READ, Invalid, id="the longer pattern"),
        pytest.param(
            Fault(status=400, code="InvalidParameter", message="the Image is forbidden"),
            READ,
            Denied,
            id="the longer message",
        ),
        pytest.param(Fault(status=503, code="Slow"), LAUNCH, Throttled, id="throttled has no effect"),
        pytest.param(Fault(status=500, code="Broken"), READ, Transient, id="a failure at reading"),
        pytest.param(Fault(status=500, code="Broken"), LAUNCH, OutcomeUnknown, id="a failure at launching"),
        pytest.param(Fault(status=409, code="Broken"), LAUNCH, Transient, id="refused has no effect"),
        pytest.param(Fault(status=400, code="Unheard"), LAUNCH, Invalid, id="an unknown refusal"),
        pytest.param(Fault(status=500, code="Unheard"), LAUNCH, OutcomeUnknown, id="an unknown failure at launching"),
        pytest.param(Fault(status=500, code="Unheard"), READ, Invalid, id="an unknown failure at reading"),
        pytest.param(Fault(status=302), READ, Invalid, id="a redirect"),
        pytest.param(Fault(status=401, code="Unheard"), READ, Unauthenticated, id="unauthorised"),
        pytest.param(Fault(status=403), READ, Denied, id="forbidden"),
        pytest.param(Fault(status=404), READ, NotFound, id="not found"),
        pytest.param(Fault(status=429), LAUNCH, Throttled, id="too many"),
        pytest.param(Fault(status=502), READ, Transient, id="a gateway at reading"),
        pytest.param(Fault(status=502), LAUNCH, OutcomeUnknown, id="a gateway at launching"),
    ],
)
def test_the_most_specific_rule_wins(fault: Fault, subject: Subject, kind: type[DriverError]) -> None:
    assert kind is type(TABLE.error(fault, subject))


@pytest.mark.parametrize(
    ("code", "subject", "scope"),
    [
        pytest.param(
            "InsufficientRoom",
            LAUNCH,
            Scope(ScopeKind.MACHINE_TYPE, zone="a", machine_type="small", market="spot"),
            id="as such an error usually reaches",
        ),
        pytest.param("InsufficientZone", LAUNCH, Scope(ScopeKind.ZONE, zone="a", market="spot"), id="as the rule says"),
        pytest.param("InsufficientRoom", READ, Scope(ScopeKind.REGION), id="what can't be named is wider"),
        pytest.param("Slow", READ, Scope(ScopeKind.ACCOUNT), id="an account"),
        pytest.param("Unheard", READ, Scope(ScopeKind.CLOUD), id="a cloud"),
    ],
)
def test_a_scope_is_named_after_the_request(code: str, subject: Subject, scope: Scope) -> None:
    assert scope == TABLE.error(Fault(status=400, code=code), subject).scope


def test_an_error_keeps_what_the_provider_said() -> None:
    fault = Fault(status=400, code="InvalidParameter", message="no such image", request_id="r-1", retry_after_s=3.0)

    error = TABLE.error(fault, READ)

    assert ("InvalidParameter", "image", "r-1", 3.0) == (
        error.code,
        error.field,
        error.request_id,
        error.retry_after_s,
    )
    assert "list: no such image" == error.message
    assert isinstance(error.__cause__, ProviderError)
    assert fault == error.__cause__.fault


def test_an_error_says_what_to_do_next() -> None:
    error = TABLE.error(Fault(status=400, code="InsufficientAddresses", message="none left"), LAUNCH)

    assert "launch: none left; free an address" == error.message


def test_an_answer_without_a_code_bears_its_status() -> None:
    assert "HTTP502" == TABLE.error(Fault(status=502), READ).code


SECRET = "hunter2/+ é"


@pytest.mark.parametrize("form", [SECRET, "hunter2%2F%2B%20%C3%A9", "hunter2%2F%2B+%C3%A9", "A" * 200])
def test_neither_an_error_nor_its_cause_contains_a_secret(form: str) -> None:
    subject = Subject(what="launch", secrets=(SECRET,))
    error = TABLE.error(Fault(status=400, code="X", message=f"bad value {form} in it"), subject)

    assert "launch: bad value … in it" == error.message
    assert form not in f"{error!r} {error.__cause__} {error.__cause__!r}"


def test_a_short_word_is_no_secret() -> None:
    assert "the port 80 is taken" == redacted("the port\n 80 is taken", ["80"])


def test_a_long_text_is_cut() -> None:
    assert 600 == len(redacted("word " * 1000, []))


@pytest.mark.parametrize(
    ("failure", "mutating", "kind", "code"),
    [
        pytest.param(Failure.UNSENT, True, Transient, "NotSent", id="a launch that wasn't sent"),
        pytest.param(Failure.UNANSWERED, True, OutcomeUnknown, "NoAnswer", id="a launch without an answer"),
        pytest.param(Failure.UNANSWERED, False, Transient, "NoAnswer", id="a list without an answer"),
        pytest.param(Failure.UNTRUSTED, True, Invalid, "Untrusted", id="nobody to be trusted"),
    ],
)
def test_no_answer_is_unknown_only_where_there_may_be_an_effect(
    failure: Failure, mutating: bool, kind: type[DriverError], code: str
) -> None:
    problem = NoAnswer(failure, "why")

    error = unanswered(problem, Subject(what="call", mutating=mutating))

    assert (kind, code, problem) == (type(error), error.code, error.__cause__)
