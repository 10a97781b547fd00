"""How many instances more than now a rollout needs at once: what quotas have to leave room for. Pure."""

from contextlib import suppress

from vmpattern.errors import SpecError
from vmpattern.model import AnySlot, Deployment, Fleet, Observation
from vmpattern.planner.assessment import assess
from vmpattern.planner.limits import limits
from vmpattern.planner.resolve import resolve


def peak(deployment: Deployment, fleet: Fleet, observation: Observation) -> int:
    """Return how many instances beyond those that are live the rollout certainly has at once.

    What the rollout frees is counted: what failed ends before its successor comes, and so does what is out of date
    where `max_unavailable` lets it. Only where every ready instance is needed, one more comes first.
    """
    slots: tuple[AnySlot, ...] = ()
    # What can't be resolved is refused by the plan; nothing is in date then.
    with suppress(SpecError):
        slots = resolve(deployment, fleet, observation).slots
    index = assess(deployment, fleet, slots, observation).index
    needs_room = bool(index.old_ready or index.old_idle) and limits(fleet).least >= fleet.size
    return max(0, fleet.size + needs_room + index.kept - index.live)
