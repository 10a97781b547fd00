"""How a cloud is read: the slower its lists, the rarer they are."""

from collections.abc import Mapping, Sequence

import pytest
from hands import Listed

from vmpattern.access.reading import FleetReading, Reader
from vmpattern.model import Health, HealthCheck, Instance, InstanceId
from vmpattern.simulation import EC2_LIKE, CloudSpec, SimulatedCloud

CHECK = HealthCheck(http="/")


class Watch:
    """A clock that somebody else moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += seconds


def pause_after(*lists_s: float, probes_s: float = 0.0) -> float:
    """Return how many seconds lie between two lists, after lists and probes that took so long."""
    watch, left = Watch(), list(lists_s)

    def probe(rows: Sequence[Instance], check: HealthCheck) -> Mapping[InstanceId, Health]:
        watch.move(probes_s)
        return {}

    reader = Reader(
        Listed(
            SimulatedCloud(CloudSpec(name="demo", capabilities=EC2_LIKE)), before=lambda *_: watch.move(left.pop(0))
        ),
        deployment="shop",
        fleets={"web": FleetReading(labels=("web",), check=CHECK)},
        probe=probe,
        watch=False,
        now=watch.now,
    )
    for _ in lists_s:
        reader.took(reader.read())
    return reader.due_after(0.0)


@pytest.mark.parametrize(
    ("took_s", "pause_s"),
    [
        pytest.param(0.0, 2.0, id="at once"),
        pytest.param(0.5, 2.0, id="a quarter of the least pause"),
        pytest.param(1.25, 5.0, id="longer"),
        pytest.param(9.0, 7.5, id="so long that readings would get stale"),
    ],
)
def test_the_longer_a_list_takes_the_later_comes_the_next(took_s: float, pause_s: float) -> None:
    assert pause_s == pause_after(took_s)


def test_a_list_that_is_quick_again_is_asked_for_as_before() -> None:
    assert 2.0 == pause_after(1.5, 0.1)


def test_probes_that_take_their_time_are_no_load_on_the_cloud() -> None:
    assert 2.0 == pause_after(0.1, probes_s=5.0)
