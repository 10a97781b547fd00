"""The AWS driver beyond the contract: pages, partial launches, spot, health with its reasons, few calls."""

import time
from pathlib import Path

import attrs
import pytest
from aws_cloud.serving import Cloud
from aws_kit import aws, call, made_target_group, some_request
from immutabledict import immutabledict
from situations import deployment

from vmpattern import naming
from vmpattern.access import RealRuntime, Session
from vmpattern.access.observing import read_clouds
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, KeyConflict, NotFound, OutOfCapacity, Scope, ScopeKind, SpecError, Throttled
from vmpattern.model import Health, ImageId, InstanceId, Market, Membership, Mislabelled, Observation, Phase, Standing
from vmpattern.planner import refuse_overlaps
from vmpattern_aws import AwsDriver, AwsOptions

OURS = Selector("shop")


def until(holds, what: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_every_page_is_followed(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", page=3)
    driver = aws(aws_cloud)
    made = {row.id for row in driver.launch(some_request(count=7)).created}
    aws_cloud.ask("clear")

    assert made == {row.id for row in driver.instances(OURS)}
    assert 3 == aws_cloud.ask("counts")["DescribeInstances"]


def test_fewer_instances_are_taken_rather_than_none(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", capacity={"us-east-1a/t3.micro": 2})
    report = aws(aws_cloud).launch(some_request(count=5))
    scope = Scope(ScopeKind.MACHINE_TYPE, zone="us-east-1a", machine_type="t3.micro", market="on-demand")

    assert (2, 3) == (len(report.created), len(report.failures))
    assert {(OutOfCapacity, scope)} == {(type(error), error.scope) for error in report.failures}


def test_a_partial_launch_that_is_sent_again_is_the_same(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", capacity={"us-east-1a/t3.micro": 2})
    driver, request = aws(aws_cloud), some_request(count=5)
    first = driver.launch(request)
    aws_cloud.ask("settings", capacity={})
    again = driver.launch(request)

    assert {row.id for row in first.created} == {row.id for row in again.adopted}
    assert 2 == len(driver.instances(OURS))


def test_no_capacity_at_all_is_told_of_the_type_in_the_zone(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", capacity={"us-east-1a/t3.micro": 0})
    with pytest.raises(OutOfCapacity) as caught:
        aws(aws_cloud).launch(some_request())

    assert ("us-east-1a", "t3.micro") == (caught.value.scope.zone, caught.value.scope.machine_type)


def test_the_same_key_in_another_zone_is_a_conflict(aws_cloud: Cloud) -> None:
    driver, request = aws(aws_cloud), some_request()
    driver.launch(request)

    with pytest.raises(KeyConflict):
        driver.launch(attrs.evolve(request, zone="us-east-1b"))


def test_what_is_not_listed_yet_is_not_launched_twice(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", visible_s=60.0)
    driver, request = aws(aws_cloud), some_request(count=2)
    first, again = driver.launch(request), driver.launch(request)
    aws_cloud.ask("settings", visible_s=0.0)

    assert {row.id for row in first.created} == {row.id for row in again.created}
    assert 2 == len(driver.instances(OURS))


def test_a_token_with_other_parameters_is_a_conflict(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", visible_s=60.0)
    driver, request = aws(aws_cloud), some_request(env={"A": "1"})
    driver.launch(request)

    with pytest.raises(KeyConflict) as caught:
        driver.launch(attrs.evolve(request, env={"A": "2"}))

    assert "IdempotentParameterMismatch" == caught.value.code


def test_an_instance_that_ended_fails_no_batch(aws_cloud: Cloud) -> None:
    driver = aws(aws_cloud)
    ids = [row.id for row in driver.launch(some_request(count=3)).created]
    driver.terminate(ids[:1])
    driver.terminate(ids)

    assert {Phase.TERMINATING, Phase.TERMINATED} >= {row.phase for row in driver.instances(OURS)}


def test_more_ids_than_a_call_takes_end_nothing(aws_cloud: Cloud) -> None:
    driver = aws(aws_cloud)
    (row,) = driver.launch(some_request()).created
    with pytest.raises(Invalid):
        driver.terminate([row.id, *(InstanceId(f"i-{number:017x}") for number in range(1000))])

    assert [True] == [one.phase.is_live for one in driver.instances(OURS)]


def test_a_spot_instance_is_listed_as_one(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", terminate_s=60.0)
    driver = aws(aws_cloud)
    (made,) = driver.launch(some_request(market=Market.SPOT)).created
    aws_cloud.ask("reclaim", id=made.id)
    (row,) = driver.instances(OURS)

    assert (Market.SPOT, False) == (made.market, row.phase.is_live)


def test_the_status_checks_are_the_provider_s_word(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", check_s=0.0, boot_s=0.0)
    driver = aws(aws_cloud)
    well, ill = (driver.launch(some_request()).created[0].id for _ in range(2))
    aws_cloud.ask("impair", id=ill)

    words = {row.id: row.health for row in driver.instances(OURS)}

    assert {well: Health.HEALTHY, ill: Health.UNHEALTHY} == words


def test_an_instance_whose_checks_go_on_is_unknown(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", check_s=60.0, boot_s=0.0)
    driver = aws(aws_cloud)
    driver.launch(some_request())

    assert [Health.UNKNOWN] == [row.health for row in driver.instances(OURS)]


def test_two_hundred_instances_are_replaced_in_twelve_calls(aws_cloud: Cloud) -> None:
    driver = aws(aws_cloud, call_timeout="300s")
    aws_cloud.ask("settings", boot_s=0.0)
    aws_cloud.ask("clear")
    old = driver.launch(some_request(count=200)).created
    seen = driver.instances(OURS)
    new = driver.launch(some_request(count=200)).created
    driver.terminate([row.id for row in old])
    driver.instances(OURS)
    driver.terminate([row.id for row in new])

    assert 200 == len(seen)
    assert sum(aws_cloud.ask("counts").values()) <= 12


def test_the_newest_image_of_a_family_is_found(aws_cloud: Cloud) -> None:
    assert "ami-0de0000000000002a" == aws(aws_cloud).resolve("debian-12")


@pytest.mark.parametrize(
    ("base", "found"),
    [
        pytest.param("ami-0de0000000000001a", "ami-0de0000000000001a", id="an id"),
        pytest.param("136693071363/debian-12-amd64-20260101-1", "ami-0de0000000000001a", id="a name"),
        pytest.param("136693071363/debian-12-amd64-*", "ami-0de0000000000002a", id="the newest of a pattern"),
    ],
)
def test_a_base_is_found_as_it_is_written(aws_cloud: Cloud, base: str, found: str) -> None:
    assert found == aws(aws_cloud).resolve(base)


def test_deleting_an_image_deletes_its_snapshots(aws_cloud: Cloud) -> None:
    driver = aws(aws_cloud)
    (builder,) = driver.launch(some_request(script="#!/bin/sh\npoweroff\n")).created
    until(lambda: driver.instances(OURS)[0].phase is Phase.STOPPED, "the builder stops")
    request = CaptureRequest(
        builder=builder.id, deployment="shop", service="web", digest="d1", base=ImageId("ami-0de0000000000001a")
    )
    image = driver.capture(request)
    before = our_snapshots(driver)
    driver.delete_images([image])

    assert (1, 0) == (len(before), len(our_snapshots(driver)))


def our_snapshots(driver) -> list[str]:
    found = call(driver, "DescribeSnapshots", Filter=[{"Name": "tag-key", "Value": ["vmpattern-deployment"]}])
    return [one.text for one in found.findall("snapshotSet/item/snapshotId")]


def test_a_member_drains_before_it_leaves(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", boot_s=0.0, check_s=0.0, drain_s=3600.0)
    driver = aws(aws_cloud)
    balancer = immutabledict(target_group=made_target_group(driver))
    (row,) = driver.launch(some_request()).created
    driver.register(balancer, [row.id])
    served = driver.members(balancer)
    driver.deregister(balancer, [row.id])
    leaving = Standing(Membership.DRAINING, "Target.DeregistrationInProgress: Target deregistration is in progress")

    assert ({row.id: Standing(Membership.HEALTHY)}, {row.id: leaving}) == (served, driver.members(balancer))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"boot_s": 3600.0}, "Elb.InitialHealthChecking: Initial health checks in progress", id="new"),
        pytest.param(
            {"boot_s": -1.0, "check_s": 0.0, "shunned": "Health checks failed with these codes: [502]"},
            "Target.FailedHealthChecks: Health checks failed with these codes: [502]",
            id="answers badly",
        ),
    ],
)
def test_a_member_that_gets_no_requests_has_the_balancer_s_reason(aws_cloud: Cloud, settings, expected) -> None:
    aws_cloud.ask("settings", **settings)
    driver = aws(aws_cloud)
    balancer = immutabledict(target_group=made_target_group(driver))
    (row,) = driver.launch(some_request()).created
    driver.register(balancer, [row.id])

    assert {row.id: Standing(Membership.UNHEALTHY, expected)} == driver.members(balancer)


def test_a_balancer_with_an_unknown_key_is_invalid(aws_cloud: Cloud) -> None:
    with pytest.raises(Invalid) as caught:
        aws(aws_cloud).members(immutabledict(target_grup="arn"))

    assert caught.value.field.startswith("balancer")


def test_a_target_group_that_is_not_there_is_told(aws_cloud: Cloud) -> None:
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/0123456789abcdef"
    with pytest.raises(NotFound) as caught:
        aws(aws_cloud).members(immutabledict(target_group=arn))

    assert "balancer.target_group" == caught.value.field


def test_one_target_group_is_one_balancer_at_whatever_port(aws_cloud: Cloud) -> None:
    driver, group = aws(aws_cloud), immutabledict(target_group="arn:1")

    assert driver.shares(group, group | {"port": 81})
    assert not driver.shares(group, immutabledict(target_group="arn:2"))


def test_spent_buckets_are_throttled(aws_cloud: Cloud) -> None:
    aws_cloud.ask("settings", throttle=True)
    driver = aws(aws_cloud)

    with pytest.raises(Throttled):
        launch_many(driver, 30)


def launch_many(driver, count: int) -> None:
    for _ in range(count):
        driver.launch(some_request())


# -- scope and labels -------------------------------------------------------------------------------------------------


def retagged(cloud: Cloud, id: str, name: str, value: str | None) -> None:
    """Change a tag by hand."""
    if value is None:
        call(aws(cloud), "DeleteTags", ResourceId=[id], Tag=[{"Key": name}])
    else:
        call(aws(cloud), "CreateTags", ResourceId=[id], Tag=[{"Key": name, "Value": value}])


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        pytest.param(naming.FLEET, None, "it has no label vmpattern-fleet", id="no fleet"),
        pytest.param(naming.FLEET, "Web.1", "'Web.1', which is no fleet's name", id="no name of a fleet"),
        pytest.param(naming.REVISION, None, "it has no label vmpattern-revision", id="no revision"),
        pytest.param(naming.KEY, "", "it has no label vmpattern-key", id="an empty key"),
        pytest.param(naming.KEPT_UNTIL, "tomorrow", "'tomorrow', which is no time in epoch seconds", id="no moment"),
    ],
)
def test_an_instance_whose_tags_can_t_be_read_is_told_and_left_alone(
    aws_cloud: Cloud, name: str, value: str | None, reason: str
) -> None:
    driver = aws(aws_cloud)
    (row,) = driver.launch(some_request()).created
    retagged(aws_cloud, row.id, name, value)
    driver.terminate([row.id])
    with pytest.raises(NotFound):
        driver.label([row.id], {naming.KEPT_UNTIL: "1"})
    (found,) = driver.instances(OURS)

    assert isinstance(found, Mislabelled)
    assert (row.id, "checked", "shop") == (found.id, found.cloud, found.deployment)
    assert reason in found.reason
    assert "TerminateInstances" not in aws_cloud.ask("counts")


def test_a_launch_whose_instance_somebody_relabelled_is_in_conflict(aws_cloud: Cloud) -> None:
    driver, request = aws(aws_cloud), some_request()
    (row,) = driver.launch(request).created
    retagged(aws_cloud, row.id, naming.FLEET, "Web.1")
    with pytest.raises(KeyConflict, match=r"Web\.1"):
        driver.launch(request)


def two_entries(cloud: Cloud, **other: object) -> Observation:
    """Launch an instance, and read two cloud entries."""
    drivers = {"eu": aws(cloud, name="eu"), "twin": aws(cloud, name="twin", **other)}
    drivers["eu"].launch(some_request())
    return read_clouds(deployment(clouds=tuple(drivers)), Session(drivers, RealRuntime()))


def test_two_entries_of_one_account_and_region_are_refused(aws_cloud: Cloud) -> None:
    with pytest.raises(SpecError, match=r"clouds\.twin: is the same cloud as clouds\.eu .*both list the VM i-"):
        refuse_overlaps(two_entries(aws_cloud))


def test_two_entries_of_one_account_are_refused_even_if_their_credentials_differ(aws_cloud: Cloud) -> None:
    observation = two_entries(aws_cloud, key="another")

    assert 2 == len({cloud.scope for cloud in observation.clouds.values()})
    with pytest.raises(SpecError, match="both list the VM i-"):
        refuse_overlaps(observation)


def test_two_regions_of_one_account_are_two_clouds(aws_cloud: Cloud) -> None:
    observation = two_entries(aws_cloud, region="us-west-2")

    refuse_overlaps(observation)
    assert [1, 0] == [len(cloud.instances) for cloud in observation.clouds.values()]


def scope(environ: dict[str, str], **options: object) -> str:
    made = parse_options(AwsOptions, immutabledict(options), path="options")
    return AwsDriver(made, directory=Path(), environ=environ).scope()


KEYS = {"AWS_ACCESS_KEY_ID": "AK1", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize(
    ("environ", "options", "is_same"),
    [
        pytest.param(KEYS, {"region": "eu-west-1"}, True, id="the region that the environment names"),
        pytest.param(KEYS, {"region": "eu-west-1", "machine_types": ("t3.micro",)}, True, id="other options"),
        pytest.param(KEYS, {"region": "eu-central-1"}, False, id="another region"),
        pytest.param({**KEYS, "AWS_ACCESS_KEY_ID": "AK2"}, {}, False, id="another key"),
        pytest.param(KEYS, {"profile": "prod"}, False, id="a profile"),
    ],
)
def test_a_scope_is_a_region_and_whose_credentials_are_used_there(
    environ: dict[str, str], options: dict[str, object], is_same: bool
) -> None:
    assert is_same == (scope(KEYS) == scope(environ, **options))


def test_a_scope_tells_no_secret() -> None:
    assert "hush" not in scope(KEYS)


def test_a_profile_is_the_same_however_it_is_chosen() -> None:
    assert scope({"AWS_PROFILE": "prod"}, region="eu-west-1") == scope({}, region="eu-west-1", profile="prod")
