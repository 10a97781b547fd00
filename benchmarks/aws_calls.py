"""What AWS is asked, and what that costs the client: this driver and boto3 at its best, on the same moto, in one run.

Create 200 instances, observe them, replace all, destroy what is left. And observing 10,000, of which moto could tell
for minutes: a server with ready pages tells of them. Every request is held against botocore's models.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.spending import Deadline, Spent, in_child
from benchmarks.tables import Report, Table

SIZE, MANY = 200, 10_000
REGION, IMAGE, KIND = "us-east-1", "ami-12c6146b", "t3.micro"


def with_driver(url: str) -> int:
    """Do it with the driver `aws`; return how many instances were observed."""
    from vmpattern.driver import LaunchRequest, Selector
    from vmpattern.model import ImageId, LaunchKey, Market, Revision

    driver = _driver(url, "driver")

    def request(number: int) -> LaunchRequest:
        return LaunchRequest(
            key=LaunchKey(f"k{number:031x}"),
            count=SIZE,
            deployment="shop",
            fleet="web",
            revision=Revision(f"r{number}"),
            zone=f"{REGION}a",
            machine_type=KIND,
            market=Market.ON_DEMAND,
            image=ImageId(IMAGE),
        )

    old = driver.launch(request(1)).created
    seen = driver.instances(Selector("shop"))
    new = driver.launch(request(2)).created
    driver.terminate([row.id for row in old])
    driver.instances(Selector("shop"))
    driver.terminate([row.id for row in new])
    return len(seen)


def with_boto3(url: str) -> int:
    """Do it with boto3, in as few calls as one can; return how many instances were observed."""
    import boto3

    keys = {"aws_access_key_id": "boto3", "aws_secret_access_key": "nothing"}
    client = boto3.client("ec2", region_name=REGION, endpoint_url=url, **keys)
    tags = [{"Key": "fleet", "Value": "web"}]

    def launch() -> None:
        for count in (SIZE // 2, SIZE // 2):
            client.run_instances(
                ImageId=IMAGE,
                InstanceType=KIND,
                MinCount=count,
                MaxCount=count,
                Placement={"AvailabilityZone": f"{REGION}a"},
                TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            )

    def live() -> list[str]:
        pages = client.get_paginator("describe_instances").paginate(
            Filters=[
                {"Name": "tag:fleet", "Values": ["web"]},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ],
            PaginationConfig={"PageSize": 1000},
        )
        return [one["InstanceId"] for page in pages for held in page["Reservations"] for one in held["Instances"]]

    launch()
    old = live()
    launch()
    client.terminate_instances(InstanceIds=old)
    client.terminate_instances(InstanceIds=live())
    return len(old)


def observing(url: str) -> int:
    """Observe everything with the driver."""
    from vmpattern.driver import Selector

    return len(_driver(url, "many").instances(Selector("shop")))


def report(deadline: Deadline) -> Report:
    """Measure both, and observing many."""
    rows = []
    with _served(0) as url:
        for name, work in (("driver", with_driver), ("boto3", with_boto3)):
            spent, seen = in_child(work, url, timeout_s=max(600.0, deadline.left_s()))
            assert seen == SIZE
            rows.append(_row(name, url, spent, SIZE))
    with _served(MANY) as url:
        spent, seen = in_child(observing, url, timeout_s=max(120.0, deadline.left_s()))
        assert seen == MANY
        many = _row("many", url, spent, MANY)
    columns = ["with", "calls", "calls per instance", "client CPU s"]
    note = "CPU of the whole client process, start and imports included; moto isn't counted."
    title = f"aws_calls: create, observe, replace all and destroy {SIZE} instances"
    lists = Table(f"aws_calls: observe {MANY:,} instances", columns, [many], "Ten pages, and one call for the unwell.")
    return Report("aws_calls", [Table(title, columns, rows, note), lists])


def _row(name: str, url: str, spent: Spent, size: int) -> list[str | int | float]:
    with urllib.request.urlopen(f"{url}/__calls/{name}") as answer:
        told = json.loads(answer.read())
    if told["violations"]:
        raise AssertionError(told["violations"][0])
    calls = int(told["calls"])
    return [name if name != "many" else "driver", calls, calls / size, spent.cpu_s]


def _driver(url: str, key: str):  # type: ignore[no-untyped-def]
    from datetime import timedelta

    from vmpattern_aws import AwsDriver, AwsOptions

    options = AwsOptions(region=REGION, endpoint=url, call_timeout=timedelta(minutes=5))
    environ = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "nothing"}
    return AwsDriver(options, directory=Path(), environ=environ)


@contextmanager
def _served(size: int) -> Generator[str]:
    """Start a counting server in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.aws_server", str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(timeout=20)
