import pytest

from vmpattern.errors import ApplyFailed
from vmpattern.model import Event, EventKind, Failure, FleetOutcome, InstanceId, Outcome, Result


def outcome(result: Result) -> Outcome:
    return Outcome(
        result=result,
        fleets={"web": FleetOutcome(created=0, destroyed=0, ready=0, size=1, reached=False)},
        duration_s=1.0,
        api_calls=2,
        errors=(Failure(code="Full", scope="zone a", message="no room"),),
        remaining=("fleet web: 0 of 1",),
    )


@pytest.mark.parametrize("result", [Result.COMPLETE, Result.NOTHING])
def test_success_raises_nothing(result: Result) -> None:
    outcome(result).raise_for_failure()

    assert outcome(result).ok


@pytest.mark.parametrize("result", [Result.FAILED, Result.PAUSED, Result.ROLLED_BACK, Result.INTERRUPTED])
def test_every_other_end_is_raised_on_request(result: Result) -> None:
    with pytest.raises(ApplyFailed, match=f"the apply ended {result.value}"):
        outcome(result).raise_for_failure()


@pytest.mark.parametrize("told", ["Full", "zone a", "no room", "fleet web: 0 of 1"])
def test_what_is_raised_tells_every_error_and_what_remains(told: str) -> None:
    with pytest.raises(ApplyFailed, match=told):
        outcome(Result.FAILED).raise_for_failure()


IDS = tuple(InstanceId(f"i-{number}") for number in range(4))


@pytest.mark.parametrize(
    ("text", "event"),
    [
        pytest.param(
            "web launched eu/a i-0, i-1, i-2",
            Event(at=0, kind=EventKind.LAUNCHED, fleet="web", cloud="eu", zone="a", count=3, instances=IDS[:3]),
            id="up to three instances by name",
        ),
        pytest.param(
            "web ready 4 instances",
            Event(at=0, kind=EventKind.READY, fleet="web", count=4, instances=IDS),
            id="more than three by number",
        ),
        pytest.param(
            "web launching eu 3 small",
            Event(at=0, kind=EventKind.LAUNCHING, fleet="web", cloud="eu", count=3, message="small"),
            id="a count where there are no ids",
        ),
        pytest.param(
            "terminating i-0 (unplanned)",
            Event(at=0, kind=EventKind.TERMINATING, instances=IDS[:1], planned=False),
            id="what the plan didn't name",
        ),
    ],
)
def test_an_event_is_told_with(text: str, event: Event) -> None:
    assert text == str(event)
