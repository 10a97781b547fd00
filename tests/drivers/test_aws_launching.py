"""From a launch request to EC2's parameters: a function of values, held against EC2's own model."""

import base64
import gzip

import attrs
import pytest
from aws_cloud import wire
from aws_kit import some_request

from vmpattern.model import LaunchKey, Market
from vmpattern_aws.api import flattened
from vmpattern_aws.launching import parameters, problems

KEY = LaunchKey("k" + "0" * 31)
PLAIN = some_request(key=KEY, count=3)


def written(request, root_device: str | None = None) -> dict[str, str]:
    return dict(flattened(parameters(request, root_device=root_device), ""))


def with_options(**options: object):
    return attrs.evolve(PLAIN, options=PLAIN.options.update(options))


NETWORK = {"subnets": {"us-east-1a": "subnet-1"}, "security_groups": ("sg-1", "sg-2")}

CASES = [
    pytest.param(PLAIN, {"MinCount": "1", "MaxCount": "3", "ClientToken": KEY}, id="takes fewer rather than none"),
    pytest.param(PLAIN, {"Placement.AvailabilityZone": "us-east-1a", "SubnetId": None}, id="a zone without a subnet"),
    pytest.param(PLAIN, {"MetadataOptions.HttpTokens": "required"}, id="the second metadata service"),
    pytest.param(PLAIN, {"TagSpecification.2.ResourceType": "volume"}, id="labels on volumes"),
    pytest.param(
        with_options(**NETWORK),
        {"SubnetId": "subnet-1", "SecurityGroupId.2": "sg-2", "Placement.AvailabilityZone": None},
        id="the zone's subnet",
    ),
    pytest.param(
        with_options(**NETWORK, public_address=True),
        {
            "NetworkInterface.1.SubnetId": "subnet-1",
            "NetworkInterface.1.SecurityGroupId.1": "sg-1",
            "NetworkInterface.1.AssociatePublicIpAddress": "true",
            "SubnetId": None,
        },
        id="a public address",
    ),
    pytest.param(with_options(instance_profile="web"), {"IamInstanceProfile.Name": "web"}, id="a profile by name"),
    pytest.param(
        with_options(instance_profile="arn:aws:iam::1:instance-profile/web"),
        {"IamInstanceProfile.Arn": "arn:aws:iam::1:instance-profile/web"},
        id="a profile by ARN",
    ),
    pytest.param(with_options(key_name="me"), {"KeyName": "me"}, id="a key"),
    pytest.param(
        attrs.evolve(PLAIN, market=Market.SPOT),
        {
            "InstanceMarketOptions.MarketType": "spot",
            "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": "terminate",
            "TagSpecification.3.ResourceType": "spot-instances-request",
        },
        id="spot",
    ),
    pytest.param(
        attrs.evolve(with_options(encrypted=True, root_device="/dev/xvda"), disk_gib=20),
        {
            "BlockDeviceMapping.1.DeviceName": "/dev/xvda",
            "BlockDeviceMapping.1.Ebs.VolumeSize": "20",
            "BlockDeviceMapping.1.Ebs.VolumeType": "gp3",
            "BlockDeviceMapping.1.Ebs.Encrypted": "true",
        },
        id="a disk",
    ),
    pytest.param(
        attrs.evolve(PLAIN, script="#!/bin/sh\npoweroff\n"),
        {"InstanceInitiatedShutdownBehavior": "stop"},
        id="a builder stops when it powers off",
    ),
    pytest.param(
        with_options(tags={"Name": "mine", "team": "web"}),
        {"TagSpecification.1.Tag.5.Value": "mine", "TagSpecification.1.Tag.6.Key": "team"},
        id="a person's tags",
    ),
]


@pytest.mark.parametrize(("request_", "expected"), CASES)
def test_a_request_is_written_as_ec2_wants_it(request_, expected: dict[str, str | None]) -> None:
    found = written(request_)

    assert expected == {name: found.get(name) for name in expected}


@pytest.mark.parametrize(("request_", "expected"), CASES)
def test_what_is_written_is_in_the_model_of_ec2(request_, expected) -> None:
    params = {"Action": "RunInstances", "Version": "2016-11-15", **written(request_)}

    assert [] == wire.faults("ec2", params)


def test_a_mutant_is_not_in_the_model_of_ec2() -> None:
    params = {
        "Action": "RunInstances",
        "Version": "2016-11-15",
        "ImageID": "x",
        "MinCount": "one",
        "EbsOptimized": "True",
        "InstanceMarketOptions.MarketType": "free",
        "SecurityGroupId.0": "sg-1",
        "TagSpecification.1.ResourceType": "instanse",
        "ClientToken.1": "k",
    }

    assert 8 == len(wire.faults("ec2", params))


def test_the_same_request_is_written_in_the_same_way() -> None:
    request = attrs.evolve(PLAIN, env={"LONG": "x" * 20000, "A": "b"})

    assert written(request) == written(attrs.evolve(request, env={"A": "b", "LONG": "x" * 20000}))


def test_user_data_is_compressed_only_where_it_would_be_too_long() -> None:
    short = base64.b64decode(written(attrs.evolve(PLAIN, env={"A": "b"}))["UserData"])
    long = base64.b64decode(written(attrs.evolve(PLAIN, env={"LONG": "x" * 20000}))["UserData"])

    assert short.startswith(b"#!/bin/sh")
    assert gzip.decompress(long).startswith(b"#!/bin/sh")


NOISE = "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(5000))


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        pytest.param(PLAIN, [], id="nothing"),
        pytest.param(with_options(subnet="subnet-1"), ["options.subnet"], id="an unknown option"),
        pytest.param(with_options(metadata_hops="x"), ["options.metadata_hops"], id="a wrong type"),
        pytest.param(with_options(subnets={"us-east-1b": "s"}), ["options.subnets"], id="no subnet for the zone"),
        pytest.param(with_options(tags={f"t{n}": "" for n in range(42)}), [], id="as many tags as there is room for"),
        pytest.param(with_options(tags={f"t{n}": "" for n in range(43)}), ["options.tags"], id="51 tags"),
        pytest.param(with_options(tags={"aws:x": ""}), ["options.tags.aws:x"], id="a tag of AWS"),
        pytest.param(with_options(tags={"vmpattern-fleet": ""}), ["options.tags.vmpattern-fleet"], id="a tag of ours"),
        pytest.param(attrs.evolve(PLAIN, env={"A": NOISE}), ["env"], id="too much user data"),
        pytest.param(attrs.evolve(PLAIN, script="x" * 16385), ["script"], id="too long a script"),
        pytest.param(attrs.evolve(PLAIN, count=0), ["count"], id="none"),
        pytest.param(attrs.evolve(PLAIN, count=201), ["count"], id="more than a batch"),
    ],
)
def test_what_is_wrong_is_found_by_looking_at_it(request_, paths: list[str]) -> None:
    assert paths == [problem.path for problem in problems(request_, most=200)]
