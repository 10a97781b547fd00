"""What drivers foresee: asked for once a placement, told at its place in the file, a reason to refuse a plan."""

import attrs
import pytest
from immutabledict import immutabledict
from situations import deployment, fleet
from stage import Stage

from vmpattern.access import Session, VirtualRuntime, read_clouds
from vmpattern.driver import LaunchRequest
from vmpattern.errors import Denied, DriverError, Problem, SpecError, Throttled, Transient, Unauthenticated
from vmpattern.forecast import plan
from vmpattern.model import Deployment, Existing, Observation, Placement, Secret
from vmpattern.reconcile.staleness import check_fresh
from vmpattern.simulation import CloudSpec, SimulatedCloud


class Foreseeing(SimulatedCloud):
    """Says of every check what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: tuple[Problem, ...] | DriverError) -> None:
        super().__init__(CloudSpec(name="demo"))
        self.answers = list(answers)
        self.asked: list[tuple[list[LaunchRequest], object]] = []

    def check(self, requests, balancer):
        self.asked.append((list(requests), balancer))
        answer = self.answers.pop(0) if self.answers else ()
        if isinstance(answer, DriverError):
            raise answer
        return answer


def observed(wanted: Deployment, cloud: SimulatedCloud) -> Observation:
    return read_clouds(wanted, session(cloud), check=True)


def session(cloud: SimulatedCloud) -> Session:
    return Session({"demo": cloud}, VirtualRuntime(cloud.clock.now(), [cloud]))


def told(path: str, wanted: Deployment | None = None) -> list[str]:
    """Return where a problem at a request's path is told to be in the file."""
    wanted = wanted or deployment(fleet(2, balanced=True))
    cloud = Foreseeing((Problem(path, "no"),))
    return [one.path for check in observed(wanted, cloud).clouds["demo"].checks for one in check.problems]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        pytest.param("options.subnets[1]", "fleets.web.placements[0].options.subnets[1]", id="an option"),
        pytest.param("machine_type", "fleets.web.placements[0].machine_type", id="the machine type"),
        pytest.param("zone", "fleets.web.placements[0].zones", id="the zone"),
        pytest.param("", "fleets.web.placements[0]", id="the placement"),
        pytest.param("image", "services.shop.image.existing.demo", id="the image"),
        pytest.param("env", "services.shop.env", id="the environment"),
        pytest.param("disk_gib", "services.shop.resources.disk", id="the disk"),
        pytest.param("balancer.name", "fleets.web.balancer.demo.name", id="the balancer"),
    ],
)
def test_a_problem_is_told_at_its_place_in_the_file(path: str, place: str) -> None:
    assert [place] == told(path)


def test_each_placement_is_asked_about_once_with_its_zones() -> None:
    places = (Placement(cloud="demo", zones=("a", "b")), Placement(cloud="demo", zones=("c",)))
    wanted = deployment(attrs.evolve(fleet(5, balanced=True), placements=places))
    cloud = Foreseeing()
    observed(wanted, cloud)

    assert [["a", "b"], ["c"]] == [[request.zone for request in requests] for requests, _ in cloud.asked]
    assert [wanted.fleets["web"].balancer["demo"]] * 2 == [balancer for _, balancer in cloud.asked]


def test_a_request_has_references_instead_of_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    wanted = deployment(fleet(1))
    service = attrs.evolve(wanted.services["shop"], env={"A": "1", "B": Secret("env:PASSWORD")})
    cloud = Foreseeing()
    observed(attrs.evolve(wanted, services={"shop": service}), cloud)

    assert {"A": "1", "B": "env:PASSWORD"} == dict(cloud.asked[0][0][0].env)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(deployment(fleet(0)), id="of size 0"),
        pytest.param(
            deployment(attrs.evolve(fleet(1), placements=(Placement(cloud="demo", machine_type="none"),))),
            id="of what isn't sold",
        ),
    ],
)
def test_nothing_is_asked_of_a_fleet_that_launches_nothing(wanted: Deployment) -> None:
    cloud = Foreseeing()
    observed(wanted, cloud)

    assert [] == cloud.asked


def test_nothing_is_asked_where_only_the_state_matters() -> None:
    cloud = Foreseeing()
    read_clouds(deployment(fleet(1)), session(cloud))

    assert [] == cloud.asked


@pytest.mark.parametrize("error", [Denied("not yours"), Unauthenticated("who are you?")])
def test_a_missing_permission_is_a_problem(error: DriverError) -> None:
    (check,) = observed(deployment(fleet(1)), Foreseeing(error)).clouds["demo"].checks

    assert (Problem("fleets.web.placements[0]", str(error)),) == check.problems


def test_what_cannot_be_found_out_is_a_note() -> None:
    (check,) = observed(deployment(fleet(1)), Foreseeing(*[Transient("down")] * 4)).clouds["demo"].checks

    assert ((), True) == (check.problems, "down" in check.notes[0])


def test_a_throttled_check_is_made_again() -> None:
    cloud = Foreseeing(Throttled("slow down"), ())

    assert () == observed(deployment(fleet(1)), cloud).clouds["demo"].checks
    assert 2 == len(cloud.asked)


def test_a_plan_that_launches_what_is_bound_to_fail_is_refused() -> None:
    wanted = deployment(fleet(1))
    seen = observed(wanted, Foreseeing((Problem("image", "is of another architecture"),)))

    with pytest.raises(SpecError, match=r"services\.shop\.image\.existing\.demo: is of another architecture"):
        plan(wanted, seen)


def test_a_plan_that_launches_nothing_only_notes_what_would_fail() -> None:
    stage = Stage()
    wanted = stage.deployment(fleet(1))
    stage.apply(wanted)
    seen = stage.observe(wanted)
    checks = observed(wanted, Foreseeing((Problem("image", "is gone"),))).clouds["demo"].checks
    seen = attrs.evolve(seen, clouds={"demo": attrs.evolve(seen.clouds["demo"], checks=checks)})
    made = plan(wanted, seen)

    assert not made.changes
    assert "services.shop.image.existing.demo: is gone" in made.notes


def test_a_plan_is_refused_when_it_has_become_bound_to_fail() -> None:
    wanted = deployment(fleet(1))
    made = plan(wanted, observed(wanted, Foreseeing()))
    now = observed(wanted, Foreseeing((Problem("image", "is gone"),)))

    with pytest.raises(SpecError, match="is gone"):
        check_fresh(made, now)


def test_a_simulated_cloud_foresees_what_it_would_refuse() -> None:
    options = immutabledict(subnet="x")
    wanted = deployment(attrs.evolve(fleet(3), placements=(Placement(cloud="demo", options=options),)))
    services = {name: attrs.evolve(one, image=Existing({"demo": "ami-1"})) for name, one in wanted.services.items()}
    cloud = SimulatedCloud(CloudSpec(name="demo", quota=2))
    (check,) = observed(attrs.evolve(wanted, services=services), cloud).clouds["demo"].checks
    found = {problem.path: problem.message for problem in check.problems}

    assert {
        "services.shop.image.existing.demo": "there is no image ami-1: their ids begin with img-",
        "fleets.web.placements[0].options.subnet": ("isn't an option here; a simulated cloud has none for a placement"),
    } == found
