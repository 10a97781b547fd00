"""What servers use, by what Nova counts: of a real one, and of answers that no fake hypervisor gives."""

import contextlib
import json
import time
from collections.abc import Iterator

import pytest
from loopback import Answer, Asked
from oslab import driver, ended, needs_lab, some_request
from some_openstack import Cloud, connected

from vmpattern.driver import Selector
from vmpattern.errors import Denied, Unsupported
from vmpattern.model import InstanceId, Phase, Usage
from vmpattern_openstack import OpenStackDriver

ID = InstanceId("11111111-1111-1111-1111-111111111111")
PATIENCE_S = 180.0


def busy(seconds: float, *, uptime: int | None, cpus: int = 2, state: str = "running") -> Answer:
    each = {"id": 0, "time": int(seconds / max(1, cpus) * 1e9), "utilisation": None}
    return Answer(200, json.dumps({"state": state, "uptime": uptime, "cpu_details": [each] * cpus}).encode())


def measured(*answers: tuple[float, Answer]) -> list[dict[InstanceId, Usage]]:
    """Ask once at each of these moments, to which Nova answers so."""
    left = iter([answer for _, answer in answers])

    def nova(asked: Asked) -> Answer:
        assert "compute 2.48" == asked.headers["openstack-api-version"]
        return next(left)

    with connected(cloud := Cloud(nova=nova), meter=True) as (made, _):
        found = []
        for moment, _ in answers:
            cloud.now = moment
            found.append(dict(made.usage([ID])))
        return found


def test_at_first_it_is_the_average_since_the_start() -> None:
    (found,) = measured((1000.0, busy(50.0, uptime=100)))

    assert {ID: Usage(at=1000.0, period_s=100.0, cpu=0.5)} == found


def test_later_it_is_what_came_since_a_minute_or_more() -> None:
    first, soon, later = measured(
        (1000.0, busy(50.0, uptime=100)), (1030.0, busy(80.0, uptime=130)), (1060.0, busy(140.0, uptime=160))
    )

    assert [(100.0, 0.5), (130.0, 80 / 130), (60.0, 1.5)] == [
        (each[ID].period_s, each[ID].cpu) for each in (first, soon, later)
    ]


def test_a_server_that_was_started_anew_is_counted_from_its_start() -> None:
    _, found = measured((1000.0, busy(50.0, uptime=100)), (1100.0, busy(5.0, uptime=10)))

    assert (10.0, 0.5) == (found[ID].period_s, found[ID].cpu)


def test_without_its_age_nothing_is_told_before_the_second_time() -> None:
    first, second = measured((1000.0, busy(50.0, uptime=None)), (1060.0, busy(80.0, uptime=None)))

    assert ({}, (60.0, 0.5)) == (first, (second[ID].period_s, second[ID].cpu))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(busy(1.0, uptime=10, state="shutdown"), id="it is shut off"),
        pytest.param(busy(1.0, uptime=0), id="it has just started"),
        pytest.param(busy(0.0, uptime=10, cpus=0), id="its hypervisor counts nothing"),
        pytest.param(Answer(404, b'{"itemNotFound": {"code": 404, "message": "no such server"}}'), id="it is gone"),
        pytest.param(Answer(409, b'{"conflictingRequest": {"code": 409, "message": "not ready"}}'), id="it builds"),
    ],
)
def test_of_what_is_not_known_nothing_is_told(answer: Answer) -> None:
    assert [{}] == measured((1000.0, answer))


def test_who_may_not_ask_is_told_so() -> None:
    text = b'{"forbidden": {"code": 403, "message": "Policy doesn\'t allow os-server-diagnostics to be performed."}}'

    with pytest.raises(Denied, match="diagnostics"):
        measured((1000.0, Answer(403, text)))


def test_without_the_option_nothing_is_asked() -> None:
    with connected(Cloud()) as (made, server), pytest.raises(Unsupported, match="meter = true"):
        made.usage([ID])

    assert [] == server.asked


@pytest.fixture
def running() -> Iterator[tuple[OpenStackDriver, InstanceId]]:
    with contextlib.closing(driver(cloud="oslab-admin", meter=True)) as admin:
        options = {"networks": ("none",)}
        (row,) = admin.launch(some_request(admin, "lab-metered", options=options)).created
        until = time.monotonic() + PATIENCE_S
        while admin.instances(Selector("lab-metered"))[0].phase is not Phase.RUNNING and time.monotonic() < until:
            time.sleep(1.0)
        yield admin, row.id
        ended(admin, "lab-metered")


@needs_lab
def test_nova_tells_what_a_server_uses(running: tuple[OpenStackDriver, InstanceId]) -> None:
    admin, id = running
    found = admin.usage([id, ID])

    assert {id} == set(found)
    assert 0.0 < found[id].cpu <= 1.0
