from collections.abc import Callable

import attrs
import pytest
from hands import Listed
from situations import deployment, fleet, instance
from stage import Stage

from vmpattern.access import RealRuntime, Session, read_clouds
from vmpattern.driver import Selector
from vmpattern.errors import ContractBroken, Denied, DriverError, Invalid, Transient
from vmpattern.model import CloudObservation, Deployment, Health, Image, Membership, Recipe
from vmpattern.simulation import EC2_LIKE, EPOCH

WANTED = deployment(fleet(2, balanced=True))


def fails(error: Exception, times: int, verb: str = "instances") -> Callable[[str, object], None]:
    left = [error] * times

    def before(called: str, argument: object) -> None:
        if called == verb and left:
            raise left.pop()

    return before


def stage() -> Stage:
    one = Stage()
    one.apply(one.deployment(fleet(2, balanced=True)))
    return one


def read(driver: Listed, **how: int) -> CloudObservation:
    return read_clouds(WANTED, Stage().session({"demo": driver}), **how).clouds["demo"]


def test_every_instance_is_observed() -> None:
    one = stage()

    assert {row.id for row in one.live()} == {row.id for row in read(Listed(one.cloud)).instances}


def test_the_words_of_the_health_check_are_observed() -> None:
    assert [Health.HEALTHY] * 2 == list(read(Listed(stage().cloud)).probed.values())


def test_members_of_the_balancer_are_observed() -> None:
    one = stage()

    assert [Membership.HEALTHY] * 2 == [
        standing.membership for standing in one.observe(WANTED).clouds["demo"].members.values()
    ]


def test_what_the_cloud_sells_is_observed() -> None:
    one = stage()

    assert one.cloud.machine_types() == read(Listed(one.cloud)).machine_types


def test_the_time_is_that_of_the_cloud() -> None:
    one = stage()

    assert one.cloud.clock.now() == one.observe(WANTED).at


def test_the_calls_are_counted() -> None:
    one = stage()
    before = sum(one.cloud.calls.values())

    assert one.observe(WANTED).calls == sum(one.cloud.calls.values()) - before


def test_a_cloud_that_stumbles_is_asked_again() -> None:
    driver = Listed(stage().cloud, before=fails(Transient("oops"), 3))

    assert 2 == len(read(driver).instances)


def test_a_cloud_that_goes_on_stumbling_is_given_up() -> None:
    driver = Listed(stage().cloud, before=fails(Transient("oops"), 99))

    assert ("oops (Transient, cloud)", 4) == (read(driver).error, len(driver.log))


@pytest.mark.parametrize("error", [Denied("no"), Invalid("never")], ids=lambda error: type(error).__name__)
def test_a_cloud_that_refuses_is_observed_as_an_error(error: DriverError) -> None:
    driver = Listed(stage().cloud, before=fails(error, 99))

    assert (str(error), 1) == (read(driver).error, len(driver.log))


def test_an_unreadable_cloud_leaves_the_others() -> None:
    two = Stage("eu", "lab")
    driver = Listed(two.clouds["lab"], before=fails(Denied("no"), 99))
    seen = read_clouds(two.deployment(), two.session({"lab": driver}))

    assert {"eu": None, "lab": "no (Denied, cloud)"} == {name: cloud.error for name, cloud in seen.clouds.items()}


@pytest.mark.parametrize(
    ("message", "driver"),
    [
        pytest.param(
            "demo: instances raised ValueError",
            Listed(Stage().cloud, before=fails(ValueError("oops"), 99)),
            id="a list raises something undeclared",
        ),
        pytest.param(
            "demo: instances returned stranger",
            Listed(Stage().cloud, after=lambda verb, rows: (instance("stranger", deployment="other"),)),
            id="a list shows a stranger",
        ),
        pytest.param(
            "demo: instances returned NoneType, not a tuple",
            Listed(Stage().cloud, after=lambda verb, rows: None),
            id="a list is none",
        ),
    ],
)
def test_a_broken_contract_is_raised_when(message: str, driver: Listed) -> None:
    with pytest.raises(ContractBroken, match=message):
        read(driver)


def test_nobody_is_asked_for_health_where_the_service_has_no_check() -> None:
    one = Stage()
    wanted = deployment(fleet(2), health=None)
    one.apply(wanted)

    assert {} == one.observe(wanted).clouds["demo"].probed


def test_instances_are_asked_over_the_network_where_the_driver_does_not() -> None:
    one = stage()
    driver = Listed(one.cloud, capabilities=attrs.evolve(EC2_LIKE, probes=False))
    session = one.session({"demo": driver})
    session.probe = lambda rows, check: {row.id: Health.UNHEALTHY for row in rows}
    seen = read_clouds(WANTED, session).clouds["demo"]

    assert [Health.UNHEALTHY] * 2 == list(seen.probed.values())


def test_without_a_cloud_there_is_nothing_to_read() -> None:
    seen = read_clouds(WANTED, Session({}, RealRuntime()))

    assert ({}, True) == (seen.clouds, seen.at > EPOCH)


def test_a_reading_is_given_up_at_once_where_asked_for() -> None:
    driver = Listed(stage().cloud, before=fails(Transient("oops"), 1))

    assert "oops (Transient, cloud)" == read(driver, most_attempts=1).error


class WithoutImages(Listed):
    """Nobody may list its images."""

    def images(self, selector: Selector) -> tuple[Image, ...]:
        raise Denied("not yours")


def recipe(size: int) -> Deployment:
    """Return a deployment whose image is made from a base."""
    one = deployment(fleet(size))
    service = attrs.evolve(one.services["shop"], image=Recipe(base={"": "debian-13"}, run="/bin/app"))
    return attrs.evolve(one, services={"shop": service})


@pytest.mark.parametrize("size", [0, 1])
def test_what_only_an_empty_fleet_names_keeps_no_cloud_from_being_read(size: int) -> None:
    driver = WithoutImages(stage().cloud)
    seen = read_clouds(recipe(size), Stage().session({"demo": driver}), most_attempts=1).clouds["demo"]

    assert (seen.error is None) == (size == 0)
