"""How the kit checks the AWS driver on moto: all faults, strangers, recorded answers."""

import contextlib
import copy
import uuid
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from aws_cloud.serving import REGION, Cloud
from immutabledict import immutabledict
from loopback import Answer, loopback

from vmpattern.driver import LaunchRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    KeyConflict,
    KeySpent,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern.model import ImageId, InstanceId, LaunchKey, Market, Options, Revision
from vmpattern.testing import Fault, Recorded
from vmpattern.testing.bench import Bench
from vmpattern_aws import AwsDriver, AwsOptions
from vmpattern_aws.api import flattened
from vmpattern_aws.calls import EC2, ELB, Service
from vmpattern_aws.checks import AwsKit
from vmpattern_aws.faults import parsed
from vmpattern_libcloud import Deadline, Request, Subject

TYPES = ("t3.micro", "m5.large", "m6g.large")
KEYS = {"AWS_ACCESS_KEY_ID": "usual", "AWS_SECRET_ACCESS_KEY": "a-secret-of-nobody"}


def aws(cloud: Cloud, *, key: str = "usual", name: str = "checked", **options: object) -> AwsDriver:
    """Make a driver for the cloud of tests."""
    usual = {"region": REGION, "endpoint": cloud.url, "machine_types": TYPES, "staleness": "0s", "call_timeout": "60s"}
    parsed = parse_options(AwsOptions, immutabledict({**usual, **options}), path="options")
    return AwsDriver(parsed, cloud=name, directory=Path(), environ={**KEYS, "AWS_ACCESS_KEY_ID": key})


def call(driver: AwsDriver, action: str, *, service: Service = EC2, **params: object) -> Element:
    """Make a call that the driver never makes, in its name."""
    written = {"Action": action, "Version": service.version, **dict(flattened(params, service.each))}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(written).encode()
    request = Request(subject=Subject(what=action), method="POST", headers=headers, body=body)
    return parsed(driver._api._sessions[service.name].send(request, Deadline(60.0)).body)


class MotoKit(AwsKit):
    """The AWS driver on moto and its layer."""

    zone = "us-east-1a"
    image = ImageId("ami-0de0000000000001a")
    base = "debian-12"
    settle_s = 1.5
    most = 250
    examples: int | None = 5
    may_cost = False
    region = REGION

    def __init__(self, cloud: Cloud) -> None:
        self.where = cloud
        self._planted: set[InstanceId] = set()

    def connect(self) -> AwsDriver:
        prices = {self.machine_type: 0.003}
        return aws(self.where, region=self.region, staging_bucket=self.bucket, spot_prices=prices)

    def connect_with(self, fault: Fault) -> AwsDriver:
        key = f"FAULT{uuid.uuid4().hex}"
        self.where.ask("fault", key=key, fault=fault.value)
        return aws(self.where, key=key, call_timeout="1s" if fault is Fault.SILENCE else "60s")

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        driver = self.connect()
        answer = call(
            driver,
            "RunInstances",
            ImageId=self.image,
            InstanceType=request.machine_type,
            MinCount=1,
            MaxCount=1,
            Placement={"AvailabilityZone": request.zone},
        )
        return InstanceId(answer.findtext("instancesSet/item/instanceId"))

    def stranger_lives(self, id: InstanceId) -> bool:
        found = call(self.connect(), "DescribeInstances", InstanceId=[id])
        item = found.find("reservationSet/item/instancesSet/item")
        return item.findtext("instanceState/name") == "running" and not item.findall("tagSet/item")

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        tag = {"Key": name, **({"Value": value} if value else {})}
        with contextlib.suppress(DriverError):
            call(self.connect(), "CreateTags" if value else "DeleteTags", ResourceId=[id], Tag=[tag])

    def elsewhere(self) -> "MotoKit":
        other = copy.copy(self)
        other.region, other.zone = "us-west-2", "us-west-2a"  # type: ignore[misc]
        return other

    def plant_image(self) -> ImageId:
        builder = self.plant_stranger(Bench(self, "image").request())
        answer = call(self.connect(), "CreateImage", InstanceId=builder, Name=f"stranger-{uuid.uuid4().hex}")
        return ImageId(answer.findtext("imageId"))

    def image_lives(self, id: ImageId) -> bool:
        found = call(self.connect(), "DescribeImages", Filter=[{"Name": "image-id", "Value": [id]}])
        return found.findtext("imagesSet/item/imageId") == id

    @cached_property
    def bucket(self) -> str:
        """A bucket for staged files."""
        return made_bucket(self.where)

    @property
    def balancer(self) -> Options:  # type: ignore[override]
        return immutabledict(target_group=self.target_group)

    @cached_property
    def target_group(self) -> str:
        return made_target_group(aws(self.where))

    def recorded(self) -> Sequence[Recorded]:
        return [
            Recorded(name=f"{code} at {action}", replay=replay(action, status, code), error=error, scope=scope)
            for action, status, code, error, scope in RECORDED
        ]


