"""How the kit checks the memory driver: a simulated cloud in a file, which every connection shares."""

import contextlib
import copy
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import ClassVar, cast

import attrs
from immutabledict import immutabledict

from vmpattern.driver import CaptureRequest, Driver, LaunchRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import NotFound
from vmpattern.model import Idempotency, ImageId, Instance, InstanceId, LaunchKey, Market, Options, Revision
from vmpattern.simulation import FaultKind
from vmpattern.testing import Fault, Kit, Skipped
from vmpattern_memory.driver import MemoryDriver
from vmpattern_memory.settings import MemoryOptions

FAULTS = {
    Fault.LOST_BEFORE: FaultKind.LOST_BEFORE,
    Fault.LOST_AFTER: FaultKind.LOST_AFTER,
    Fault.THROTTLED: FaultKind.THROTTLE,
    Fault.FAILED_PAGE: FaultKind.FAILED_PAGE,
}
QUOTA = 10_000
"""The most instances in the account: more than any check launches."""

STRANGER = ""
"""The deployment of what has none."""


class MemoryKit(Kit):
    """The memory driver, by default as a file that says nothing has it; `idempotency` is how it treats keys."""

    zone = "a"
    machine_type = "small"
    image = ImageId("img-1")
    cloud = "checked"
    settle_s = 120.0
    # Every call writes the file and waits for the disk.
    examples: int | None = 3
    most = 1010
    may_cost = False
    deaf = ImageId("img-deaf")
    base = "debian-13"
    balancer: Options | None = immutabledict(name="front")
    idempotency: ClassVar[Idempotency] = Idempotency.BATCH

    def connect(self) -> Driver:
        """Open the world's file."""
        return self._driver(self._options())

    def connect_with(self, fault: Fault) -> Driver:
        """Open the file with the fault for the first call, and without it afterwards."""
        if fault is Fault.SILENCE:
            raise Skipped("a simulated cloud always answers")
        options = self._options()
        faulty = self._driver(attrs.evolve(options, faults={FAULTS[fault]: 1.0}))
        return cast("Driver", _First(faulty, self._driver(options)))

    def let_pass(self, driver: Driver, seconds: float) -> None:
        """Move the world's clock for every connection: closing one writes the time into the file."""
        with contextlib.closing(self.connect()) as other:
            super().let_pass(other, seconds)

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        """Launch without a deployment, under the request's key."""
        (row,) = self.connect().launch(attrs.evolve(request, deployment=STRANGER)).created
        return row.id

    def stranger_lives(self, id: InstanceId) -> bool:
        """Look for it among what has no deployment."""
        rows = self.connect().instances(Selector(STRANGER))
        return any(isinstance(row, Instance) and row.id == id and row.phase.is_live for row in rows)

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change the label in the world's file."""
        with contextlib.suppress(NotFound):
            cast("MemoryDriver", self.connect()).relabel(id, name, value)

    def elsewhere(self) -> "MemoryKit":
        """Return the kit of another file."""
        assert self._folder
        other = copy.copy(self)
        other.settings = self.settings | {"path": "elsewhere.json"}
        return other

    def plant_image(self) -> ImageId:
        """Make an image that is of no deployment."""
        driver = self.connect()
        (row,) = driver.launch(self._builder()).created
        self.let_pass(driver, self.settle_s)
        stranger = CaptureRequest(builder=row.id, deployment=STRANGER, service="", digest="", base=self.image)
        return cast("MemoryDriver", driver).capture(stranger)

    def image_lives(self, id: ImageId) -> bool:
        """Look for it among what has no deployment."""
        return id in {image.id for image in self.connect().images(Selector(STRANGER))}

    def fetch(self, url: str) -> bytes | None:
        """Say that there is nothing to fetch."""
        raise Skipped("a simulated cloud keeps no staged data")

    def close(self) -> None:
        """Remove the world."""
        if "_folder" in vars(self):
            self._folder.cleanup()
            del self._folder

    def _builder(self) -> LaunchRequest:
        return LaunchRequest(
            key=LaunchKey("kstranger"),
            count=1,
            deployment=STRANGER,
            fleet="",
            revision=Revision(""),
            zone=self.zone,
            machine_type=self.machine_type,
            market=Market.ON_DEMAND,
            image=self.image,
            script=self.script,
        )

    @cached_property
    def _folder(self) -> "tempfile.TemporaryDirectory[str]":
        return tempfile.TemporaryDirectory(prefix="vmpattern-check-")

    def _options(self) -> MemoryOptions:
        usual: Options = immutabledict(
            path="world.json",
            speed=0.0,
            idempotency=self.idempotency.value,
            quota=QUOTA,
            bad_images=(self.deaf,),
        )
        return parse_options(MemoryOptions, usual | self.settings, path="options")

    def _driver(self, options: MemoryOptions) -> MemoryDriver:
        return MemoryDriver(options, cloud=self.cloud, directory=Path(self._folder.name))


class _First:
    """A driver whose first call goes to one driver, and every other to another."""

    def __init__(self, first: MemoryDriver, rest: MemoryDriver) -> None:
        self._first: MemoryDriver | None = first
        self._rest = rest

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self._rest, name)
        if self._first is None or not callable(found) or name == "close":
            return found

        def call(*arguments: object) -> object:
            driver, self._first = self._first or self._rest, None
            return cast("Callable[..., object]", getattr(driver, name))(*arguments)

        return call
