"""What applies on this machine write down: which balancers fleets were registered with, and where there was no room.

A fleet that changes its balancer, or leaves the file, is drained from the one that it had; a full fleet isn't evened
out towards a zone that had no room. Losing it loses no instance: where a former balancer isn't known, the plan says so.
A store will take this one's place, behind the same protocol. What finds and locks folders is imported where it is used.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import attrs

from vmpattern import naming
from vmpattern.errors import SpecError
from vmpattern.files import write_text
from vmpattern.model import Deployment, NoRoom, Options

VERSION = 1
"""The form of the file; one of another form says nothing."""

LARGEST = 2**20
"""Bytes of the largest file that is read."""

NO_ROOM_S = 12 * 3600.0
"""Seconds for which a place without room isn't tried for evenness alone: an apply every night tries it once."""

MOST_ROOMS = 200
"""Number of places without room that a file has at most: those of clouds that are gone are dropped, oldest first."""

LOCKED_S = 10.0
"""Seconds for which another process may hold the file before a registration counts as not written down."""


_NO_SCOPES: Mapping[str, str] = MappingProxyType({})


@attrs.frozen
class Entry:
    """A fleet, by its label, was registered with a balancer in a cloud; `identity` is that of the cloud's entry."""

    fleet: str
    cloud: str
    identity: str
    balancer: Options


@attrs.frozen(kw_only=True)
class Room:
    """Where there was no room, in a cloud whose entry has this identity."""

    identity: str
    refusal: NoRoom


@attrs.frozen(kw_only=True)
class _File:
    version: int
    entries: tuple[Entry, ...] = ()
    no_room: tuple[Room, ...] = ()


@attrs.frozen(kw_only=True)
class Recorded:
    """What is known of one deployment's registrations, where there was no room, and what couldn't be found out."""

    entries: tuple[Entry, ...] = ()
    no_room: tuple[NoRoom, ...] = ()
    notes: tuple[str, ...] = ()

    def still_no_room(self, now: float) -> tuple[NoRoom, ...]:
        """Return where there was no room so lately that it still counts; times of a clock that went back count, too."""
        return tuple(one for one in self.no_room if abs(now - one.at) < NO_ROOM_S)

    def former(self, deployment: Deployment, cloud: str) -> Mapping[str, tuple[Options, ...]]:
        """Return the balancers in a cloud that each fleet was registered with and doesn't declare.

        A fleet that was renamed has those of its former name; one that isn't in the file has all of its own.
        """
        owners = deployment.owners()
        found: dict[str, dict[Options, None]] = {}
        for entry in self.entries:
            fleet = owners.get(entry.fleet, entry.fleet)
            declared = deployment.fleets[fleet].balancer.get(cloud) if fleet in deployment.fleets else None
            if entry.cloud == cloud and entry.balancer != declared:
                found.setdefault(fleet, {})[entry.balancer] = None
        return {fleet: tuple(balancers) for fleet, balancers in sorted(found.items())}

    def within(self, deployment: Deployment) -> "Recorded":
        """Return only what concerns the fleets of this deployment: a plan may be of some fleets of the file."""
        owners = deployment.owners()
        return attrs.evolve(self, entries=tuple(entry for entry in self.entries if entry.fleet in owners))

    def has(self, fleet: str, cloud: str, balancer: Options) -> bool:
        """Tell whether a registration is known."""
        return any((one.fleet, one.cloud, one.balancer) == (fleet, cloud, balancer) for one in self.entries)

    @staticmethod
    def labels(deployment: Deployment, fleet: str) -> tuple[str, ...]:
        """Return the fleet labels of a fleet's instances, whether or not it is in the file."""
        return deployment.fleets[fleet].labels if fleet in deployment.fleets else (fleet,)


NOTHING_RECORDED = Recorded()


class BalancerRecord(Protocol):
    """Remembers the balancers that fleets were registered with. Nothing here raises for what a disk does."""

    def read(self, deployment: Deployment) -> Recorded:
        """Return what is known of a deployment, of its clouds as the file has them now."""
        ...

    def remember(self, deployment: Deployment, fleet: str, cloud: str, balancer: Options) -> str:
        """Note a registration before it is sent; return why that couldn't be done, empty if it was."""
        ...

    def forget(self, deployment: Deployment, registrations: Iterable[tuple[str, str, Options]]) -> None:
        """Drop registrations, each a fleet's label, a cloud and a balancer, of which no member is left."""
        ...

    def note_no_room(self, deployment: Deployment, no_room: Sequence[NoRoom]) -> None:
        """Note where there is no room now, in all clouds of the deployment; the rest has room as far as is known."""
        ...


class NoRecord:
    """Knows nothing and remembers nothing: for forecasts."""

    def read(self, deployment: Deployment) -> Recorded:
        """Return nothing."""
        return NOTHING_RECORDED

    def remember(self, deployment: Deployment, fleet: str, cloud: str, balancer: Options) -> str:
        """Remember nothing."""
        return ""

    def forget(self, deployment: Deployment, registrations: Iterable[tuple[str, str, Options]]) -> None:
        """Forget nothing."""

    def note_no_room(self, deployment: Deployment, no_room: Sequence[NoRoom]) -> None:
        """Note nothing."""


