"""What is known of each VM: a folder for each, with a file that holds its labels from the moment at which it exists."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchRequest
from vmpattern.errors import NotFound
from vmpattern.model import ImageId, Instance, InstanceId, Market, Phase
from vmpattern.naming import LaunchLabels
from vmpattern_local import files, process

FOLDER = "vms"
RECORD = "vm.json"
NEW = ".new-"


@attrs.frozen(kw_only=True)
class Record:
    """One VM as written down; of a stranger's VM only that it has no label of ours matters.

    `request` is a digest of what its launch asked for, `ordinal` its place in it. `ends_at` is set once somebody has
    asked for its end: if it still runs then, it is killed. `address` is known once it runs.
    """

    id: str
    uuid: str
    labels: dict[str, str]
    zone: str = ""
    machine_type: str = ""
    image: str = ""
    request: str = ""
    ordinal: int = 0
    launched_at: float = 0.0
    builder: bool = False
    address: str | None = None
    ends_at: float | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it has our labels, and they can be read."""
        return isinstance(naming.read_labels(self.labels), LaunchLabels)


def new_record(request: LaunchRequest, ordinal: int, *, now: float) -> Record:
    """Return what is written down of a VM before it is started; its id and UUID are drawn."""
    return Record(
        id=f"vm-{naming.digest(request.key, ordinal, size=8)}{secrets.token_hex(4)}",
        uuid=_uuid(secrets.token_hex(16)),
        labels=request.labels,
        zone=request.zone,
        machine_type=request.machine_type,
        image=request.image,
        request=asked(request),
        ordinal=ordinal,
        launched_at=now,
        builder=bool(request.script),
    )


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], f"4{digits[13:16]}", f"8{digits[17:20]}", digits[20:]))


def asked(request: LaunchRequest) -> str:
    """Return a digest of a request by which another one under the same key is noticed; no secret enters it."""
    told = attrs.asdict(request, recurse=False, filter=lambda field, _: field.name not in ("env", "script"))
    return naming.digest({**told, "market": request.market.value, "options": dict(request.options)}, size=32)


class Vms:
    """The VMs in a root folder. Whoever changes what is written down holds the root's lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / FOLDER

    def folder(self, id: str) -> Path:
        """Return a VM's folder, whether or not it is there; an id that can't be one leads nowhere."""
        return self._folder / (id if id.isascii() and id.replace("-", "").isalnum() else ".none")

    def all(self) -> Iterator[Record]:
        """Yield every VM, strangers' ones included, in no order.

        Raises:
            Invalid: a record is damaged: the list wouldn't be complete.
        """
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return
        for name in names:
            # A folder without a record is one that is just being removed.
            if not name.startswith(".") and (record := self.find(name)) is not None:
                yield record

    def find(self, id: str) -> Record | None:
        """Return what is written down of a VM, None where there is none."""
        return files.read_value(self.folder(id) / RECORD, Record)

    def ours(self, id: str) -> Record:
        """Return one of ours.

        Raises:
            NotFound: there is none.
        """
        record = self.find(id)
        if record is None or not record.is_ours:
            raise NotFound(f"there is no VM {id} of ours", field="id")
        return record

    def create(self, record: Record) -> int:
        """Make the folder of a VM, record and all in one step; returns the descriptor that says that it lives."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._folder / f"{NEW}{record.id}"
        new.mkdir(mode=0o700)
        alive = files.hold(new / process.ALIVE)
        try:
            files.write_value(new / RECORD, record)
            new.rename(self.folder(record.id))
        except BaseException:
            os.close(alive)
            files.remove(new)
            raise
        return alive

    def change(self, id: str, change: Callable[[Record], Record]) -> Record | None:
        """Write down a change, under the lock; None if there is no such VM any more."""
        with files.locked(self.root):
            record = self.find(id)
            if record is not None:
                record = change(record)
                files.write_value(self.folder(id) / RECORD, record)
            return record

    def remove(self, id: str) -> None:
        """Remove everything of a VM that doesn't run."""
        files.remove(self.folder(id))

    def clear(self) -> None:
        """Remove what a process left that died while it made or removed a folder; under the lock."""
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.name.startswith(".") and not process.is_alive(path):
                    files.remove(path)


def row(record: Record, phase: Phase, *, cloud: str) -> Instance:
    """Return a VM of ours as the contract has it."""
    labels = naming.read_labels(record.labels)
    assert isinstance(labels, LaunchLabels), "what isn't ours has no row"
    return Instance(
        id=InstanceId(record.id),
        name=record.id,
        cloud=cloud,
        deployment=labels.deployment,
        fleet=labels.fleet,
        revision=labels.revision,
        key=labels.key,
        inputs=labels.inputs,
        previous=labels.previous,
        kept_until=labels.kept_until,
        zone=record.zone,
        machine_type=record.machine_type,
        market=Market.ON_DEMAND,
        image=ImageId(record.image),
        phase=phase,
        launched_at=record.launched_at,
        address=record.address,
    )
