"""What a value of the model is written to, it is read from: through JSON text, and nothing edited passes for a plan."""

import json

import attrs
import observed_strategies
import planned_strategies
import pytest
import strategies
from hypothesis import assume, given, strategies as st

from vmpattern.errors import DamagedPlan
from vmpattern.model import Plan
from vmpattern.serialization import Json, from_json, plan_from_json, plan_to_json, to_json

values: st.SearchStrategy[attrs.AttrsInstance] = st.one_of(
    strategies.deployments(),
    observed_strategies.observations,
    observed_strategies.instances,
    observed_strategies.baked_images,
    observed_strategies.machine_types,
    observed_strategies.capabilities,
    planned_strategies.steps,
    planned_strategies.slots,
    planned_strategies.fleet_plans,
    planned_strategies.forecasts,
    planned_strategies.outcomes,
    strategies.rollouts(),
    strategies.shares,
    strategies.secrets,
    strategies.health_checks,
    strategies.images(("eu", "lab")),
)


def through_text(form: Json) -> Json:
    read: Json = json.loads(json.dumps(form, allow_nan=False))
    return read


@given(values)
def test_every_value_is_read_back(value: attrs.AttrsInstance) -> None:
    read = from_json(type(value), through_text(to_json(value)))

    assert value == read


@given(planned_strategies.plans)
def test_a_plan_is_read_back(plan: Plan) -> None:
    read = plan_from_json(through_text(plan_to_json(plan)))

    assert plan == read


@given(planned_strategies.plans, st.data(), st.sampled_from([None, 7654321, 0.5, "edited", [], {}, [7], {"edited": 7}]))
def test_a_plan_edited_anywhere_is_refused(plan: Plan, data: st.DataObject, edit: Json) -> None:
    form = through_text(plan_to_json(plan))
    part, key = data.draw(st.sampled_from(places(form)))
    assume(part[key] != edit)
    part[key] = edit

    with pytest.raises(DamagedPlan):
        plan_from_json(form)


@given(planned_strategies.plans, st.data())
def test_a_plan_that_lacks_anything_is_refused(plan: Plan, data: st.DataObject) -> None:
    form = through_text(plan_to_json(plan))
    part, key = data.draw(st.sampled_from(places(form)))
    del part[key]

    with pytest.raises(DamagedPlan):
        plan_from_json(form)


def places(form: Json) -> list[tuple[dict[str, Json], str]]:
    """Every key of every object, outermost first, with the object that holds it."""
    inner = form.values() if isinstance(form, dict) else form if isinstance(form, list) else ()
    own = [(form, key) for key in form] if isinstance(form, dict) else []
    return own + [place for part in inner for place in places(part)]
