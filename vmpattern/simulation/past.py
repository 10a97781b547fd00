"""What lists showed a while ago, for lists that come late."""

import bisect
from collections.abc import Iterator

from vmpattern.model import Instance, InstanceId

Entry = tuple[float, Instance | None]


class Past:
    """Each VM's rows of the last `kept_s` seconds, and the one before them. With `kept_s` 0 nothing is kept."""

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s
        self.entries: dict[InstanceId, list[Entry]] = {}

    def record(self, at: float, id: InstanceId, row: Instance | None) -> None:
        """Keep what a list shows of the VM from now on; None once it shows nothing."""
        if self.kept_s <= 0.0:
            return
        entries = self.entries.setdefault(id, [])
        del entries[: self._since(entries, at - self.kept_s)]
        entries.append((at, row))

    def rows(self, at: float) -> Iterator[Instance]:
        """Yield the rows that a list showed at that moment, which mustn't be longer ago than is kept."""
        for entries in self.entries.values():
            if entries[0][0] <= at and (row := entries[self._since(entries, at)][1]) is not None:
                yield row

    def prune(self, now: float) -> None:
        """Let go of what no list can show any more."""
        for id, entries in list(self.entries.items()):
            del entries[: self._since(entries, now - self.kept_s)]
            if entries[-1][1] is None and entries[-1][0] <= now - self.kept_s:
                del self.entries[id]

    @staticmethod
    def _since(entries: list[Entry], at: float) -> int:
        return max(0, bisect.bisect_right(entries, at, key=lambda entry: entry[0]) - 1)
