"""Servers with floating addresses, on a real Neutron: each has one, and nothing is left when they are ended."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator

import attrs
import pytest
from immutabledict import immutabledict
from loopback import Answer, Asked, Bad, loopback
from oslab import STATE, driver, ended, forward, needs_lab, settings, some_request

from vmpattern.driver import LaunchRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import DriverError, Invalid
from vmpattern.model import Instance, InstanceId
from vmpattern_openstack import OpenStackDriver, OpenStackOptions
from vmpattern_openstack.floating import OURS, STRAY_S, FloatingAddress, Port

pytestmark = [needs_lab, pytest.mark.alone]

PUBLIC = "oslab-public"
GIVEN = {"floating_network": PUBLIC, "call_timeout": "300s"}
"""The lab makes each address in its own time, which it shares with other tests."""
PATIENCE_S = 180.0


@pytest.fixture
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver(**GIVEN)) as made:
        yield made
        ended(made, "lab-floating")
    with contextlib.closing(long_after()) as later:
        later.terminate([InstanceId(str(uuid.uuid4()))])


def long_after() -> OpenStackDriver:
    """Connect at a time when whatever a launch has left behind is old."""
    options = parse_options(OpenStackOptions, settings(**GIVEN), path="options")  # type: ignore[arg-type]
    return OpenStackDriver(options, directory=STATE, environment={}, now=lambda: time.time() + STRAY_S + 60.0)


@pytest.fixture
def request_(cloud: OpenStackDriver) -> LaunchRequest:
    return some_request(cloud, "lab-floating", count=2)


def left(cloud: OpenStackDriver) -> tuple[int, int]:
    """Count the ports and the floating addresses that are ours."""
    calls = cloud.calls("count what is left")
    ports = calls.every(Port, "network", "/ports", OURS, key="ports")
    return len(ports), len(calls.every(FloatingAddress, "network", "/floatingips", OURS, key="floatingips"))


def waited(look: Callable[[], tuple[Instance, ...]], holds: Callable[[tuple[Instance, ...]], bool]) -> list[Instance]:
    until = time.monotonic() + PATIENCE_S
    while not holds(rows := look()) and time.monotonic() < until:
        time.sleep(1.0)
    return list(rows)


def test_each_server_has_an_address_of_its_own_until_it_is_ended(
    cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    report = cloud.launch(request_)
    rows = waited(lambda: cloud.instances(Selector("lab-floating")), lambda rows: all(row.address for row in rows))
    made = left(cloud)
    ended(cloud, "lab-floating")

    assert (2, 2) == (len(report.created), len(rows))
    assert 2 == len({row.address for row in rows if str(row.address).startswith("127.88.")})
    assert ((2, 2), (0, 0)) == (made, left(cloud))


@pytest.mark.parametrize("refused", [1, 2])
def test_what_a_refused_server_would_have_had_is_deleted(
    refused: int, cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    asked_for: list[Asked] = []

    def refusing(asked: Asked) -> Answer | Bad:
        if asked.method == "POST" and asked.path.endswith("/servers"):
            asked_for.append(asked)
            if len(asked_for) == refused:
                return Answer(400, b'{"badRequest": {"code": 400, "message": "Invalid imageRef provided."}}')
        return forward(asked)

    with (
        loopback(refusing) as proxy,
        contextlib.closing(driver(**GIVEN, proxy=proxy.url)) as unlucky,
    ):
        if refused == 1:
            with pytest.raises(Invalid):
                unlucky.launch(request_)
        else:
            report = unlucky.launch(request_)

            assert (1, 1, 0) == (len(report.created), len(report.failures), report.unknown)

    assert (refused - 1, refused - 1) == left(cloud)


def test_a_launch_that_was_cut_short_leaves_ports_only_until_they_are_old(
    cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    def cut(asked: Asked) -> Answer | Bad:
        return Bad.CLOSE if asked.method == "POST" and asked.path.endswith("/servers") else forward(asked)

    with (
        loopback(cut) as proxy,
        contextlib.closing(driver(**GIVEN, proxy=proxy.url)) as unlucky,
        pytest.raises(DriverError),
    ):
        unlucky.launch(attrs.evolve(request_, count=1))
    at_once, gone = left(cloud), [row.id for row in cloud.instances(Selector("lab-floating"))]
    cloud.terminate(gone)
    soon = left(cloud)
    with contextlib.closing(long_after()) as later:
        later.terminate(gone)

    assert ([], (1, 1), (1, 1), (0, 0)) == (gone, at_once, soon, left(cloud))


def test_a_network_without_floating_addresses_is_told(request_: LaunchRequest) -> None:
    with contextlib.closing(driver(floating_network="oslab-net")) as wrong:
        (problem,) = wrong.check([request_], None)

    assert "the network 'oslab-net' isn't an external one" in problem.message


def test_an_address_needs_a_network_that_is_named(cloud: OpenStackDriver, request_: LaunchRequest) -> None:
    unnamed = attrs.evolve(request_, options=immutabledict())
    (problem,) = cloud.check([unnamed], None)
    with pytest.raises(Invalid, match="needs a network that is named"):
        cloud.launch(unnamed)

    assert ("options.networks", (0, 0)) == (problem.path, left(cloud))
