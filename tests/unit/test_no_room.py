"""A launch that was accepted and found no room afterwards: the provider says so of the instance."""

from collections.abc import Callable

import attrs
import pytest
from hands import Listed
from situations import NEW, NOW, Scene, fleet, instance
from stage import Stage

from vmpattern.model import Breakdown, EventKind, Instance, Outcome, Phase, Place, Result, Rollout, Share

NO_ROOM = Breakdown(message="No valid host was found.", lacking=True)
DAMAGED = Breakdown(message="The image is damaged.")


def broken(breakdown: Breakdown) -> Callable[[str, object], object]:
    """Let what is launched never come up."""

    def row(one: Instance) -> Instance:
        return attrs.evolve(one, phase=Phase.STOPPED, breakdown=breakdown) if one.phase.is_live else one

    def after(verb: str, answer: object) -> object:
        return tuple(map(row, answer)) if verb == "instances" else answer  # type: ignore[call-overload]

    return after


def played(breakdown: Breakdown) -> tuple[Stage, Outcome]:
    """Launch two in a cloud where nothing comes up, with another to fall back to."""
    stage = Stage("full", "open", zones=("a",))
    rollout = Rollout(keep_failed=0, max_failures=Share(1))
    wanted = fleet(2, clouds=("full", "open"), place=Place.ORDERED, rollout=rollout)
    driver = Listed(stage.clouds["full"], after=broken(breakdown))
    return stage, stage.apply(stage.deployment(wanted), drivers={"full": driver})


def test_what_found_no_room_is_launched_elsewhere() -> None:
    stage, outcome = played(NO_ROOM)

    assert Result.COMPLETE is outcome.result
    assert ["open", "open"] == [row.cloud for row in stage.live()]


def test_it_is_told_that_there_was_no_room_and_where() -> None:
    stage, _ = played(NO_ROOM)
    blocked = {(event.cloud, event.zone) for event in stage.events if event.kind is EventKind.BLOCKED}
    failed = {event.message for event in stage.events if event.kind is EventKind.FAILED}

    assert {("full", "a")} == blocked
    assert {"the VM never came up: No valid host was found."} == failed


def test_what_failed_for_another_reason_counts_against_the_revision() -> None:
    _, outcome = played(DAMAGED)

    assert Result.PAUSED is outcome.result


@pytest.mark.parametrize(("breakdown", "failures"), [(NO_ROOM, 0), (DAMAGED, 1), (None, 1)])
def test_a_lack_of_room_is_no_failure(breakdown: Breakdown | None, failures: int) -> None:
    here = Scene(fleet(3)).index
    here.see(attrs.evolve(instance("i1", revision=NEW, phase=Phase.STOPPED), breakdown=breakdown), NOW, ours=True)

    assert failures == here.failures


def test_what_fails_for_two_fleets_alike_is_in_the_last_event_once() -> None:
    stage = Stage(capacity={("a", "small"): 0}, zones=("a",))
    outcome = stage.apply(stage.deployment(fleet(1, name="api"), fleet(1)))
    told = stage.events[-1].message.split("; ")

    assert 4 == len(outcome.errors)
    assert ["demo: not enough small in zone a", "no progress for 1200 s"] == told
