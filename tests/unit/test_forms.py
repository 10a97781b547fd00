"""The JSON documents that commands print, and the plans that are refused."""

import json

import pytest

from vmpattern.errors import DamagedPlan, SpecError
from vmpattern.model import (
    Action,
    Deployment,
    Event,
    EventKind,
    Existing,
    Failure,
    FleetOutcome,
    FleetPlan,
    Forecast,
    ImageId,
    ImageSource,
    InstanceId,
    Latencies,
    Outcome,
    PackerManifest,
    Placement,
    Plan,
    Reason,
    Recipe,
    RemoteFile,
    Result,
    Rollout,
    Secret,
    Service,
    Share,
    Step,
)
from vmpattern.serialization import Json, from_json, outcome_to_json, plan_digest, plan_from_json, plan_to_json, to_json
from vmpattern.specfile import loads
from vmpattern.specfile.starters import starter

STEP = Step(
    action=Action.LAUNCH,
    fleet="web",
    cloud="demo",
    zone="a",
    count=1,
    instances=(InstanceId("i-1"),),
    start_s=0,
    duration_s=30,
)
PLAN = Plan(
    deployment=loads(starter("memory")),
    at=1000,
    fleets={
        "web": FleetPlan(
            size=3,
            ready=2,
            reached=False,
            create=1,
            replace=2,
            destroy=0,
            keep=0,
            register=3,
            deregister=2,
            slots=(),
            reasons=(Reason(field="image", before="img-1", after="img-2", count=2),),
            remaining=("0 of 3 in date and ready",),
        )
    },
    steps=(STEP,),
    forecast=Forecast(duration_s=30, api_calls=2, lowest_ready={"web": 2}, highest_total={"web": 3}, price_after=0.5),
    observed={"web": (InstanceId("i-0"),)},
    observed_at={"demo": 1000},
)
OUTCOME = Outcome(
    result=Result.ROLLED_BACK,
    fleets={"web": FleetOutcome(created=3, destroyed=1, ready=2, size=3, reached=False, lowest_ready=1)},
    duration_s=12.5,
    api_calls=7,
    errors=(Failure(code="Quota", scope="region", message="ask for more"),),
    events=(Event(at=0.0, kind=EventKind.DONE),),
)


def test_a_plan_says_what_its_document_promises() -> None:
    form = plan_to_json(PLAN)

    assert {
        "changes": True,
        "reached": False,
        "remaining": ["fleet web: 0 of 3 in date and ready"],
        "fleets": {
            "web": {
                "ready": 2,
                "reached": False,
                "remaining": ["0 of 3 in date and ready"],
                "register": 3,
                "deregister": 2,
                "create": 1,
                "replace": 2,
                "destroy": 0,
                "keep": 0,
                "reasons": [{"field": "image", "from": "img-1", "to": "img-2", "count": 2}],
                "size": 3,
                "slots": [],
                "terminates": [],
                "on_failure": "",
                "notes": [],
            }
        },
        "bakes": [],
        "steps": [
            {
                "action": "launch",
                "fleet": "web",
                "count": 1,
                "instances": ["i-1"],
                "start_s": 0,
                "duration_s": 30,
                "cloud": "demo",
                "zone": "a",
            }
        ],
        "forecast": {
            "duration_s": 30,
            "api_calls": 2,
            "lowest_ready": {"web": 2},
            "highest_total": {"web": 3},
            "counts": {},
            "price_before": None,
            "price_after": 0.5,
            "price_peak": None,
            "ends": "complete",
        },
        "digest": plan_digest(PLAN),
    }.items() <= form.items()


def test_a_plan_says_more_only_to_be_read_back() -> None:
    more = plan_to_json(PLAN).keys() - {
        "changes",
        "reached",
        "remaining",
        "fleets",
        "bakes",
        "steps",
        "forecast",
        "digest",
    }

    assert {"version", "deployment", "at", "observed", "observed_at", "notes", "recipes"} == more


def test_an_outcome_says_what_its_document_promises() -> None:
    assert {
        "outcome": "rolled-back",
        "reached": False,
        "fleets": {
            "web": {
                "created": 3,
                "destroyed": 1,
                "register": 0,
                "deregister": 0,
                "ready": 2,
                "size": 3,
                "reached": False,
                "lowest_ready": 1,
                "highest_total": None,
            }
        },
        "duration_s": 12.5,
        "api_calls": 7,
        "errors": [{"code": "Quota", "scope": "region", "message": "ask for more"}],
        "remaining": [],
    } == outcome_to_json(OUTCOME)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        pytest.param(Share(25, percent=True), "25%", id="a percentage"),
        pytest.param(Share(2), 2, id="a number of instances"),
        pytest.param(Secret("env:DB"), {"secret": "env:DB"}, id="a secret"),
        pytest.param(Action.LAUNCH, "launch", id="an enum"),
    ],
)
def test_a_small_value_is_written(value: object, form: Json) -> None:
    assert form == to_json(value)


