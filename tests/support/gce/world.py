"""What there is: resources by path, operations that take their time, and what was asked under which request id."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from gce.clock import Clock
from gce.faults import Fault, OperationError, Where
from gce.refusal import Refusal, not_found

LINKS = "https://www.googleapis.com/compute/v1/"
Resource = dict[str, Any]


@attrs.frozen(kw_only=True)
class Delays:
    """Seconds that operations take; `start_s` of them they are pending."""

    start_s: float = 1.0
    insert_s: float = 8.0
    delete_s: float = 20.0
    image_s: float = 30.0
    script_s: float = 15.0
    other_s: float = 3.0


class OperationFailed(Exception):
    """An operation comes to nothing."""

    def __init__(self, errors: Iterable[OperationError], status: int = 503) -> None:
        super().__init__(errors)
        self.errors = tuple(errors)
        self.status = status


@attrs.frozen
class Call:
    """One request: the id of its method, the path without the service, what came along; `errors` are to befall it."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Resource
    errors: tuple[OperationError, ...] = ()
    status: int = 503

    @property
    def parent(self) -> str:
        """The path of what a method at its end is called on."""
        return self.path.rpartition("/")[0]


ELSEWHERE = "us-central1"
"""A second region, in which the same project may have VMs, too."""


class World:
    """One project, with two regions: the one that is meant, and another.

    `room` is how many live instances a zone, or a machine type there, has place for.

    Zones that are `unreachable` are missing from lists, which say so; what is `unlisted`, and they don't.
    """

    def __init__(
        self,
        *,
        project: str = "acme-fleets",
        region: str = "europe-west1",
        letters: str = "bcd",
        clock: Clock | None = None,
        delays: Delays = Delays(),
        room: Mapping[str, int] | None = None,
    ) -> None:
        self.project = project
        self.region = region
        self.zones = tuple(f"{region}-{letter}" for letter in letters)
        self.every_zone = (*self.zones, *(f"{ELSEWHERE}-{letter}" for letter in letters[:2]))
        self.clock = clock or Clock()
        self.delays = delays
        self.room = dict(room or {})
        self.faults: list[Fault] = []
        self.unreachable: set[str] = set()
        self.unlisted: set[str] = set()
        self._collections: dict[str, dict[str, Resource]] = {}
        self.members: dict[str, list[str]] = {}
        self.unhealthy: set[str] = set()
        self.ending: set[str] = set()
        self.most_live = 0
        self.consoles: dict[str, str] = {}
        self.console_piece = 1_048_576
        self._asked: dict[tuple[str, str], str] = {}
        self._ids = 4_000_000_000_000_000_000

    # -- paths --------------------------------------------------------------------------------------------------------

    def path(self, reference: str, scope: str = "") -> str:
        """Return the path of a URL, a partial URL, or a name in a scope such as `zones/z/disks`."""
        if "projects/" in reference:
            return reference[reference.index("projects/") :]
        if reference.startswith(("global/", "zones/", "regions/")):
            return f"projects/{self.project}/{reference}"
        return f"projects/{self.project}/{scope}/{reference}"

    def link(self, path: str) -> str:
        return LINKS + path

    def has(self, path: str) -> bool:
        """Tell whether a resource is there."""
        collection, _, name = path.rpartition("/")
        return name in self._collections.get(collection, {})

    def find(self, path: str) -> tuple[str, Resource]:
        """Return a resource and its path; the last part may be its numeric id.

        Raises:
            Refusal: there is none.
        """
        collection, _, name = path.rpartition("/")
        there = self._collections.get(collection, {})
        if name.isdigit():
            name = next((key for key, one in there.items() if one["id"] == name), name)
        if name not in there:
            raise not_found(path)
        return f"{collection}/{name}", there[name]

    def within(self, collection: str) -> list[tuple[str, Resource]]:
        """Return what is directly in a collection, sorted by name."""
        return [(f"{collection}/{name}", one) for name, one in sorted(self._collections.get(collection, {}).items())]

    def instances(self) -> list[tuple[str, Resource]]:
        """Return every instance."""
        return [
            pair for zone in self.every_zone for pair in self.within(f"projects/{self.project}/zones/{zone}/instances")
        ]

    def disks(self) -> list[str]:
        """Return the path of every disk."""
        zones = [f"projects/{self.project}/zones/{zone}/disks" for zone in self.every_zone]
        return [path for zone in zones for path, _ in self.within(zone)]

    # -- resources ----------------------------------------------------------------------------------------------------

    def new_id(self) -> str:
        self._ids += 1
        return str(self._ids)

    def add(self, kind: str, path: str, **fields: object) -> Resource:
        """Put a resource into the world.

        Raises:
            Refusal: the name is taken.
        """
        if self.has(path):
            raise Refusal(409, "alreadyExists", f"The resource '{path}' already exists")
        collection, _, name = path.rpartition("/")
        usual = {"kind": f"compute#{kind}", "id": self.new_id(), "name": name, "selfLink": self.link(path)}
        made = {**fields, **usual, "creationTimestamp": self.clock.stamp()}
        return self._collections.setdefault(collection, {}).setdefault(name, made)

    def drop(self, path: str) -> Resource | None:
        """Take a resource out of the world, if it is there."""
        collection, _, name = path.rpartition("/")
        return self._collections.get(collection, {}).pop(name, None)

    def strike(self, method: str, *places: Where) -> Fault | None:
        """Return the fault that strikes a request here, if one does."""
        return next((fault for fault in self.faults if fault.strikes(method, *places)), None)

    # -- operations ---------------------------------------------------------------------------------------------------

    def begin(
        self,
        call: Call,
        kind: str,
        target: str,
        seconds: float,
        effect: Callable[[], object],
        *,
        undo: Callable[[], object] = lambda: None,
    ) -> Resource:
        """Start an operation: in so many seconds `effect` happens, or, if it fails, `undo`."""
        scope = "/".join(target.split("/")[:4]) if "/global/" not in target else f"projects/{self.project}/global"
        name = f"operation-{self.new_id()}"
        operation = self.add("operation", f"{scope}/operations/{name}")
        del operation["creationTimestamp"]
        operation.update(operationType=kind, status="PENDING", progress=0, insertTime=self.clock.stamp())
        operation.update(user="checker@example.com", targetLink=self.link(target))
        if self.has(target):
            operation["targetId"] = self.find(target)[1]["id"]
        place = scope.split("/")[2:]
        if place[0] in ("zones", "regions"):
            operation[place[0][:-1]] = self.link(scope)

        def end() -> None:
            try:
                if call.errors:
                    raise OperationFailed(call.errors, call.status)
                effect()
            except OperationFailed as failed:
                errors = [{"code": one.code, "message": one.message} for one in failed.errors]
                operation.update(error={"errors": errors}, httpErrorStatusCode=failed.status)
                operation["httpErrorMessage"] = "SERVICE UNAVAILABLE" if failed.status == 503 else "CONFLICT"
                undo()
            operation.update(status="DONE", progress=100, endTime=self.clock.stamp())

        start = min(self.delays.start_s, seconds / 2)
        self.clock.after(start, lambda: operation.update(status="RUNNING", startTime=self.clock.stamp()))
        self.clock.after(seconds, end)
        return operation

    def asked_before(self, call: Call) -> Resource | None:
        """Return the operation that the same request id began at this path."""
        path = self._asked.get((call.path, call.query.get("requestId", "")))
        return self.find(path)[1] if path else None

    def forget_requests(self) -> None:
        """Forget every request id, as the service does after a while."""
        self._asked.clear()

    def note_asked(self, call: Call, operation: Resource) -> None:
        """Remember what a request id began."""
        if "requestId" in call.query:
            self._asked[call.path, call.query["requestId"]] = self.path(operation["selfLink"])


def fingerprint(value: object) -> str:
    """Return what changes with a value."""
    digest = hashlib.sha1(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest[:8]).decode()
