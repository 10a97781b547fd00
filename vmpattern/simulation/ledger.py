"""What became of launch keys: which instances each one made, and whether it may be used again."""

from collections.abc import Iterator, Mapping

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchRequest
from vmpattern.errors import KeyConflict, Scope, ScopeKind
from vmpattern.model import InstanceId, LaunchKey
from vmpattern.simulation.world import World


@attrs.define
class Entry:
    """One key: the request that it came with, and the instances that it made, by ordinal."""

    request: str
    ids: dict[int, InstanceId] = attrs.field(factory=dict)

    @property
    def next_ordinal(self) -> int:
        """The first ordinal above all that were made."""
        return max(self.ids, default=-1) + 1


class Ledger:
    """The keys of a cloud. A key is forgotten with the last of its instances, a day after that left every list."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.entries: dict[LaunchKey, Entry] = {}

    def find(self, request: LaunchRequest, *, strict: bool) -> Entry | None:
        """Return what is known of the request's key, None where nothing is.

        Raises:
            KeyConflict: `strict`, and the key came with another request.
        """
        entry = self.entries.get(request.key)
        if entry is None or self._is_over(entry):
            self.entries.pop(request.key, None)
            return None
        if strict and entry.request != written(request):
            raise KeyConflict(
                f"the launch key {request.key} was used with other parameters",
                code="IdempotentParameterMismatch",
                scope=Scope(ScopeKind.ACCOUNT),
                field="key",
            )
        return entry

    def made(self, request: LaunchRequest, ids: Mapping[int, InstanceId]) -> None:
        """Remember instances that a request made, by ordinal."""
        entry = self.entries.get(request.key)
        if entry is None:
            entry = self.entries[request.key] = Entry(written(request))
        entry.ids.update(ids)

    def kept(self) -> Iterator[tuple[LaunchKey, Entry]]:
        """Yield what is still remembered."""
        return ((key, entry) for key, entry in self.entries.items() if not self._is_over(entry))

    def _is_over(self, entry: Entry) -> bool:
        return not any(id in self._world.vms or id in self._world.gone for id in entry.ids.values())


def written(request: LaunchRequest) -> str:
    """Return the request as text, to tell whether another one is the same.

    The values of `env` stay out: they may be secrets, and this text is kept.
    """
    parts = (
        request.count,
        request.deployment,
        request.fleet,
        request.revision,
        request.zone,
        request.machine_type,
        request.market.value,
        request.image,
        request.inputs,
        request.previous,
        request.disk_gib,
        request.port,
        sorted(request.env),
        naming.digest(request.options) if request.options else "",
    )
    return repr(parts)
