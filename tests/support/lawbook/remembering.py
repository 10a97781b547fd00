"""What an operator's machine remembers: balancers, places without room; in memory, for a schedule's processes."""

from collections.abc import Iterable, Sequence

import attrs

from vmpattern.model import Deployment, NoRoom, Options
from vmpattern.store.record import Entry, Recorded


class Memory:
    """A record of balancers as the product's own, without a disk: it outlives processes, until it is lost."""

    def __init__(self) -> None:
        self.entries: dict[Entry, None] = {}
        self.ever: set[tuple[str, str, str]] = set()
        self.no_room: tuple[NoRoom, ...] = ()

    def read(self, deployment: Deployment) -> Recorded:
        return Recorded(entries=tuple(self.entries), no_room=self.no_room)

    def remember(self, deployment: Deployment, fleet: str, cloud: str, balancer: Options) -> str:
        self.entries[Entry(fleet, cloud, "", balancer)] = None
        self.ever.add((fleet, cloud, str(balancer["name"])))
        return ""

    def forget(self, deployment: Deployment, registrations: Iterable[tuple[str, str, Options]]) -> None:
        for fleet, cloud, balancer in registrations:
            self.entries.pop(Entry(fleet, cloud, "", balancer), None)

    def note_no_room(self, deployment: Deployment, no_room: Sequence[NoRoom]) -> None:
        self.no_room = tuple(no_room)

    def lose(self) -> None:
        """Forget everything, as when the folder is deleted, or another machine goes on."""
        self.entries.clear()
        self.ever.clear()
        self.no_room = ()

    def knew(self, labels: Iterable[str], cloud: str, name: str) -> bool:
        """Whether it ever knew that a fleet, by any of its labels, was registered with a balancer."""
        return any((label, cloud, name) in self.ever for label in labels)


@attrs.frozen
class Knowledge:
    """What one apply was given to know of balancers: their names, by fleet label and cloud."""

    names: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, memory: Memory) -> "Knowledge":
        return cls(frozenset((one.fleet, one.cloud, str(one.balancer["name"])) for one in memory.entries))

    def has(self, labels: Iterable[str], cloud: str, name: str) -> bool:
        return any((label, cloud, name) in self.names for label in labels)
