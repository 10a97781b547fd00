"""Outcomes of applies that touched no fleet, or baked before: put together from what was seen and what was done."""

from collections.abc import Mapping, Sequence

import attrs

from vmpattern.model import BakeOutcome, BakeState, Event, Failure, FleetOutcome, NoRoom, Observation, Outcome, Result
from vmpattern.planner import Assessment, uneven


def with_bakes(outcome: Outcome, baked: BakeOutcome, told: Sequence[Event]) -> Outcome:
    """Add what baking took to what the fleets took."""
    made = outcome.result is Result.NOTHING and bool(baked.results)
    return attrs.evolve(
        outcome,
        result=Result.COMPLETE if made else outcome.result,
        duration_s=baked.duration_s + outcome.duration_s,
        api_calls=baked.api_calls + outcome.api_calls,
        events=(*told, *outcome.events),
    )


def not_baked(standing: Mapping[str, Assessment], baked: BakeOutcome, told: Sequence[Event]) -> Outcome:
    """Return the outcome of an apply that touched no fleet, since an image is missing."""
    stopped = any(result.state is BakeState.INTERRUPTED for result in baked.results)
    nothing = untouched(Result.INTERRUPTED if stopped else Result.FAILED, standing, api_calls=baked.api_calls)
    return attrs.evolve(
        nothing,
        duration_s=baked.duration_s,
        errors=tuple(
            Failure(
                code=result.code,
                scope=f"image of {result.service} in {result.cloud}",
                message="\n".join(filter(None, [result.message, result.console])),
            )
            for result in baked.results
            if result.state is BakeState.FAILED
        ),
        remaining=tuple(
            f"the image of {result.service} in {result.cloud} isn't baked, and no fleet was touched"
            for result in baked.results
            if result.image is None
        ),
        events=tuple(told),
    )


def found_no_room(outcome: Outcome, observation: Observation) -> tuple[NoRoom, ...]:
    """Return where there is no room after an apply: what it found itself, and what was known and every fleet leaves."""
    fleets = outcome.fleets.values()
    known = {one for one in observation.no_room if all(one in fleet.no_room for fleet in fleets)}
    found = {one for fleet in fleets for one in fleet.no_room} - set(observation.no_room)
    return tuple(sorted(known | found, key=lambda one: (one.cloud, str(one.scope), one.at)))


def untouched(
    result: Result, standing: Mapping[str, Assessment], *, api_calls: int, no_room: Sequence[NoRoom] = ()
) -> Outcome:
    """Return the outcome of an apply that touched no fleet, with what was ready when it looked."""
    fleets = {
        name: FleetOutcome(
            created=0,
            destroyed=0,
            ready=assessment.ready,
            size=assessment.index.fleet.size,
            reached=assessment.reached,
            lowest_ready=assessment.ready,
            highest_total=assessment.index.total,
            missing=max(0, assessment.index.fleet.size - sum(assessment.index.have)),
        )
        for name, assessment in standing.items()
    }
    remaining = [f"fleet {name}: {rest}" for name, one in standing.items() if (rest := uneven(one.index, no_room))]
    return Outcome(result=result, fleets=fleets, duration_s=0.0, api_calls=api_calls, remaining=tuple(remaining))
