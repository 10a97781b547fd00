"""How the kit checks this driver: where to connect, what to launch, and the faults that may befall it."""

import copy
import errno
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import attrs
from immutabledict import immutabledict

from vmpattern.driver import Driver, LaunchRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    OutcomeUnknown,
    OutOfCapacity,
    ScopeKind,
    Throttled,
    Transient,
)
from vmpattern.model import ImageId, InstanceId, LaunchKey, Market, Options, Revision
from vmpattern.testing import Fault, Kit, Recorded, Skipped
from vmpattern_example.driver import ExampleDriver
from vmpattern_example.host import Host, Process, State
from vmpattern_example.rows import process_of
from vmpattern_example.settings import ExampleOptions

COMMAND = "trap 'sleep 0.3; exit' TERM; echo up; sleep 1000 & wait"
"""Says something, and takes a moment to end, so that it can be seen ending."""
MOMENT_S = 0.1


class ExampleKit(Kit):
    """The example driver, in a folder of its own."""

    zone = "here"
    machine_type = "process"
    image = ImageId("talks-1")
    settle_s = 10.0
    examples: int | None = 3
    most = 11
    inner = ""
    may_cost = False

    def connect(self) -> Driver:
        """Use the folder."""
        return self._driver(Host(self._folder))

    def connect_with(self, fault: Fault) -> Driver:
        """Use the folder through a host whose first answer is faulty."""
        if fault is Fault.SILENCE:
            raise Skipped("a folder always answers")
        return self._driver(FaultyHost(self._folder, fault))

    def let_pass(self, driver: Driver, seconds: float) -> None:
        """Wait as long as anything is ending; nothing else takes long here."""
        until = time.monotonic() + seconds
        time.sleep(min(MOMENT_S, seconds))
        while self._is_ending() and time.monotonic() < until:
            time.sleep(MOMENT_S)

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        """Start a process without labels, which has the name that the request would give."""
        stranger = attrs.evolve(process_of(request, 0, at=time.time()), labels={}, request="")
        host = Host(self._folder)
        with host.alone():
            host.create(stranger, COMMAND, {"PATH": os.defpath}, grace_s=1.0)
        return InstanceId(stranger.id)

    def stranger_lives(self, id: InstanceId) -> bool:
        """Look for it in the folder."""
        found = {process.id: process for process in Host(self._folder).processes()}
        return id in found and found[id].state is State.RUNNING and not found[id].labels

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change the label in the process's record."""
        host = Host(self._folder)
        with host.alone():
            for process in host.processes():
                if process.id == id:
                    host.label(process, {name: value})

    def elsewhere(self) -> "ExampleKit":
        """Use a folder in the folder, which is removed with it."""
        assert self._temporary
        other = copy.copy(self)
        other.inner = "elsewhere"
        return other

    def plant_image(self) -> ImageId:
        """Name an image of the options, which are nobody's to delete."""
        return self.image

    def image_lives(self, id: ImageId) -> bool:
        """Launch from it."""
        driver = self.connect()
        report = driver.launch(self._request())
        driver.terminate([row.id for row in report.created])
        return len(report.created) == 1

    def recorded(self) -> Sequence[Recorded]:
        """Return what the system may answer to a list, and to the creation of a process."""
        return (
            self._listing(errno.EACCES, Denied, ScopeKind.ACCOUNT),
            self._listing(errno.EIO, Transient, ScopeKind.CLOUD),
            self._listing(errno.EBADMSG, Invalid, ScopeKind.CLOUD),
            self._launching(errno.EAGAIN, Throttled, ScopeKind.ACCOUNT),
            self._launching(errno.ENOSPC, OutOfCapacity, ScopeKind.ZONE),
            self._launching(errno.EIO, OutcomeUnknown, ScopeKind.CLOUD),
        )

    def close(self) -> None:
        """End what runs, and remove the folder."""
        if "_temporary" in vars(self):
            host = Host(self._folder)
            with host.alone():
                for process in host.processes():
                    host.end(process.name)
            self.let_pass(self.connect(), self.settle_s)
            self._temporary.cleanup()
            del self._temporary

    @cached_property
    def _temporary(self) -> "tempfile.TemporaryDirectory[str]":
        return tempfile.TemporaryDirectory(prefix="vmpattern-check-")

    @property
    def _folder(self) -> Path:
        return Path(self._temporary.name) / self.inner

    def _driver(self, host: Host) -> ExampleDriver:
        usual: Options = immutabledict(images=immutabledict({self.image: COMMAND}), capacity=20, price=0.01)
        options = parse_options(ExampleOptions, usual | self.settings, path="options")
        return ExampleDriver(options, cloud=self.cloud, directory=self._folder, host=host)

    def _is_ending(self) -> bool:
        return any(process.state is State.ENDING for process in Host(self._folder).processes())

    def _request(self) -> LaunchRequest:
        return LaunchRequest(
            key=LaunchKey("kexample"),
            count=1,
            deployment="example",
            fleet="web",
            revision=Revision("r1"),
            zone=self.zone,
            machine_type=self.machine_type,
            market=Market.ON_DEMAND,
            image=self.image,
        )

    def _listing(self, number: int, error: type[DriverError], scope: ScopeKind) -> Recorded:
        driver = self._driver(FailingHost(self._folder, listing=number))
        name = f"{errno.errorcode[number]} to a list"
        return Recorded(name=name, replay=lambda: driver.instances(Selector("example")), error=error, scope=scope)

    def _launching(self, number: int, error: type[DriverError], scope: ScopeKind) -> Recorded:
        driver = self._driver(FailingHost(self._folder, creating=number))
        name = f"{errno.errorcode[number]} to a launch"
        return Recorded(name=name, replay=lambda: driver.launch(self._request()), error=error, scope=scope)


class FaultyHost(Host):
    """A host whose first answer is faulty."""

    def __init__(self, folder: Path, fault: Fault) -> None:
        super().__init__(folder)
        self._fault: Fault | None = fault

    def processes(self) -> tuple[Process, ...]:
        """List, unless that fails."""
        self._fail(Fault.THROTTLED, errno.EAGAIN)
        self._fail(Fault.FAILED_PAGE, errno.EIO)
        return super().processes()

    def create(self, process: Process, command: str, env: Mapping[str, str], *, grace_s: float) -> None:
        """Create, unless the call is lost."""
        self._fail(Fault.LOST_BEFORE, errno.ETIMEDOUT)
        super().create(process, command, env, grace_s=grace_s)
        self._fail(Fault.LOST_AFTER, errno.ETIMEDOUT)

    def end(self, name: str) -> None:
        """End, unless the call is lost."""
        self._fail(Fault.LOST_BEFORE, errno.ETIMEDOUT)
        super().end(name)
        self._fail(Fault.LOST_AFTER, errno.ETIMEDOUT)

    def _fail(self, fault: Fault, number: int) -> None:
        if self._fault is fault:
            self._fault = None
            raise OSError(number, fault.value)


class FailingHost(Host):
    """A host that answers with recorded errors."""

    def __init__(self, folder: Path, *, listing: int = 0, creating: int = 0) -> None:
        super().__init__(folder)
        self._listing = listing
        self._creating = creating

    def processes(self) -> tuple[Process, ...]:
        """Fail, or list nothing."""
        if self._listing:
            raise OSError(self._listing, "recorded")
        return ()

    def create(self, process: Process, command: str, env: Mapping[str, str], *, grace_s: float) -> None:
        """Fail."""
        raise OSError(self._creating, "recorded")
