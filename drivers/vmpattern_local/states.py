"""How far each VM is, and seeing to it that those which shall end do: asked first, then by force, then tidied."""

from collections.abc import Callable, Collection, Iterator, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import Selector
from vmpattern.errors import DriverError, Invalid
from vmpattern.model import Instance, InstanceId, Mislabelled, Phase
from vmpattern_local import files, guest, process, qmp, vms
from vmpattern_local.vms import Record, Vms

HOST = "127.0.0.1"
KILLED_S = 5.0
"""So long the system may take to take down what was killed."""
HEAD = 65536
"""A guest says within so many bytes of console that it is up."""


class Lister:
    """Lists VMs and ends them. `is_gone(ids)` is called with those of which nothing is left."""

    def __init__(self, store: Vms, *, cloud: str, is_gone: Callable[[Collection[str]], None]) -> None:
        self._vms = store
        self._cloud = cloud
        self._is_gone = is_gone
        self._asked: set[str] = set()

    def list(self, selector: Selector, *, now: float) -> tuple[Instance | Mislabelled, ...]:
        """Return the rows of every selected VM; those that have ended are tidied away, and told once more."""
        records = tuple(self._vms.all())
        rows = [self._seen(record, now=now) for record in records if record.is_ours]
        self._tidy([one.id for one in rows if one.phase is Phase.TERMINATED])
        strange = (one for record in records if (one := self._strange(record, selector.deployment)) is not None)
        return (*(one for one in rows if selector.matches(one)), *strange)

    def _strange(self, record: Record, deployment: str) -> Mislabelled | None:
        """Return a VM with the deployment's label whose others can't be read, None for any other."""
        read = naming.read_labels(record.labels)
        named = record.labels.get(naming.DEPLOYMENT)
        if not isinstance(read, str) or named != deployment or not self.phase(record).is_live:
            return None
        return Mislabelled(id=InstanceId(record.id), cloud=self._cloud, deployment=deployment, reason=read)

    def _seen(self, record: Record, *, now: float) -> Instance:
        if record.ends_at is not None and now >= record.ends_at:
            process.kill(self._vms.folder(record.id), record.uuid)
        return self.row(self.addressed(record))

    def row(self, record: Record) -> Instance:
        """Return a VM's row as it is now."""
        return vms.row(record, self.phase(record), cloud=self._cloud)

    def phase(self, record: Record) -> Phase:
        """Tell how far a VM is."""
        alive = process.is_alive(self._vms.folder(record.id))
        if record.ends_at is not None:
            return Phase.TERMINATING if alive else Phase.TERMINATED
        if not alive:
            return Phase.STOPPED
        return Phase.RUNNING if record.address else Phase.PENDING

    def addressed(self, record: Record) -> Record:
        """Find out a VM's address and write it down, unless that was done or can't be done yet."""
        folder = self._vms.folder(record.id)
        if record.address is not None or record.ends_at is not None or not process.is_alive(folder):
            return record
        try:
            port = qmp.forwarded_port(folder)
        except (OSError, DriverError):
            return record  # it is being started, or has just stopped: PENDING or STOPPED, as the next list will tell
        address = f"{HOST}:{port}"
        return self._vms.change(record.id, lambda now: attrs.evolve(now, address=address)) or record

    def end(self, ids: Sequence[InstanceId], *, now: float, grace_s: float) -> None:
        """Write down that VMs shall end, and ask them to power off; a guest that isn't up yet is killed.

        What ignores the button is killed after its grace: by the first list or end, or by `finish`.
        """
        with files.locked(self._vms.root):
            ending = list(self._ending(ids, now=now, grace_s=grace_s))
            for record in ending:
                files.write_value(self._vms.folder(record.id) / vms.RECORD, record)
        for record in ending:
            self._asked.add(record.id)
            self._end(record, now=now)

    def finish(self, clock: Callable[[], float]) -> None:
        """See those that were asked to end through this object to their end, and tidy them away.

        It takes as long as the slowest guest, and no longer than its grace.
        """
        asked, self._asked = self._asked, set()
        records = [record for record in map(self._vms.find, sorted(asked)) if record is not None]
        for record in records:
            folder = self._vms.folder(record.id)
            with process.opened(folder, record.uuid) as found:
                if found is not None and not found.ends_within(max(0.0, (record.ends_at or 0.0) - clock())):
                    found.kill()
            process.ends_within(folder, KILLED_S)
        self._tidy([record.id for record in records if self.phase(record) is Phase.TERMINATED])

    def _tidy(self, gone: Sequence[str]) -> None:
        """Remove all that is left of VMs that have ended."""
        if gone:
            self._is_gone(gone)
            for id in gone:
                self._vms.remove(id)

    def _ending(self, ids: Sequence[InstanceId], *, now: float, grace_s: float) -> Iterator[Record]:
        """Yield what is there of the VMs, as ending."""
        for id in dict.fromkeys(ids):
            record = self._vms.find(id)
            if record is not None and not record.is_ours:
                why = naming.read_labels(record.labels)
                raise Invalid(f"the VM {id} isn't ours: {why}", code="NotOurs", field="ids")
            if record is not None:
                ends_at = now + grace_s if self._listens(record) else now
                yield attrs.evolve(record, ends_at=min(ends_at, record.ends_at or ends_at))

    def _listens(self, record: Record) -> bool:
        """Whether a guest runs that does something about being asked to power off, and has something to lose."""
        folder = self._vms.folder(record.id)
        if record.builder or not process.is_alive(folder):
            return False
        try:
            with (folder / process.CONSOLE).open("rb") as file:
                return guest.up(record.uuid).encode() in file.read(HEAD)
        except FileNotFoundError:
            return False

    def _end(self, record: Record, *, now: float) -> None:
        folder = self._vms.folder(record.id)
        if record.ends_at is None or now >= record.ends_at:
            process.kill(folder, record.uuid)
            return
        try:
            qmp.power_down(folder)
        except (OSError, DriverError):
            process.kill(folder, record.uuid)  # it has just stopped, or QEMU itself doesn't answer any more