class FileRecord:
    """A JSON file for each deployment, in the user's state folder unless another one is named; only its user reads it.

    It is replaced as a whole, under a lock. An entry counts for the cloud that it was made for, whatever the file calls
    that now: a cloud is known by the account and region that its driver names in `scopes`, else by driver and options.
    """

    def __init__(self, folder: Path | None = None, *, scopes: Mapping[str, str] = _NO_SCOPES) -> None:
        self._folder = folder
        self._scopes = scopes

    def read(self, deployment: Deployment) -> Recorded:
        """Return what is known; a file that can't be used is told as a note."""
        path = self._path(deployment)
        try:
            known = _load(path)
        except (OSError, ValueError, SpecError) as error:
            why = error.strerror if isinstance(error, OSError) else "this version of vmpattern didn't write it"
            note = (
                f"which balancers fleets had before isn't known, since {path} can't be used: {why}; "
                "instances stay members of a balancer that the file doesn't name any more, or end undrained. "
                "An apply begins a new record once that file is removed"
            )
            return Recorded(notes=(note,))
        names = {identity: name for name, identity in self._identities(deployment).items()}
        return Recorded(
            entries=tuple(
                attrs.evolve(one, cloud=names[one.identity]) for one in known.entries if one.identity in names
            ),
            no_room=tuple(
                attrs.evolve(one.refusal, cloud=names[one.identity]) for one in known.no_room if one.identity in names
            ),
        )

    def remember(self, deployment: Deployment, fleet: str, cloud: str, balancer: Options) -> str:
        """Write a registration down, unless it is known."""
        entry = Entry(fleet, cloud, self._identities(deployment)[cloud], balancer)

        def change(known: _File) -> _File:
            is_known = any(_same(entry, one) for one in known.entries)
            return known if is_known else attrs.evolve(known, entries=(*known.entries, entry))

        return self._change(deployment, change)

    def forget(self, deployment: Deployment, registrations: Iterable[tuple[str, str, Options]]) -> None:
        """Remove registrations from the file."""
        identities = self._identities(deployment)
        gone = [Entry(fleet, cloud, identities[cloud], balancer) for fleet, cloud, balancer in registrations]
        if gone:

            def change(known: _File) -> _File:
                kept = tuple(one for one in known.entries if not any(_same(one, other) for other in gone))
                return attrs.evolve(known, entries=kept)

            self._change(deployment, change)

    def note_no_room(self, deployment: Deployment, no_room: Sequence[NoRoom]) -> None:
        """Replace what the file has of the deployment's clouds; a file is made only if it is needed."""
        identities = self._identities(deployment)
        now = tuple(Room(identity=identities[one.cloud], refusal=one) for one in no_room)
        if now or self._path(deployment).exists():
            here = set(identities.values())
            self._change(
                deployment,
                lambda known: attrs.evolve(
                    known, no_room=(*(one for one in known.no_room if one.identity not in here), *now)[-MOST_ROOMS:]
                ),
            )

    def _change(self, deployment: Deployment, change: "_Change") -> str:
        from filelock import FileLock

        path = self._path(deployment)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(path.with_suffix(".lock"), timeout=LOCKED_S):
                known = _load_or_nothing(path)
                changed = change(known)
                if changed != known:
                    _write(path, changed)
        except OSError as error:
            return f"{path} can't be written: {error.strerror or error}"
        except _OtherVersion as error:
            return f"{error}, and is left alone"
        return ""

    def _identities(self, deployment: Deployment) -> dict[str, str]:
        return {
            name: naming.digest(cloud.driver, self._scopes.get(name) or [cloud.options, cloud.directory])
            for name, cloud in deployment.clouds.items()
        }

    def _path(self, deployment: Deployment) -> Path:
        return (self._folder or record_folder()) / f"{deployment.name}.json"


_NOTHING = _File(version=VERSION)


class _OtherVersion(ValueError):
    """The file has the form of another version of vmpattern."""


class _Change(Protocol):
    def __call__(self, known: _File, /) -> _File:
        """Return what is to be there."""
        ...


def record_folder() -> Path:
    """Return where the records are: in the user's state folder, the same for every working directory."""
    from platformdirs import user_state_path

    return user_state_path("vmpattern") / "balancers"


def _same(one: Entry, other: Entry) -> bool:
    """Whether two entries are of one registration, whatever the file called its cloud."""
    return (one.fleet, one.identity, one.balancer) == (other.fleet, other.identity, other.balancer)


def _load(path: Path) -> _File:
    """Read the file; what an empty one has where there is none.

    Raises:
        OSError: it can't be read.
        ValueError: it is too large, no JSON, or of another version.
        SpecError: it has another form.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return _NOTHING
    if len(data) > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST} bytes")
    from vmpattern.serialization import from_json

    try:
        document = json.loads(data)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    if isinstance(document, dict) and document.get("version") != VERSION:
        raise _OtherVersion(f"{path} was written by another version of vmpattern")
    return from_json(_File, document)


def _load_or_nothing(path: Path) -> _File:
    """Read the file; what an empty one has where it is damaged, which is then replaced.

    Raises:
        OSError: it can't be read.
        _OtherVersion: another version of vmpattern wrote it.
    """
    try:
        return _load(path)
    except _OtherVersion:
        raise
    except (ValueError, SpecError):
        return _NOTHING


def _write(path: Path, content: _File) -> None:
    from vmpattern.serialization import to_json

    write_text(path, json.dumps(to_json(content), indent=1) + "\n")
