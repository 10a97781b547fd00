"""What can never work on AWS is told before anything is launched, at its place."""

from collections.abc import Mapping

import attrs
import pytest
from aws_cloud.serving import Cloud
from aws_kit import KEYS, aws, call, made_target_group, some_request
from immutabledict import immutabledict
from loopback import Answer, loopback

from vmpattern.driver import LaunchRequest
from vmpattern.errors import Denied, Invalid, Unauthenticated
from vmpattern.model import ImageId
from vmpattern_aws import AwsDriver, AwsOptions

ARM = ImageId("ami-0de0000000000003a")


@attrs.frozen
class Network:
    """What an account has: a subnet, its network and a group there, and another network with a target group."""

    subnet: str
    network: str
    group: str
    other_group: str
    targets: str
    other_targets: str


@pytest.fixture
def network(aws_cloud: Cloud) -> Network:
    driver = aws(aws_cloud)
    zone = [{"Name": "availability-zone", "Value": ["us-east-1a"]}]
    subnet = call(driver, "DescribeSubnets", Filter=zone).find("subnetSet/item")
    ours = subnet.findtext("vpcId")
    other = call(driver, "CreateVpc", CidrBlock="10.9.0.0/16").findtext("vpc/vpcId")
    groups = [
        call(driver, "CreateSecurityGroup", GroupName="web", GroupDescription="web", VpcId=one).findtext("groupId")
        for one in (ours, other)
    ]
    targets = [made_target_group(driver, one) for one in (ours, other)]
    return Network(subnet.findtext("subnetId"), ours, *groups, *targets)


def checked(cloud: Cloud, balancer: Mapping[str, object] | None = None, **changes: object) -> dict[str, str]:
    request = some_request(**changes)
    said = None if balancer is None else immutabledict(balancer)
    return {problem.path: problem.message for problem in aws(cloud).check([request], said)}


def placed(network: Network, **options: object) -> immutabledict:
    usual = {"subnets": immutabledict({"us-east-1a": network.subnet}), "security_groups": (network.group,)}
    return immutabledict({**usual, **options})


def test_nothing_is_wrong_with_what_works(aws_cloud: Cloud, network: Network) -> None:
    assert {} == checked(aws_cloud, {"target_group": network.targets}, options=placed(network))


def test_checking_launches_nothing(aws_cloud: Cloud, network: Network) -> None:
    checked(aws_cloud, options=placed(network))

    assert [] == call(aws(aws_cloud), "DescribeInstances").findall("reservationSet/item")


def test_a_subnet_of_another_zone_is_told(aws_cloud: Cloud, network: Network) -> None:
    subnets = immutabledict({"us-east-1b": network.subnet})
    found = checked(aws_cloud, zone="us-east-1b", options=placed(network, subnets=subnets))

    assert {
        "options.subnets.us-east-1b": f"the subnet {network.subnet} is in zone us-east-1a, not in us-east-1b"
    } == found


def test_a_subnet_that_is_not_there_is_told(aws_cloud: Cloud, network: Network) -> None:
    subnets = immutabledict({"us-east-1a": "subnet-00000000000000000"})
    found = checked(aws_cloud, options=placed(network, subnets=subnets, security_groups=()))

    assert ["options.subnets.us-east-1a"] == list(found)


def test_a_security_group_of_another_network_is_told(aws_cloud: Cloud, network: Network) -> None:
    found = checked(aws_cloud, options=placed(network, security_groups=(network.group, network.other_group)))

    assert ["options.security_groups[1]"] == list(found)


def test_a_security_group_that_is_not_there_is_told(aws_cloud: Cloud, network: Network) -> None:
    found = checked(aws_cloud, options=placed(network, security_groups=("sg-00000000000000000",)))

    assert ["options.security_groups[0]"] == list(found)


def test_a_target_group_of_another_network_is_told(aws_cloud: Cloud, network: Network) -> None:
    found = checked(aws_cloud, {"target_group": network.other_targets}, options=placed(network))

    assert ["balancer.target_group"] == list(found)


def test_a_target_group_that_is_not_there_is_told(aws_cloud: Cloud) -> None:
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/0123456789abcdef"

    assert ["balancer.target_group"] == list(checked(aws_cloud, {"target_group": arn}))


def test_an_image_of_another_architecture_is_told(aws_cloud: Cloud) -> None:
    assert {"image": f"{ARM} is built for arm64, and t3.micro runs x86_64"} == checked(aws_cloud, image=ARM)


def test_an_image_of_the_machine_s_architecture_is_fine(aws_cloud: Cloud) -> None:
    assert {} == checked(aws_cloud, image=ARM, machine_type="m6g.large")


def test_another_name_of_the_root_volume_than_the_image_s_is_told(aws_cloud: Cloud) -> None:
    found = checked(aws_cloud, options=immutabledict(root_device="/dev/sda1"), disk_gib=100)

    assert ["options.root_device"] == list(found)


def test_fifty_one_tags_are_told(aws_cloud: Cloud) -> None:
    tags = immutabledict({f"tag-{number}": "x" for number in range(51)})

    assert ["options.tags"] == list(checked(aws_cloud, options=immutabledict(tags=tags)))


def test_an_unknown_option_is_told_with_the_nearest_name(aws_cloud: Cloud) -> None:
    found = checked(aws_cloud, options=immutabledict(security_group=("sg-1",)))

    assert {"options.security_group": "isn't an option here; did you mean security_groups?"} == found


def test_a_profile_that_is_not_there_is_told_by_a_trial(aws_cloud: Cloud) -> None:
    found = checked(aws_cloud, options=immutabledict(instance_profile="nobody"))

    assert ["options.instance_profile"] == list(found)


DRY_RUN = b"<Response><Errors><Error><Code>%s</Code><Message>no</Message></Error></Errors></Response>"
FOUND = (
    b"<R><imagesSet><item><imageId>ami-1</imageId><architecture>x86_64</architecture><imageState>available</imageState>"
    b"</item></imagesSet></R>"
)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        pytest.param(b"UnauthorizedOperation", 403, Denied, id="not permitted"),
        pytest.param(b"ExpiredToken", 400, Unauthenticated, id="expired"),
        pytest.param(b"AuthFailure", 401, Unauthenticated, id="unknown"),
    ],
)
def test_what_the_trial_is_denied_is_raised(code: bytes, status: int, error: type[Exception]) -> None:
    def answer(asked) -> Answer:
        return Answer(status, DRY_RUN % code) if b"DryRun=true" in asked.body else Answer(200, FOUND)

    with loopback(answer) as server, pytest.raises(error):
        aws(Cloud(server.url)).check([some_request()], None)


def test_a_region_that_cannot_be_is_a_wrong_option() -> None:
    with pytest.raises(Exception, match="isn't a region's name"):
        AwsOptions(region="europe")


def test_without_a_region_the_option_is_named(tmp_path) -> None:
    environ = {**KEYS, "AWS_CONFIG_FILE": str(tmp_path / "none")}
    driver = AwsDriver(AwsOptions(), directory=tmp_path, environ=environ)
    with pytest.raises(Invalid) as caught:
        driver.machine_types()

    assert "region" == caught.value.field


def test_requests_for_several_zones_are_checked_together(aws_cloud: Cloud) -> None:
    requests: list[LaunchRequest] = [some_request(zone=zone) for zone in ("us-east-1a", "us-east-1b")]
    aws_cloud.ask("clear")

    assert () == aws(aws_cloud).check(requests, None)
    assert 2 == aws_cloud.ask("counts")["DryRun"]
