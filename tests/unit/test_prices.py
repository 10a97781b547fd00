"""What a plan says about the price comes true, whatever placements share a zone and a machine type."""

from collections.abc import Sequence

import attrs
import pytest
from situations import fleet
from stage import Stage

from vmpattern.model import Fleet, Market, Place, Placement
from vmpattern.planner.survey import survey
from vmpattern.simulation import EC2_LIKE

SPOT, ON_DEMAND = Placement(cloud="demo", market=Market.SPOT), Placement(cloud="demo")
ON_DEMAND_IN_C = Placement(cloud="demo", zones=("c",))


def stage() -> Stage:
    return Stage(capabilities=attrs.evolve(EC2_LIKE, markets=frozenset(Market)))


def placed(size: int, placements: Sequence[Placement], place: Place) -> Fleet:
    return attrs.evolve(fleet(size), placements=placements, place=place)


@pytest.mark.parametrize(
    ("size", "placements", "place"),
    [
        pytest.param(8, (SPOT, ON_DEMAND), Place.SPREAD, id="both-markets-share-the-size"),
        pytest.param(2, (ON_DEMAND_IN_C, SPOT), Place.ORDERED, id="the-other-market-comes-last"),
        pytest.param(2, (ON_DEMAND, SPOT), Place.CHEAPEST, id="the-other-market-is-cheaper"),
    ],
)
def test_a_plan_names_the_price_that_status_names_after_it(
    size: int, placements: Sequence[Placement], place: Place
) -> None:
    there, wanted = stage(), placed(size, placements, place)
    deployment = there.deployment(wanted)
    planned = there.plan(deployment)
    there.apply(deployment, made=planned)

    price = survey(deployment, there.observe(deployment))["web"].price_per_hour

    assert price is not None
    assert price == planned.forecast.price_after
