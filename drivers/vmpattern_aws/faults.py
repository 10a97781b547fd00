"""What AWS's error codes mean: which error, how far it reaches, which field is to blame.

Source:
    EC2's list of error codes, those of Elastic Load Balancing, CloudWatch and S3, and botocore's tables of retries
    (read 2026-11).
"""

from xml.etree import ElementTree as ET

from vmpattern.errors import (
    Denied,
    Invalid,
    KeyConflict,
    KeySpent,
    NotFound,
    OutOfCapacity,
    QuotaExceeded,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern_libcloud import ErrorTable, Fault, Reply, Rule, request_id, retry_after_s

DRY_RUN = "DryRunOperation"
"""The code that says of a trial without effect that it would have worked."""

_THROTTLED = (
    *("BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete"),
    *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled"),
    *("RequestThrottledException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException"),
    *("TooManyRequestsException", "TransactionInProgressException"),
)
_TRANSIENT = (
    *("BadDigest", "ConcurrentTagAccess", "IncorrectState", "InternalError", "InternalFailure", "InternalServerError"),
    *("InvalidAMIID.Unavailable", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "Unavailable"),
    *("ResourceInUse", "OperationAborted"),
)
_UNAUTHENTICATED = (
    *("AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId"),
    *("InvalidClientTokenId", "InvalidSecurity", "InvalidToken", "MissingAuthenticationToken", "NotAuthorized"),
    *("SignatureDoesNotMatch", "UnrecognizedClientException"),
)
_DENIED = (
    *("AccessDenied", "AccessDeniedException", "Blocked", "OperationNotPermitted", "OptInRequired"),
    *("PendingVerification", "UnauthorizedOperation"),
)
_CAPACITY = (
    *("InsufficientCapacity", "InsufficientCapacityOnHost", "InsufficientHostCapacity"),
    *("InsufficientInstanceCapacity", "InsufficientReservedInstanceCapacity", "SpotMaxPriceTooLow"),
)
_FULL_ZONE = ("InsufficientAddressCapacity", "InsufficientFreeAddressesInSubnet", "InsufficientVolumeCapacity")
_QUOTA = ("MaxIOPSLimitExceeded", "ResourceCountLimitExceeded", "TooMany*")
_FIELDS = {
    "InvalidAMIID.*": "image",
    "InvalidAMIAttributeItemValue": "image",
    "InvalidInstanceType*": "machine_type",
    "Unsupported": "machine_type",
    "UnsupportedHibernationConfiguration": "machine_type",
    "InvalidZone.*": "zone",
    "InvalidAvailabilityZone": "zone",
    "InvalidSubnet*": "options.subnets",
    "InvalidGroup.*": "options.security_groups",
    "InvalidSecurityGroup*": "options.security_groups",
    "InvalidGroupId.*": "options.security_groups",
    "InvalidKeyPair.*": "options.key_name",
    "InvalidIamInstanceProfile*": "options.instance_profile",
    "InvalidBlockDeviceMapping": "disk_gib",
    "InvalidUserData*": "env",
    "TagLimitExceeded": "options.tags",
    "InvalidTagKey*": "options.tags",
    "NoSuchBucket": "staging_bucket",
}
_WORDS = {
    "*instance type*": "machine_type",
    "*for instancetype*": "machine_type",
    "*availability zone*": "zone",
    "*iam instance profile*": "options.instance_profile",
    "*user data*": "env",
    "*subnet*": "options.subnets",
    "*volume*": "disk_gib",
}
_GRANT = "grant the permission to these credentials; the guide to AWS has the whole policy"

RULES = (
    *(Rule(code, Throttled) for code in _THROTTLED),
    *(Rule(code, Transient) for code in _TRANSIENT),
    *(Rule(code, Unauthenticated) for code in _UNAUTHENTICATED),
    *(Rule(code, Denied, hint=_GRANT) for code in _DENIED),
    *(Rule(code, OutOfCapacity) for code in _CAPACITY),
    *(Rule(code, OutOfCapacity, scope=ScopeKind.ZONE) for code in _FULL_ZONE),
    *(Rule(code, QuotaExceeded) for code in (*_QUOTA, "*LimitExceeded")),
    Rule("VcpuLimitExceeded", QuotaExceeded, scope=ScopeKind.FAMILY, of_market=True),
    Rule("InstanceLimitExceeded", QuotaExceeded, of_market=True),
    Rule("MaxSpotInstanceCountExceeded", QuotaExceeded, of_market=True),
    *(Rule(code, Invalid, field=field) for code, field in _FIELDS.items()),
    *(Rule("InvalidParameter*", Invalid, message=words, field=field) for words, field in _WORDS.items()),
    Rule("AuthFailure", Invalid, message="*not authorized for images*", field="image"),
    Rule("RequestExpired", Unauthenticated, hint="set this machine's clock: AWS takes the request for an old one"),
    Rule("RequestTimeTooSkewed", Unauthenticated, hint="set this machine's clock"),
    Rule("IdempotentParameterMismatch", KeyConflict),
    Rule("IdempotentInstanceTerminated", KeySpent),
    Rule("InvalidInstanceID.*", NotFound),
    Rule("TargetGroupNotFound", NotFound, field="balancer.target_group"),
    Rule("InvalidTarget", Transient, message="*not in a running state*"),
    Rule("InvalidTarget", NotFound),
)

TABLE = ErrorTable(RULES)


def read_fault(reply: Reply, *, now: float) -> Fault:
    """Read what AWS said of a request that it refused, in any of the forms that its services have."""
    code = message = identity = ""
    try:
        root = parsed(reply.body)
    except ET.ParseError:
        message = reply.body[:200].decode("utf-8", "replace")
    else:
        code, message = (root.findtext(f".//{name}") or root.findtext(name) or "" for name in ("Code", "Message"))
        identity = next((one.text or "" for one in root.iter() if one.tag.lower() == "requestid"), "")
    return Fault(
        status=reply.status,
        code=code.removeprefix("Client.").removeprefix("Server."),
        message=message,
        request_id=identity or request_id(reply.headers, "x-amzn-requestid", "x-amz-request-id"),
        retry_after_s=retry_after_s(reply.headers, now=now),
    )


def parsed(body: bytes) -> ET.Element:
    """Parse an answer, and strip the names of elements of their namespaces.

    Raises:
        xml.etree.ElementTree.ParseError: it isn't XML.
    """
    root = ET.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
