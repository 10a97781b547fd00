"""Launches: adopt what bears the key, write the others down with their labels, and start them."""

import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import DriverError, Invalid, KeyConflict, OutOfCapacity, Scope, ScopeKind
from vmpattern.model import Instance, MachineType, Market
from vmpattern_local import accel, disks, files, guest, process, vms
from vmpattern_local.disks import Disks, Source
from vmpattern_local.parts import Qemu
from vmpattern_local.process import Boot, Shape
from vmpattern_local.settings import Acceleration
from vmpattern_local.states import Lister
from vmpattern_local.vms import Record, Vms, asked

USUAL_PORT = 80
"""The port of a VM that a port of this machine leads to, where the service names none."""


@attrs.frozen(kw_only=True)
class Begun:
    """A VM that is written down and not started yet, and the descriptor that says that it lives."""

    record: Record
    alive: int


class Launcher:
    """Launches VMs of the machine types that are offered."""

    def __init__(
        self,
        store: Vms,
        lister: Lister,
        images: Disks,
        types: Sequence[MachineType],
        *,
        acceleration: Acceleration,
        network: str,
        script_bytes: int,
        most: int,
    ) -> None:
        self._vms = store
        self._lister = lister
        self._disks = images
        self._types = {kind.name: kind for kind in types}
        self._acceleration = acceleration
        self._network = network
        self._script_bytes = script_bytes
        self._most = most

    def launch(self, request: LaunchRequest, qemu: Qemu, *, now: float) -> LaunchReport:
        """Create or adopt by the key, as `Driver.launch`."""
        kind = self._checked(request)
        with files.locked(self._vms.root):
            self._vms.clear()
            source = self._disks.source(request.image)
            adopted = self._adopted(request)
            missing = sorted(set(range(request.count)) - {record.ordinal for record in adopted})
            if missing:
                need_memory(kind, request.zone, len(missing))
            begun = self._begin(request, missing, now=now)
        boot = self._boot(source, qemu, begun)
        created: list[Instance] = []
        failures: list[DriverError] = []
        for one in begun:
            try:
                created.append(self._start(request, one, kind, source, boot, qemu))
            except DriverError as error:
                failures.append(error)
        if failures and not created and not adopted:
            raise failures[0]
        return LaunchReport(
            created=tuple(created),
            adopted=tuple(self._lister.row(record) for record in adopted),
            failures=tuple(failures),
        )

    def _checked(self, request: LaunchRequest) -> MachineType:
        kind = self._types.get(request.machine_type)
        if kind is None:
            known = ", ".join(self._types)
            raise Invalid(f"there is no machine type {request.machine_type}; there are {known}", field="machine_type")
        if request.zone not in kind.zones:
            raise Invalid(f"there is no zone {request.zone}; there are {', '.join(kind.zones)}", field="zone")
        if request.market is not Market.ON_DEMAND:
            raise Invalid(f"there is no market {request.market.value} on this machine", field="market")
        if request.options:
            raise Invalid(f"this driver has no options of placements: {', '.join(request.options)}", field="options")
        if len(request.script.encode()) > self._script_bytes:
            raise Invalid(f"the script has more than {self._script_bytes:,} bytes", field="script")
        if not 1 <= request.count <= self._most:
            raise Invalid(f"expected a count from 1 to {self._most}", field="count")
        return kind

    def _adopted(self, request: LaunchRequest) -> list[Record]:
        """Return what bears the key and isn't ending, a record for each ordinal."""
        found: dict[int, Record] = {}
        for record in self._vms.all():
            if record.is_ours and record.labels.get(naming.KEY) == request.key and record.ends_at is None:
                if record.request != asked(request):
                    raise KeyConflict(f"{record.id} has the key {request.key} of another request", field="key")
                found[record.ordinal] = record
        return [record for _, record in sorted(found.items())]

    def _begin(self, request: LaunchRequest, ordinals: Sequence[int], *, now: float) -> list[Begun]:
        begun: list[Begun] = []
        try:
            for ordinal in ordinals:
                record = vms.new_record(request, ordinal, now=now)
                begun.append(Begun(record=record, alive=self._vms.create(record)))
        except BaseException:
            self._undo(begun)
            raise
        return begun

    def _boot(self, source: Source, qemu: Qemu, begun: Sequence[Begun]) -> Boot:
        kernel = source.kernel_for(qemu)
        try:
            with files.told("KVM can't be tried out"):
                accelerator = accel.choose(self._acceleration, qemu, kernel, source.initrd, root=self._vms.root)
        except DriverError:
            self._undo(begun)
            raise
        return Boot(kernel=kernel.resolve(), initrd=source.initrd.resolve(), accelerator=accelerator)

    def _start(
        self, request: LaunchRequest, begun: Begun, kind: MachineType, source: Source, boot: Boot, qemu: Qemu
    ) -> Instance:
        record, folder = begun.record, self._vms.folder(begun.record.id)
        try:
            with files.told(f"the VM {record.id} can't be started"):
                disks.make_overlay(qemu, source, folder, disk_gib=request.disk_gib)
                files.write(folder / process.DRIVE, guest.drive(request, name=record.id, uuid=record.uuid))
                shape = Shape(vcpus=kind.vcpus, memory_mib=kind.memory_mib, port=request.port or USUAL_PORT)
                process.start(
                    qemu,
                    boot,
                    shape,
                    folder=folder,
                    uuid=record.uuid,
                    alive=begun.alive,
                    network=self._network if record.builder else "",
                )
                # The VM has it open; the secrets in it need no name on this disk.
                (folder / process.DRIVE).unlink()
        except BaseException:
            self._undo([begun])
            raise
        os.close(begun.alive)
        return self._lister.row(self._lister.addressed(record))

    def _undo(self, begun: Sequence[Begun]) -> None:
        """Remove VMs that were written down and don't run."""
        for one in begun:
            process.kill(self._vms.folder(one.record.id), one.record.uuid)
            os.close(one.alive)
            self._vms.remove(one.record.id)


def need_memory(kind: MachineType, zone: str, count: int) -> None:
    """Refuse what would make this machine swap.

    Raises:
        OutOfCapacity: there isn't enough memory.
    """
    free_mib = available_mib()
    wanted = kind.memory_mib * count
    if wanted > free_mib:
        scope = Scope(ScopeKind.MACHINE_TYPE, zone=zone, machine_type=kind.name)
        what = "1 VM" if count == 1 else f"{count} VMs"
        text = f"{what} of {kind.memory_mib} MiB: only {free_mib} MiB of memory are free"
        raise OutOfCapacity(text, code="NoMemory", scope=scope)


def available_mib() -> int:
    """Return how much memory this machine can give without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(found) // 1024
