"""Plans that meet a limit of an account: refused before anything is touched. Pure."""

from collections.abc import Iterator

from vmpattern.errors import Problem, SpecError
from vmpattern.model import Limit, NoRoom, Observation, Outcome

SMALLER = "choose a smaller size, or raise the limit"
IN_PLACE = "replace within the limit (max_surge = 0 with max_unavailable = 1)"


def refuse_exceeding(outcome: Outcome, observation: Observation) -> None:
    """Refuse a plan whose forecast ends because a limit that was observed leaves no room.

    Raises:
        SpecError: the limits, each with the fleet that lacks instances because of it.
    """
    problems = [] if outcome.ok else list(dict.fromkeys(_problems(outcome, observation)))
    if problems:
        raise SpecError(problems)


def _problems(outcome: Outcome, observation: Observation) -> Iterator[Problem]:
    codes = {failure.code for failure in outcome.errors}
    for name, fleet in outcome.fleets.items():
        for refusal in fleet.no_room if fleet.missing else ():
            limit = _reached(refusal, observation)
            if limit is not None and limit.code in codes:
                yield Problem(f"fleets.{name}", f"{refusal.cloud}: {_words(limit)}")


def _reached(refusal: NoRoom, observation: Observation) -> Limit | None:
    """Return the limit that a launch met; of several that are refused alike, the one that the refusal names."""
    cloud = observation.clouds.get(refusal.cloud)
    met = [
        limit
        for limit in (cloud.limits if cloud is not None else ())
        if (limit.code, limit.scope_of(refusal.scope.machine_type)) == (refusal.code, refusal.scope)
    ]
    named = (limit for limit in met if refusal.message.startswith(limit.name))
    return next(named, next(iter(met), None))


def _words(limit: Limit) -> str:
    way = f"{IN_PLACE}, {SMALLER}" if limit.used else SMALLER
    return f"{limit}, and this change needs more at once than it frees: {way}"