def made_bucket(cloud: Cloud) -> str:
    name = f"staging-{uuid.uuid4().hex[:8]}"
    driver = aws(cloud)
    driver._api.s3(
        Request(subject=Subject(what="CreateBucket", mutating=True), method="PUT", path=f"/{name}"), Deadline(60.0)
    )
    return name


def made_target_group(driver: AwsDriver, network: str | None = None) -> str:
    if network is None:
        network = call(driver, "DescribeSubnets").findtext("subnetSet/item/vpcId")
    answer = call(
        driver,
        "CreateTargetGroup",
        service=ELB,
        Name=f"tg-{uuid.uuid4().hex[:8]}",
        Protocol="HTTP",
        Port=80,
        VpcId=network,
    )
    return answer.findtext(".//TargetGroupArn")


RECORDED: Sequence[tuple[str, int, str, type[DriverError], ScopeKind]] = (
    ("RunInstances", 503, "RequestLimitExceeded", Throttled, ScopeKind.ACCOUNT),
    ("RunInstances", 500, "InsufficientInstanceCapacity", OutOfCapacity, ScopeKind.MACHINE_TYPE),
    ("RunInstances", 400, "InsufficientFreeAddressesInSubnet", OutOfCapacity, ScopeKind.ZONE),
    ("RunInstances", 400, "InstanceLimitExceeded", QuotaExceeded, ScopeKind.ACCOUNT),
    ("RunInstances", 400, "VcpuLimitExceeded", QuotaExceeded, ScopeKind.FAMILY),
    ("RunInstances", 400, "MaxSpotInstanceCountExceeded", QuotaExceeded, ScopeKind.ACCOUNT),
    ("RunInstances", 403, "UnauthorizedOperation", Denied, ScopeKind.ACCOUNT),
    ("RunInstances", 401, "AuthFailure", Unauthenticated, ScopeKind.ACCOUNT),
    ("RunInstances", 400, "RequestExpired", Unauthenticated, ScopeKind.ACCOUNT),
    ("RunInstances", 400, "InvalidAMIID.NotFound", Invalid, ScopeKind.CLOUD),
    ("RunInstances", 400, "IdempotentParameterMismatch", KeyConflict, ScopeKind.INSTANCE),
    ("RunInstances", 400, "IdempotentInstanceTerminated", KeySpent, ScopeKind.INSTANCE),
    ("RunInstances", 500, "InternalError", OutcomeUnknown, ScopeKind.CLOUD),
    ("RunInstances", 400, "NeverHeardOf", Invalid, ScopeKind.CLOUD),
    ("RunInstances", 503, "NeverHeardOf", OutcomeUnknown, ScopeKind.CLOUD),
    ("DescribeInstances", 503, "Unavailable", Transient, ScopeKind.CLOUD),
    ("DescribeInstances", 400, "ExpiredToken", Unauthenticated, ScopeKind.ACCOUNT),
)


def refusal(action: str, status: int, code: str) -> Callable[[object], Answer]:
    """Answer a call with a recorded refusal, and every other with an empty list."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>as recorded</Message></Error></Errors></Response>"
    empty = b"<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"

    def answer(asked) -> Answer:
        return Answer(status, body.encode()) if f"Action={action}&".encode() in asked.body else Answer(200, empty)

    return answer


def replay(action: str, status: int, code: str) -> Callable[[], object]:
    def raising() -> object:
        with loopback(refusal(action, status, code)) as server:
            driver = aws(Cloud(server.url))
            if action == "DescribeInstances":
                return driver.instances(Selector("recorded"))
            return driver.launch(some_request())

    return raising


def some_request(**changes: object) -> LaunchRequest:
    """Return a launch request for the cloud of tests."""
    usual = {
        "key": LaunchKey("k" + uuid.uuid4().hex[:31]),
        "count": 1,
        "deployment": "shop",
        "fleet": "web",
        "revision": Revision("r1"),
        "zone": "us-east-1a",
        "machine_type": "t3.micro",
        "market": Market.ON_DEMAND,
        "image": ImageId("ami-0de0000000000001a"),
    }
    return LaunchRequest(**{**usual, **changes})  # type: ignore[arg-type]
