"""What became of launch keys: which instances each one made, and whether it may be used again."""

from collections.abc import Mapping

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchRequest
from vmpattern.errors import KeyConflict, Scope, ScopeKind
from vmpattern.model import InstanceId, LaunchKey
from vmpattern.simulation.world import World

UNKNOWN = ""


@attrs.define
class Entry:
    """One key: the request that it came with, as text or UNKNOWN, and the instances that it made, by ordinal."""

    request: str
    ids: dict[int, InstanceId]


class Ledger:
    """The keys of a cloud. A key is forgotten with the last of its instances, a day after that left every list."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.entries: dict[LaunchKey, Entry] = {}

    def find(self, key: LaunchKey) -> Mapping[int, InstanceId]:
        """Return the instances that a key made, by ordinal; empty where nothing is known of it."""
        entry = self.entries.get(key)
        if entry is None:
            return {}
        if self._is_over(entry):
            del self.entries[key]
            return {}
        return entry.ids

    def check(self, key: LaunchKey, text: str) -> None:
        """Check that a known key comes with the same request again.

        Raises:
            KeyConflict: with another one.
        """
        if self.entries[key].request not in (text, UNKNOWN):
            raise KeyConflict(
                f"the launch key {key} was used with other parameters",
                code="IdempotentParameterMismatch",
                scope=Scope(ScopeKind.ACCOUNT),
                field="key",
            )

    def made(self, key: LaunchKey, text: str, ids: Mapping[int, InstanceId]) -> None:
        """Remember instances that a request made, by ordinal."""
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry(text, {})
        entry.ids.update(ids)

    def prune(self) -> None:
        """Let go of what need not be remembered any more."""
        for key in [key for key, entry in self.entries.items() if self._is_over(entry)]:
            del self.entries[key]

    def _is_over(self, entry: Entry) -> bool:
        return not any(self._world.is_remembered(id) for id in entry.ids.values())


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
        request.script,
        request.previous,
        request.disk_gib,
        request.port,
        sorted(request.env),
        naming.digest(request.options) if request.options else "",
    )
    return repr(parts)
