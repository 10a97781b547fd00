"""Cloud entries of one file that are the same account and region: told, and refused before anything is done. Pure."""

from collections.abc import Iterator

import attrs

from vmpattern.errors import Problem, SpecError
from vmpattern.model import CloudObservation, InstanceId, LaunchKey, Observation

_NAMED = 3


@attrs.frozen(kw_only=True)
class Overlap:
    """Two cloud entries that see the same VMs: `shared` are those that both lists show.

    Without any, the drivers say that both entries are one account and region.
    """

    first: str
    second: str
    shared: tuple[InstanceId, ...] = ()

    @property
    def message(self) -> str:
        """What is wrong with the second entry, and the way out."""
        return f"{self.finding}. {WAY_OUT}"

    @property
    def finding(self) -> str:
        """What is wrong with the second entry."""
        if not self.shared:
            return f"{_SAME.format(self.first)}, so each VM would be counted twice"
        named = ", ".join(self.shared[:_NAMED]) + (", ..." if len(self.shared) > _NAMED else "")
        what = f"{len(self.shared)} VMs ({named})" if len(self.shared) > 1 else f"the VM {named}"
        return f"{_SAME.format(self.first)}: both list {what}"


_SAME = "is the same cloud as clouds.{} (one account and region, or one folder or file)"
WAY_OUT = (
    "Keep one of the two entries: a fleet may have several placements in one cloud, and machines of another "
    "architecture get a service with an image of their own"
)


def overlaps(observation: Observation) -> tuple[Overlap, ...]:
    """Return every cloud entry that an earlier one makes superfluous, each once."""
    return tuple(_overlaps(list(observation.clouds.values())))


def refuse_overlaps(observation: Observation) -> None:
    """Refuse to go on where two cloud entries are one account and region: what both list would be counted twice.

    Raises:
        SpecError: there are such entries; names both, and the way out.
    """
    if found := overlaps(observation):
        raise SpecError([Problem(f"clouds.{one.second}", one.message) for one in found])


def counted_once(observation: Observation) -> Observation:
    """Return the observation with every instance at the first cloud that lists it, and at no other."""
    seen: set[tuple[InstanceId, LaunchKey]] = set()
    clouds: dict[str, CloudObservation] = {}
    for name, cloud in observation.clouds.items():
        own = tuple(one for one in cloud.instances if (one.id, one.key) not in seen)
        seen |= {(one.id, one.key) for one in own}
        clouds[name] = cloud if len(own) == len(cloud.instances) else attrs.evolve(cloud, instances=own)
    return attrs.evolve(observation, clouds=clouds)


def _overlaps(clouds: list[CloudObservation]) -> Iterator[Overlap]:
    for place, second in enumerate(clouds):
        known = {(one.id, one.key) for one in second.instances} if place else set[tuple[InstanceId, LaunchKey]]()
        for first in clouds[:place]:
            shared = sorted(one.id for one in first.instances if (one.id, one.key) in known)
            if shared or (second.scope and first.scope == second.scope):
                yield Overlap(first=first.name, second=second.name, shared=tuple(shared))
                break
