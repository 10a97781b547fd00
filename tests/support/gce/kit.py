"""How the kit checks the driver against an emulator: in the emulator's time, with faults on the way."""

import copy
import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any

from immutabledict import immutabledict

from gce.catalog import BASES, VENDOR
from gce.clouds import driver
from gce.emulator import Emulator
from gce.faults import THROTTLED, UNAVAILABLE, Unanswered
from gce.fronts import furnish_front
from gce.instances import insert
from gce.recorded import replayed
from gce.refusal import Refusal
from gce.serving import served
from gce.world import ELSEWHERE, Call, fingerprint
from vmpattern.driver import Driver, LaunchRequest
from vmpattern.model import ImageId, InstanceId, Options
from vmpattern.testing import Fault, Recorded
from vmpattern_gcp import GcpDriver, insertion
from vmpattern_gcp.checks import GcpKit
from vmpattern_gcp.names import instance_id, place, vm_names

SERVICE = "front"
PATIENCE_S = 10.0


class EmulatorKit(GcpKit):
    """A driver on an emulator."""

    zone = "europe-west1-b"
    image = ImageId(f"projects/{VENDOR}/global/images/{BASES[0]}")
    examples: int | None = 10
    most = 1010
    may_cost = False
    balancer: Options | None = immutabledict(backend_service=SERVICE)
    region = "europe-west1"

    @cached_property
    def emulator(self) -> Emulator:
        emulator = Emulator()
        furnish_front(emulator.world, SERVICE)
        return emulator

    @cached_property
    def _serving(self) -> ExitStack:
        return ExitStack()

    @cached_property
    def url(self) -> str:
        return self._serving.enter_context(served(self.emulator))

    def connect(self) -> Driver:
        return self._driver(self.url)

    def connect_with(self, fault: Fault) -> Driver:
        return self._driver(self._serving.enter_context(served(Faulty(self.emulator, fault))))

    def let_pass(self, driver: Driver, seconds: float) -> None:
        self.emulator.world.clock.advance(seconds)

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        """Insert what the driver would, under the same name, without a label."""
        world = self.emulator.world
        (name,) = vm_names(request.fleet, request.key, 1)
        body = {**insertion.one(request, name, world.project), "labels": {}}
        path = f"projects/{world.project}/zones/{request.zone}/instances"
        with world.clock.lock:
            insert(world, Call("compute.instances.insert", path, {}, body))
            world.clock.advance(world.delays.insert_s)
            return instance_id(request.zone, world.find(f"{path}/{name}")[1]["id"])

    def stranger_lives(self, id: InstanceId) -> bool:
        where = place(id)
        world = self.emulator.world
        path = f"projects/{world.project}/{where.path}"
        with world.clock.lock:
            try:
                _, vm = world.find(path)
            except Refusal:
                return False
            return vm["status"] == "RUNNING" and vm["labels"] == {}

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        world = self.emulator.world
        with world.clock.lock:
            _, vm = world.find(f"projects/{world.project}/{place(id).path}")
            labels = {key: old for key, old in {**vm["labels"], name: value}.items() if old}
            vm.update(labels=labels, labelFingerprint=fingerprint(labels))

    def elsewhere(self) -> "EmulatorKit":
        """Return the kit of the same project's other region; the emulator is the same."""
        assert self.url
        other = copy.copy(self)
        other.region, other.zone = ELSEWHERE, f"{ELSEWHERE}-b"  # type: ignore[misc]
        return other

    def plant_image(self) -> ImageId:
        world = self.emulator.world
        path = f"projects/{world.project}/global/images/somebodys"
        with world.clock.lock:
            world.add("image", path, status="READY", diskSizeGb="10", labelFingerprint="")
        return ImageId(path)

    def image_lives(self, id: ImageId) -> bool:
        return self.emulator.world.has(id)

    def recorded(self) -> Sequence[Recorded]:
        return replayed(self.emulator, self.connect, self.zone, self.machine_type, self.image)

    def close(self) -> None:
        if "_serving" in vars(self):
            self._serving.close()
        if "emulator" in vars(self):
            assert [] == self.emulator.violations

    def _driver(self, url: str) -> GcpDriver:
        return driver(self.emulator, url, cloud=self.cloud, region=self.region, call_timeout=f"{PATIENCE_S:g}s")


class Faulty:
    """An app before another, which lets one fault befall the first request that it can befall."""

    def __init__(self, app: Callable[..., Iterable[bytes]], fault: Fault) -> None:
        self._app = app
        self._fault: Fault | None = fault
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        fault = self._struck(environ)
        if fault is Fault.SILENCE:
            time.sleep(2 * PATIENCE_S)
            raise Unanswered
        if fault is Fault.LOST_BEFORE:
            raise Unanswered
        if fault is Fault.LOST_AFTER:
            list(self._app(environ, lambda *_: None))
            raise Unanswered
        if fault is Fault.THROTTLED:
            return _refused(THROTTLED, start)
        if fault is Fault.FAILED_PAGE:
            return self._page(environ, start)
        return self._app(environ, start)

    def _struck(self, environ: dict[str, Any]) -> Fault | None:
        with self._lock:
            fault = self._fault
            if fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER) and not _changes(environ):
                return None
            self._fault = None
            return fault

    def _page(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        """Let a page fail that isn't the first, or the first where there is no other."""
        began: list[tuple[object, ...]] = []
        answer = list(self._app(environ, lambda *arguments: began.append(arguments)))
        if b'"nextPageToken"' not in answer[0]:
            return _refused(UNAVAILABLE, start)
        start(*began[0])
        with self._lock:
            self._fault = Fault.FAILED_PAGE
        return answer


def _refused(refusal: Refusal, start: Callable[..., object]) -> Iterable[bytes]:
    data = json.dumps(refusal.body()).encode()
    start(f"{refusal.status} Refused", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def _changes(environ: dict[str, Any]) -> bool:
    asks = ("/listInstances", "/getHealth")
    return environ["REQUEST_METHOD"] != "GET" and not environ["PATH_INFO"].endswith(asks)
