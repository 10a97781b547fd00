"""How the kit checks this driver, against whatever cloud the settings name; what it launches there is real."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import cast

from vmpattern import naming
from vmpattern.driver import Driver, LaunchRequest
from vmpattern.driver.options import parse_options
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    ScopeKind,
    Throttled,
    Transient,
    Unauthenticated,
)
from vmpattern.model import ImageId, InstanceId, Options
from vmpattern.testing import Kit, Recorded
from vmpattern_libcloud import Reply, Subject
from vmpattern_openstack import labels, listing
from vmpattern_openstack.answers import BuildFault, Server, ServerFlavor
from vmpattern_openstack.api import Calls
from vmpattern_openstack.driver import OpenStackDriver
from vmpattern_openstack.errors import TABLE, read_fault
from vmpattern_openstack.options import OpenStackOptions
from vmpattern_openstack.servers import build_error, create_body

PAUSE_S = 1.0
OWN = "kit-"
"""What the names of the kit's deployments begin with."""


class OpenStackKit(Kit):
    """A project of any cloud: `machine_type` and `image` are to be given, and `zone` where it isn't `nova`."""

    zone = "nova"
    settle_s = 300.0
    most = 4

    def connect(self) -> Driver:
        """Make a driver from the settings."""
        return self._driver(self.settings)

    def let_pass(self, driver: Driver, seconds: float) -> None:
        """Wait, but beyond the age of a list no longer than anything of ours is under way, as Nova tells."""
        if seconds <= driver.capabilities.staleness_s:
            time.sleep(seconds)
            return
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(PAUSE_S, left))
            if self._is_quiet():
                return

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        """Create a server without tags and metadata, under the name that the request's would have."""
        options, found = self._own.looked_up(self._calls(), request)
        body = create_body(request, options, found)
        server = {**cast("Mapping[str, object]", body["server"]), "metadata": {}, "tags": []}
        made = self._calls(mutating=True).change("compute", "POST", "/servers", {**body, "server": server})
        self._strangers.append(f"/servers/{_id(made['server'])}")
        return InstanceId(_id(made["server"]))

    def stranger_lives(self, id: InstanceId) -> bool:
        """Look whether it is there, isn't being deleted, and has no label."""
        found = self._calls().find("compute", f"/servers/{id}")
        if found is None:
            return False
        server = self._calls().parsed(Server, found["server"])
        return server.task != "deleting" and not server.tags and not server.metadata

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change the label in the server's metadata."""
        calls, path = self._calls(mutating=True), f"/servers/{id}/metadata/{name}"
        with contextlib.suppress(NotFound):
            if value:
                calls.change("compute", "PUT", path, {"meta": {name: value}})
            else:
                calls.change("compute", "DELETE", path)

    def plant_image(self) -> ImageId:
        """Register an image without our properties; nothing is uploaded."""
        form = {"name": "stranger", "disk_format": "raw", "container_format": "bare"}
        made = self._calls(mutating=True).change("image", "POST", "/images", form)
        self._images.append(f"/images/{_id(made)}")
        return ImageId(_id(made))

    def image_lives(self, id: ImageId) -> bool:
        """Look whether it is there."""
        return self._calls().find("image", f"/images/{id}") is not None

    def recorded(self) -> Sequence[Recorded]:
        """Return answers of Nova, Neutron, Keystone and Octavia, as they were seen."""
        refused = [
            Recorded(name=name, replay=partial(_raise, status, body), error=error, scope=scope)
            for name, status, body, error, scope in ANSWERS
        ]
        built = [
            Recorded(name=name, replay=partial(_raise_fault, message), error=error, scope=scope)
            for name, message, error, scope in FAULTS
        ]
        return [*refused, *built]

    def close(self) -> None:
        """Delete what was planted."""
        if "_own" not in vars(self):
            return
        calls = self._calls(mutating=True)
        for service, paths in (("compute", self._strangers), ("image", self._images)):
            for path in paths:
                if calls.find(service, path) is not None:
                    calls.change(service, "DELETE", path)
            paths.clear()
        self._own.close()
        del self._own

    @cached_property
    def _own(self) -> OpenStackDriver:
        """The kit's own connection, which suffers no fault."""
        return cast("OpenStackDriver", OpenStackKit.connect(self))

    @cached_property
    def _strangers(self) -> list[str]:
        return []

    @cached_property
    def _images(self) -> list[str]:
        return []

    def _driver(self, settings: Options) -> OpenStackDriver:
        options = parse_options(OpenStackOptions, self.settings | settings, path="options")
        return OpenStackDriver(options, cloud=self.cloud, directory=Path())

    def _calls(self, *, mutating: bool = False) -> Calls:
        return self._own.calls("check the driver", mutating=mutating)

    def _is_quiet(self) -> bool:
        rows = listing.servers(self._calls(), listing.tagged(labels.PREFIX))
        own = (row for row in rows if row.metadata.get(naming.DEPLOYMENT, "").startswith(OWN))
        return not any(row.status == "BUILD" or row.task for row in own)


