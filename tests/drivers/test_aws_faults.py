"""Every code that AWS may answer with is told apart: botocore's tables of retries, and EC2's own list."""

import json
from pathlib import Path

import attrs
import botocore
import pytest

from vmpattern.errors import (
    DriverError,
    Invalid,
    OutcomeUnknown,
    OutOfCapacity,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
)
from vmpattern_aws.faults import RULES, TABLE, read_fault
from vmpattern_aws.launching import family
from vmpattern_libcloud import Fault, Reply, Subject

FAMILY = family("t3.micro")
READ = Subject(what="DescribeInstances")
LAUNCH = Subject(what="RunInstances", mutating=True, zone="us-east-1a", machine_type="t3.micro", market="on-demand")
RETRIES = json.loads(Path(botocore.__file__).with_name("data").joinpath("_retry.json").read_text("utf-8"))


def retried(*services: str) -> list[str]:
    """The codes that botocore tries again, in general and for these services."""
    text = [RETRIES["definitions"], *(RETRIES["retry"].get(service, {}) for service in services)]
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "service_error_code" in value:
                found.add(str(value["service_error_code"]))
            for inner in value.values():
                walk(inner)

    for one in text:
        walk(one)
    return sorted(found)


@pytest.mark.parametrize("code", retried("ec2", "s3", "__default__"))
def test_what_botocore_tries_again_is_known(code: str) -> None:
    error = TABLE.error(Fault(status=400, code=code), READ)

    assert isinstance(error, Throttled | Transient), f"{code} became {type(error).__name__}"


@pytest.mark.parametrize("code", ["NeverHeardOf", "Insufficient", "Invalid", "Throttle"])
def test_a_code_that_nobody_knows_is_tried_again_by_nobody(code: str) -> None:
    errors = {type(TABLE.error(Fault(status=status, code=code), LAUNCH)) for status in (400, 412, 500, 503)}

    assert {Invalid, OutcomeUnknown} == errors


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        pytest.param("VcpuLimitExceeded", Scope(ScopeKind.FAMILY, None, "t3.micro", "spot", FAMILY), id="vCPUs"),
        pytest.param("MaxSpotInstanceCountExceeded", Scope(ScopeKind.ACCOUNT, market="spot"), id="spot instances"),
        pytest.param("InstanceLimitExceeded", Scope(ScopeKind.ACCOUNT, market="spot"), id="instances"),
        pytest.param("MaxIOPSLimitExceeded", Scope(ScopeKind.ACCOUNT), id="what both markets share"),
    ],
)
def test_a_quota_reaches_as_far_as_what_counts_for_it(code: str, scope: Scope) -> None:
    spot = attrs.evolve(LAUNCH, market="spot", family=FAMILY)

    assert scope == TABLE.error(Fault(status=400, code=code), spot).scope


def test_no_rule_is_there_twice() -> None:
    seen = [(rule.code, rule.message, rule.status) for rule in RULES]

    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("code", "message", "kind", "field"),
    [
        pytest.param("InvalidAMIID.NotFound", "", Invalid, "image", id="an image"),
        pytest.param("InvalidParameterValue", "Invalid availability zone: [x]", Invalid, "zone", id="a zone"),
        pytest.param(
            "InvalidParameterValue", "Invalid value 'x' for InstanceType.", Invalid, "machine_type", id="type"
        ),
        pytest.param("AuthFailure", "Not authorized for images: [ami-1]", Invalid, "image", id="an image of others"),
    ],
)
def test_an_error_names_the_field_that_is_to_blame(
    code: str, message: str, kind: type[DriverError], field: str
) -> None:
    error = TABLE.error(Fault(status=400, code=code, message=message), LAUNCH)

    assert (kind, field) == (type(error), error.field)


def test_capacity_is_told_of_the_type_in_the_zone() -> None:
    error = TABLE.error(Fault(status=500, code="InsufficientInstanceCapacity"), LAUNCH)

    assert (OutOfCapacity, ScopeKind.MACHINE_TYPE) == (type(error), error.scope.kind)


EC2 = (
    b"<Response><Errors><Error><Code>C</Code><Message>M</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
)
ELB = (
    b'<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>Sender</Type>'
    b"<Code>C</Code><Message>M</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
)
S3 = b"<Error><Code>C</Code><Message>M</Message><RequestId>r-1</RequestId></Error>"


@pytest.mark.parametrize("body", [pytest.param(EC2, id="EC2"), pytest.param(ELB, id="ELB"), pytest.param(S3, id="S3")])
def test_each_service_s_way_of_refusing_is_read(body: bytes) -> None:
    fault = read_fault(Reply(400, {"retry-after": "7"}, body), now=0.0)

    assert Fault(status=400, code="C", message="M", request_id="r-1", retry_after_s=7.0) == fault


def test_a_gateway_s_page_is_read_as_far_as_it_goes() -> None:
    fault = read_fault(Reply(502, {"x-amzn-requestid": "r-2"}, b"<html>bad gateway"), now=0.0)

    assert ("", "<html>bad gateway", "r-2") == (fault.code, fault.message, fault.request_id)
