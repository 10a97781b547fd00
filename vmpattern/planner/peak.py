"""How many instances more than now a rollout needs at once: what quotas have to leave room for. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress

from vmpattern.errors import SpecError
from vmpattern.model import AnySlot, CloudObservation, Deployment, Fleet, Observation
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


def growth(fleet: Fleet, cloud: CloudObservation) -> int:
    """Return how many instances more than now a fleet certainly has in a cloud in the end."""
    if any(place.cloud != cloud.name for place in fleet.placements) or len(fleet.placements) != 1:
        return 0
    return max(0, fleet.size - sum(row.fleet in fleet.labels and row.phase.is_live for row in cloud.instances))


def freed(deployment: Deployment, cloud: CloudObservation, fleets: Collection[str] = ()) -> Mapping[str, int]:
    """Return how many instances each fleet may free in a cloud for others; under "" what no fleet of the file has.

    A fleet with several placements may move all that it has here to another one. Where only some `fleets` are changed,
    no other one frees anything.
    """
    owners = deployment.owners()
    live = Counter(owners.get(row.fleet, "") for row in cloud.instances if row.phase.is_live)
    return {
        name: max(0, count - _stays(deployment, name, cloud.name))
        for name, count in live.items()
        if not fleets or name in fleets
    }


def _stays(deployment: Deployment, name: str, cloud: str) -> int:
    """Return how many instances a fleet certainly has in a cloud in the end."""
    if name not in deployment.fleets:
        return 0
    places = deployment.fleets[name].placements
    return deployment.fleets[name].size if all(place.cloud == cloud for place in places) else 0
