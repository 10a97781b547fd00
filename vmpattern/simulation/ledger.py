"""What became of launch keys: which instances each one made, and whether it may be used again."""

import hashlib
import secrets
from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

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
    """The keys of a cloud. A key is forgotten with the last of its instances, a day after that left every list.

    The values of environments may be secrets: they are compared by digests under a key that never leaves this process.
    A world that was loaded from a file knows none, and takes every environment for another one than it had.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._seal = secrets.token_bytes(32)
        self._envs: dict[LaunchKey, bytes] = {}
        self.entries: dict[LaunchKey, Entry] = {}

    def find(self, key: LaunchKey) -> Mapping[int, InstanceId]:
        """Return the instances that a key made, by ordinal; empty where nothing is known of it."""
        entry = self.entries.get(key)
        if entry is None:
            return {}
        if self._is_over(entry):
            self._forget(key)
            return {}
        return entry.ids

    def check(self, key: LaunchKey, text: str, env: Mapping[str, str]) -> None:
        """Check that a known key comes with the same request again.

        Raises:
            KeyConflict: with another one.
        """
        known = self.entries[key].request
        if known != UNKNOWN and (known != text or (env and self._envs.get(key) != self._sealed(env))):
            raise KeyConflict(
                f"the launch key {key} was used with other parameters",
                code="IdempotentParameterMismatch",
                scope=Scope(ScopeKind.ACCOUNT),
                field="key",
            )

    def made(
        self, key: LaunchKey, text: str, ids: Mapping[int, InstanceId], env: Mapping[str, str] = immutabledict()
    ) -> None:
        """Remember instances that a request made, by ordinal."""
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry(text, {})
            if env:
                self._envs[key] = self._sealed(env)
        entry.ids.update(ids)

    def prune(self) -> None:
        """Let go of what need not be remembered any more."""
        for key in [key for key, entry in self.entries.items() if self._is_over(entry)]:
            self._forget(key)

    def _forget(self, key: LaunchKey) -> None:
        del self.entries[key]
        self._envs.pop(key, None)

    def _sealed(self, env: Mapping[str, str]) -> bytes:
        return hashlib.blake2b(repr(sorted(env.items())).encode(), key=self._seal).digest()

    def _is_over(self, entry: Entry) -> bool:
        return not any(self._world.is_remembered(id) for id in entry.ids.values())


def written(request: LaunchRequest) -> str:
    """Return the request as text, to tell whether another one is the same.

    The values of `env` stay out: they may be secrets, and this text is saved.
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
