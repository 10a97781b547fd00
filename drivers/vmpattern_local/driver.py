"""This machine as a cloud: every verb looks at the folder of VMs and images, and remembers nothing."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from vmpattern import naming
from vmpattern.driver import CaptureRequest, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Invalid, Problem
from vmpattern.model import (
    Capabilities,
    Health,
    HealthCheck,
    Idempotency,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Latencies,
    MachineType,
    Mislabelled,
    Options as OptionTable,
    Phase,
    Standing,
    Usage,
)
from vmpattern_local import exporting, files, foresight, meter, parts, probing, process
from vmpattern_local.balancers import Balancers
from vmpattern_local.disks import Disks
from vmpattern_local.images import Images
from vmpattern_local.launching import Launcher
from vmpattern_local.settings import LocalOptions
from vmpattern_local.staging import Staging
from vmpattern_local.states import Lister
from vmpattern_local.vms import Vms

CONSOLE_BYTES = 65536
"""So much of the end of a console is shown."""

CAPABILITIES = Capabilities(
    max_batch=4,
    max_terminate=1000,
    idempotency=Idempotency.INSTANCE,
    mutable_labels=True,
    call_timeout_s=12.0,
    balancer=True,
    checks=True,
    probes=True,
    console=True,
    baker=True,
    meter=True,
    script_bytes=2**20,
    staging=True,
    latencies=Latencies(call_s=0.5, boot_s=1.0, ready_s=6.0, terminate_s=4.0, drain_s=2.0, build_s=6.0, capture_s=1.0),
)


class LocalDriver:
    """Real VMs on this machine, each in a folder of its own."""

    Options: ClassVar[type[LocalOptions]] = LocalOptions
    name = "local"
    capabilities: Capabilities = CAPABILITIES

    def __init__(
        self, options: LocalOptions, *, cloud: str = "local", directory: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._options = options
        self._clock = clock
        self._root = (directory / options.path).absolute()
        self._types = options.offered()
        self._vms = Vms(self._root)
        self._disks = Disks(self._root, directory=directory)
        self._images = Images(self._root, cloud=cloud)
        self._balancers = Balancers(self._root, self._vms, programs=options.programs)
        self._lister = Lister(self._vms, cloud=cloud, is_gone=self._balancers.forget)
        self._staging = Staging(self._root)
        self._launcher = Launcher(
            self._vms,
            self._lister,
            self._disks,
            self._types,
            acceleration=options.acceleration,
            network=self._staging.network(),
            script_bytes=CAPABILITIES.script_bytes,
            most=CAPABILITIES.max_batch,
        )

    # -- the driver's verbs -------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected VM, and tidy away those that have ended."""
        with files.told("the VMs can't be listed"):
            return self._lister.list(selector, now=self._clock())

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key."""
        with files.told("nothing was launched"):
            return self._launcher.launch(request, parts.qemu(self._options.programs), now=self._clock())

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """Ask the guests to power off; what ignores that is killed after the grace, by the next verb or by `close`."""
        if len(ids) > CAPABILITIES.max_terminate:
            raise Invalid(f"expected at most {CAPABILITIES.max_terminate} ids", field="ids")
        with files.told("not every VM will end"):
            self._lister.end(ids, now=self._clock(), grace_s=self._options.grace.total_seconds())

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set mutable labels: the moment until which instances are kept."""
        if fixed := set(labels) - {naming.KEPT_UNTIL}:
            raise Invalid(f"the label {min(fixed)} can't be changed", field="labels")
        with files.told("the labels can't be changed"):
            for id in ids:
                self._vms.ours(id)
                self._vms.change(id, lambda record: attrs.evolve(record, labels=_changed(record.labels, labels)))

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List the images of the deployment."""
        with files.told("the images can't be listed"):
            return self._images.listed(selector.deployment)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images from which no VM runs."""
        with files.told("the images can't be deleted"), files.locked(self._root):
            self._images.delete(ids, self._used)

    def machine_types(self) -> tuple[MachineType, ...]:
        """List the machine types of the options."""
        return self._types

    def close(self) -> None:
        """See the VMs that this driver was asked to end to their end: after the last list, nobody else would."""
        with files.told("not every VM has ended"):
            self._lister.finish(self._clock)

    # -- the optional protocols ---------------------------------------------------------------------------------------

    def scope(self) -> str:
        """Return the folder of VMs and images."""
        return str(self._root.resolve())

    def check(self, requests: Sequence[LaunchRequest], balancer: OptionTable | None) -> tuple[Problem, ...]:
        """Tell what is missing here, or taken."""
        with files.told("it can't be found out whether VMs can be launched"):
            found = foresight.problems(
                requests,
                balancer,
                disks=self._disks,
                balancers=self._balancers,
                types=self._types,
                programs=self._options.programs,
            )
            return tuple(found)

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        """Ask the services: QEMU takes connections for guests that take none, so that connecting says nothing."""
        with files.told("the VMs can't be asked for their health"):
            return probing.probe(self._vms, ids, check)

    def console(self, instance: InstanceId) -> str:
        """Return the end of what the VM printed."""
        with files.told("the console can't be read"):
            path = self._vms.folder(self._vms.ours(instance).id) / process.CONSOLE
            try:
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - CONSOLE_BYTES))
                    return file.read(CONSOLE_BYTES).decode(errors="replace")
            except FileNotFoundError:
                return ""

    def resolve(self, base: str) -> ImageId:
        """Return the image of a base: `alpine`, a path to a disk, or an id."""
        with files.told(f"the base {base} can't be read"):
            return self._disks.resolve(base)

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder."""
        with files.told("the image can't be made"):
            if found := self._images.find(request.deployment, request.digest):
                return found
            record = self._vms.ours(request.builder)
            phase = self._lister.phase(record)
            if phase is not Phase.STOPPED:
                raise Invalid(f"{record.id} is {phase.value}, not stopped", field="builder")
            source, folder = self._disks.source(record.image), self._vms.folder(record.id)
            qemu = parts.qemu(self._options.programs)
            return self._images.capture(request, folder, source, qemu, now=self._clock())

    def mark_verified(self, image: ImageId) -> None:
        """Mark an image that holds what was baked."""
        with files.told(f"the image {image} can't be marked"):
            self._images.mark_verified(image)

    def export(self, image: str, folder: Path) -> None:
        """Make a folder of an image or a base, `alpine` too, from which OpenStack can launch; the image stays as it is.

        A verb of this driver's own. In the folder lie `disk.qcow2`, `kernel`, `initrd` and `cmdline`.

        Raises:
            Invalid: there is no such image, or the folder is there already.
        """
        with files.told(f"{image} can't be exported"):
            exporting.export(self._disks.source(image), folder.absolute(), parts.qemu(self._options.programs))

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Keep data where builders, and nobody else, find it by HTTP."""
        now = self._clock()
        with files.told(f"{name} can't be staged"):
            return self._staging.stage(name, data, until=now + lifetime_s, now=now)

    def unstage(self, names: Sequence[str]) -> None:
        """Remove staged data."""
        with files.told("staged data can't be removed"):
            self._staging.unstage(names)

    def members(self, balancer: OptionTable) -> Mapping[InstanceId, Standing]:
        """List whom a balancer serves or drains."""
        with files.told("the balancer's members can't be read"):
            return self._balancers.members(balancer)

    def shares(self, balancer: OptionTable, other: OptionTable) -> bool:
        """Tell whether two balancers listen at the same port."""
        return self._balancers.shares(balancer, other)

    def register(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Add members; the proxy starts with the first."""
        with files.told("nothing was registered"):
            self._balancers.register(balancer, ids)

    def deregister(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Start draining members."""
        with files.told("nothing was deregistered"):
            self._balancers.deregister(balancer, ids)

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what VMs used over the last seconds."""
        vcpus = {kind.name: kind.vcpus for kind in self._types}
        found: dict[InstanceId, Usage] = {}
        with files.told("the use of VMs can't be read"):
            for id in ids:
                record = self._vms.find(id)
                if record is not None and record.is_ours:
                    folder, most = self._vms.folder(id), vcpus.get(record.machine_type, 1)
                    use = meter.measure(record, folder, vcpus=most, now=self._clock())
                    found |= {id: use} if use is not None else {}
        return found

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _used(self) -> set[str]:
        return {record.image for record in self._vms.all() if record.ends_at is None}


def _changed(labels: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return labels with changes; an empty value removes one."""
    return {name: value for name, value in {**labels, **changes}.items() if value}
