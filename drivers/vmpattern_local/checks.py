"""How the kit checks this driver: in a folder of its own, with VMs of the smallest kind."""

import copy
import errno
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, cast

import attrs
from immutabledict import immutabledict

from vmpattern.driver import Driver, LaunchRequest
from vmpattern.driver.options import parse_options
from vmpattern.errors import Denied, OutcomeUnknown, QuotaExceeded, ScopeKind, Transient
from vmpattern.model import ImageId, InstanceId, Options
from vmpattern.testing import Fault, Kit, Recorded, Skipped
from vmpattern_local import accel, files, images, process, vms
from vmpattern_local.balancers import FOLDER as BALANCERS
from vmpattern_local.disks import IMAGES
from vmpattern_local.driver import LocalDriver
from vmpattern_local.proxy import Proxy
from vmpattern_local.settings import LocalOptions
from vmpattern_local.staging import Staging
from vmpattern_local.vms import Vms

STRANGER = ImageId("img-stranger")
PAUSE_S = 0.2
QUIET_S = 1.0
FRONT = 18431


class LocalKit(Kit):
    """This machine, in a folder that goes away with the kit."""

    zone = "local"
    machine_type = "tiny"
    image = ImageId("alpine")
    cloud = "checked"
    settle_s = 60.0
    most = 5
    examples: int | None = 2
    may_cost = False
    deaf = ImageId("alpine")
    base = "alpine"
    balancer: Options | None = immutabledict(port=FRONT)
    place = "local"
    accelerator: ClassVar[bytes] = b""
    """Whether KVM works, as one folder found out: others needn't."""

    def connect(self) -> Driver:
        """Open the folder."""
        return _driver(self._root.parent, self.cloud, self.settings)

    def let_pass(self, driver: Driver, seconds: float) -> None:
        """Let time pass; where everything shall settle, no longer than until nothing moves any more."""
        if seconds < self.settle_s:
            time.sleep(seconds)
            return
        until = time.monotonic() + seconds
        time.sleep(QUIET_S)
        while any(self._moving()) and time.monotonic() < until:
            time.sleep(PAUSE_S)

    def connect_with(self, fault: Fault) -> Driver:
        """Open the folder; the first call's process is killed, or finds a record that is damaged."""
        if fault in (Fault.THROTTLED, Fault.SILENCE):
            raise Skipped("a call to one's own machine is always answered, and never throttled")
        first = {
            Fault.LOST_BEFORE: self._killed_before,
            Fault.LOST_AFTER: self._killed_after,
            Fault.FAILED_PAGE: self._with_damage,
        }
        return cast("Driver", _First(self.connect(), first[fault]))

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        """Launch under the request's key, and take the labels away."""
        (row,) = self.connect().launch(request).created
        self._vms.change(row.id, lambda record: attrs.evolve(record, labels={}))
        return row.id

    def stranger_lives(self, id: InstanceId) -> bool:
        """Look at its process, and at its labels."""
        record = self._vms.find(id)
        return record is not None and not record.is_ours and process.is_alive(self._vms.folder(id))

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change the label in the VM's record."""

        def change(record: vms.Record) -> vms.Record:
            labels = {key: old for key, old in {**record.labels, name: value}.items() if old}
            return attrs.evolve(record, labels=labels)

        self._vms.change(id, change)

    def elsewhere(self) -> "LocalKit":
        """Return the kit of another folder, which goes away with this one's."""
        assert self._folder
        other = copy.copy(self)
        other.place = "elsewhere"
        other.settings = self.settings | {"path": other.place}
        if LocalKit.accelerator and not other._root.exists():
            other._root.mkdir()
            files.write(other._root / accel.ANSWER, LocalKit.accelerator)
        return other

    def plant_image(self) -> ImageId:
        """Write down an image that has no labels."""
        folder = self._root / IMAGES / STRANGER
        folder.mkdir(parents=True)
        files.write_value(folder / images.RECORD, images.Record(id=STRANGER, labels={}, created_at=0.0))
        return STRANGER

    def image_lives(self, id: ImageId) -> bool:
        """Look whether its record is there."""
        return (self._root / IMAGES / id / images.RECORD).exists()

    def recorded(self) -> Sequence[Recorded]:
        """Return what this machine answers where something is full, forbidden or broken."""
        return tuple(
            Recorded(name=errno.errorcode[number], replay=_failing(number), error=kind, scope=ScopeKind.CLOUD)
            for number, kind in ((errno.ENOSPC, QuotaExceeded), (errno.EACCES, Denied), (errno.EIO, Transient))
        )

    def fetch(self, url: str) -> bytes | None:
        """Ask as a builder's network does."""
        request = f"GET /{url.rpartition('/')[2]} HTTP/1.0\r\n\r\n".encode()
        command = Staging(self._root).command()
        answer = subprocess.run(command, input=request, capture_output=True, check=True, timeout=self.settle_s).stdout
        head, _, body = answer.partition(b"\r\n\r\n")
        return body if b" 200 " in head else None

    def close(self) -> None:
        """End what runs in the folder, and remove it."""
        if "_folder" not in vars(self):
            return
        for record in self._vms.all():
            with process.opened(self._vms.folder(record.id), record.uuid) as found:
                if found is not None:
                    found.kill()
                    found.ends_within(self.settle_s)
        if (answer := self._root / accel.ANSWER).exists():
            LocalKit.accelerator = answer.read_bytes()
        for folder in (self._root / BALANCERS).glob("[0-9]*"):
            Proxy(folder).stop()
        self._folder.cleanup()
        del self._folder

    def _moving(self) -> Iterator[bool]:
        """Yield of each VM whether it is ending, or is a builder that runs."""
        for record in self._vms.all():
            yield process.is_alive(self._vms.folder(record.id)) and (record.ends_at is not None or record.builder)

    def _killed_before(self, verb: str, arguments: Sequence[object]) -> object:
        raise OutcomeUnknown(f"the process that called {verb} was killed before")

    def _killed_after(self, verb: str, arguments: Sequence[object]) -> object:
        task = (self._root.parent, self.cloud, dict(self.settings), verb, tuple(arguments))
        subprocess.run([sys.executable, "-c", _DYING], input=pickle.dumps(task), check=False, timeout=self.settle_s)
        raise OutcomeUnknown(f"the process that called {verb} was killed afterwards")

    def _with_damage(self, verb: str, arguments: Sequence[object]) -> object:
        folder = self._vms.folder("vm-damaged")
        folder.mkdir(parents=True)
        try:
            (folder / vms.RECORD).write_text('{"id": "vm-dam')
            return _call(self.connect(), verb, arguments)
        finally:
            files.remove(folder)

    @cached_property
    def _folder(self) -> "tempfile.TemporaryDirectory[str]":
        folder = tempfile.TemporaryDirectory(prefix="vmpattern-check-")
        if LocalKit.accelerator:
            root = Path(folder.name, "local")
            root.mkdir()
            files.write(root / accel.ANSWER, LocalKit.accelerator)
        return folder

    @property
    def _root(self) -> Path:
        return Path(self._folder.name) / self.place

    @property
    def _vms(self) -> Vms:
        return Vms(self._root)