def _id(found: object) -> str:
    return str(cast("Mapping[str, object]", found)["id"])


LAUNCH = Subject(what="launch", mutating=True, zone="nova", machine_type="m1.small")


def _raise(status: int, body: str) -> None:
    raise TABLE.error(read_fault(Reply(status, {}, body.encode()), now=0.0), LAUNCH)


def _raise_fault(message: str) -> None:
    server = Server(
        id="s",
        name="s",
        status="ERROR",
        created=datetime.fromtimestamp(0, UTC),
        flavor=ServerFlavor(original_name="m1.small"),
        fault=BuildFault(message=message, code=500),
    )
    raise build_error(server, LAUNCH)


def _nova(word: str, status: int, message: str) -> str:
    return f'{{"{word}": {{"code": {status}, "message": "{message}"}}}}'


_NO_FLAVOR = _nova("badRequest", 400, "Invalid flavorRef provided.")
_QUOTA = _nova("forbidden", 403, "Quota exceeded for instances: Requested 3, but already used 9 of 10 instances")
_POLICY = _nova("forbidden", 403, "Policy doesn't allow os_compute_api:servers:create to be performed.")
_BUSY = _nova("conflictingRequest", 409, "Cannot 'createImage' instance x while it is in task_state image_snapshot")
_LIMIT = _nova("overLimit", 429, "This request was rate-limited.")
_BROKEN = _nova("computeFault", 500, "Unexpected API Error.")
_PORTS = '{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: [port].", "detail": ""}}'
_TOKEN = '{"error": {"code": 401, "title": "Unauthorized", "message": "The request requires authentication."}}'
_POOL = '{"faultcode": "Client", "faultstring": "Load Balancer x is immutable.", "debuginfo": null}'

ANSWERS: Sequence[tuple[str, int, str, type[DriverError], ScopeKind]] = (
    ("an unknown flavor", 400, _NO_FLAVOR, Invalid, ScopeKind.CLOUD),
    ("the quota of instances", 403, _QUOTA, QuotaExceeded, ScopeKind.ACCOUNT),
    ("the quota of ports", 409, _PORTS, QuotaExceeded, ScopeKind.ACCOUNT),
    ("a policy", 403, _POLICY, Denied, ScopeKind.ACCOUNT),
    ("a server that is busy", 409, _BUSY, Transient, ScopeKind.INSTANCE),
    ("a balancer that is busy", 409, _POOL, Throttled, ScopeKind.REGION),
    ("too many requests", 429, _LIMIT, Throttled, ScopeKind.ACCOUNT),
    ("a breakdown", 500, _BROKEN, OutcomeUnknown, ScopeKind.CLOUD),
    ("a gateway's", 502, "<html>Bad Gateway</html>", OutcomeUnknown, ScopeKind.CLOUD),
    ("a token that is refused", 401, _TOKEN, Unauthenticated, ScopeKind.ACCOUNT),
    ("no such thing", 404, _nova("itemNotFound", 404, "Instance x could not be found."), NotFound, ScopeKind.INSTANCE),
)

FAULTS: Sequence[tuple[str, str, type[DriverError], ScopeKind]] = (
    (
        "no host",
        "No valid host was found.",
        OutOfCapacity,
        ScopeKind.MACHINE_TYPE,
    ),
    ("every host failed", "Exceeded maximum number of retries.", OutOfCapacity, ScopeKind.MACHINE_TYPE),
    ("ports above the quota", "Maximum number of ports exceeded", QuotaExceeded, ScopeKind.ACCOUNT),
    ("a build that failed", "Build of instance x aborted: oslab_fail=build", Invalid, ScopeKind.CLOUD),
)
