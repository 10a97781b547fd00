"""Law: whatever placements a file names, a plan is refused at once, or launches each instance once."""

import attrs
from hypothesis import given, strategies as st
from situations import fleet
from stage import Stage

from vmpattern.errors import SpecError
from vmpattern.model import Fleet, Place, Placement

ZONES = st.lists(st.sampled_from(("a", "b", "c")), max_size=3).map(tuple)
PLACEMENTS = st.builds(
    Placement,
    cloud=st.just("demo"),
    zones=ZONES,
    machine_type=st.sampled_from((None, None, "small", "medium")),
    weight=st.sampled_from((1, 1, 3, 2**62)),
)
FLEETS = st.builds(
    lambda size, placements, place: attrs.evolve(fleet(size), placements=placements, place=place),
    st.integers(0, 7),
    st.lists(PLACEMENTS, min_size=1, max_size=4),
    st.sampled_from(Place),
)


@given(FLEETS)
def test_a_plan_is_refused_or_launches_each_instance_once(wanted: Fleet) -> None:
    stage = Stage()
    try:
        made = stage.plan(stage.deployment(wanted))
    except SpecError:
        assert wanted.place is Place.SPREAD
        assert len(wanted.placements) > 1
        return

    assert ("complete", wanted.size, 0) == (made.forecast.ends, made.fleets["web"].create, made.fleets["web"].destroy)
    assert wanted.size == made.forecast.highest_total["web"]