_DYING = "from vmpattern_local import checks; checks.call_and_die()"


def call_and_die() -> None:
    """Make the call that is described on standard input, and be killed before its answer is told."""
    folder, cloud, settings, verb, arguments = pickle.load(sys.stdin.buffer)
    _call(_driver(folder, cloud, immutabledict(settings)), verb, arguments)
    os.kill(os.getpid(), 9)


def _driver(folder: Path, cloud: str, settings: Options) -> Driver:
    usual: Options = immutabledict(path="local", grace="8s")
    options = parse_options(LocalOptions, usual | settings, path="options")
    return LocalDriver(options, cloud=cloud, directory=folder)


def _call(driver: Driver, verb: str, arguments: Sequence[object]) -> object:
    return cast("Callable[..., object]", getattr(driver, verb))(*arguments)


def _failing(number: int) -> Callable[[], None]:
    def replay() -> None:
        with files.told("a verb failed"):
            raise OSError(number, os.strerror(number))

    return replay


class _First:
    """A driver whose first call is made otherwise."""

    def __init__(self, rest: Driver, first: Callable[[str, Sequence[object]], object]) -> None:
        self._rest = rest
        self._first: Callable[[str, Sequence[object]], object] | None = first

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self._rest, name)
        if self._first is None or not callable(found) or name == "close":
            return found

        def call(*arguments: object) -> object:
            first, self._first = self._first, None
            return _call(self._rest, name, arguments) if first is None else first(name, arguments)

        return call