@pytest.mark.parametrize(
    ("image", "form"),
    [
        pytest.param(Existing({"eu": ImageId("ami-1")}), {"kind": "existing", "ids": {"eu": "ami-1"}}, id="existing"),
        pytest.param(PackerManifest("m.json"), {"kind": "packer-manifest", "path": "m.json"}, id="packer"),
        pytest.param(
            Recipe(base={"": "b"}, run="r", files={"/a": "x", "/b": RemoteFile(url="https://h", sha256="0")}),
            {
                "kind": "recipe",
                "base": {"": "b"},
                "run": "r",
                "provision": None,
                "variables": {},
                "files": {"/a": "x", "/b": {"url": "https://h", "sha256": "0"}},
            },
            id="recipe",
        ),
    ],
)
def test_images_are_told_apart_by_kind(image: ImageSource, form: Json) -> None:
    service = to_json(Service(name="web", image=image))

    assert isinstance(service, dict)
    assert form == service["image"]


@pytest.mark.parametrize(
    ("kind", "form", "path", "message"),
    [
        pytest.param(Deployment, 3, "$", "expected an object", id="a number is no deployment"),
        pytest.param(Placement, {}, "$.cloud", "required field missing", id="a placement has a cloud"),
        pytest.param(Placement, {"cloud": 3}, "$.cloud", "expected a string", id="a cloud is told by name"),
        pytest.param(Placement, {"cloud": "x", "zones": 3}, "$.zones", "expected an array", id="zones are an array"),
        pytest.param(
            Placement, {"cloud": "x", "weight": True}, "$.weight", "expected a whole number", id="true is no weight"
        ),
        pytest.param(
            Placement, {"cloud": "x", "market": "y"}, "$.market", "'y' is not a valid Market", id="no such market"
        ),
        pytest.param(Placement, {"cloud": "x", "zone": "y"}, "$", "extra fields found (zone)", id="no such field"),
        pytest.param(Placement, {"cloud": "x", "options": []}, "$.options", "expected an object", id="an array"),
        pytest.param(
            Placement,
            {"cloud": "x", "options": {"a": [None]}},
            "$.options",
            "expected a setting, neither null nor an infinite number",
            id="null is no setting",
        ),
        pytest.param(Latencies, {"call_s": "1"}, "$.call_s", "expected a finite number", id="text is no number"),
        pytest.param(Latencies, {"call_s": float("nan")}, "$.call_s", "expected a finite number", id="nan"),
        pytest.param(
            Rollout,
            {"max_surge": 0},
            "$",
            "max_surge and max_unavailable are both 0: nothing could ever be replaced",
            id="the model has the last word",
        ),
    ],
)
def test_a_form_that_is_wrong_is_told(kind: type[object], form: Json, path: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_json(kind, form)

    assert [(path, message)] == [(problem.path, problem.message) for problem in caught.value.problems]


def test_an_infinite_number_has_no_form() -> None:
    with pytest.raises(ValueError, match="inf has no JSON form"):
        to_json(Latencies(call_s=float("inf")))


def test_numbers_written_otherwise_by_another_program_do_no_harm() -> None:
    text = json.dumps(plan_to_json(PLAN)).replace(".0,", ",").replace(".0}", "}")

    assert PLAN == plan_from_json(json.loads(text))


EDITED = "the plan was edited or cut short"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"at": 2000.0}, f"{EDITED}, its digest doesn't match: make a new plan", id="another moment"),
        pytest.param({"changes": False}, f"{EDITED}, its digest doesn't match: make a new plan", id="no changes"),
        pytest.param({"digest": "0"}, f"{EDITED}, its digest doesn't match: make a new plan", id="another digest"),
        pytest.param({"at": "now"}, f"{EDITED}: make a new plan (expected a finite number)", id="no moment"),
        pytest.param({"more": 1}, f"{EDITED}: make a new plan (extra fields found (more))", id="a key too many"),
        pytest.param(
            {"version": 1}, "the plan was written by another version of vmpattern: make a new plan", id="a version"
        ),
    ],
)
def test_a_plan_that_was_edited_is_refused(change: dict[str, Json], message: str) -> None:
    with pytest.raises(DamagedPlan) as caught:
        plan_from_json({**plan_to_json(PLAN), **change})

    assert message == str(caught.value)


@pytest.mark.parametrize("form", [None, 1, "plan", [], {}, {"version": 1}, {"outcome": "complete"}])
def test_what_is_no_plan_is_refused(form: Json) -> None:
    with pytest.raises(DamagedPlan, match="this is no plan, or was cut short"):
        plan_from_json(form)
