"""The simulated cloud behind the driver contract: every verb is passed on to the world, wherever that lives."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import attrs

from vmpattern.driver import CaptureRequest, Changes, Clock, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError, Problem
from vmpattern.model import (
    Capabilities,
    Health,
    HealthCheck,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Limit,
    MachineType,
    Mislabelled,
    Options as OptionTable,
    Standing,
    Usage,
)
from vmpattern.simulation import SimulatedCloud
from vmpattern_memory.keeping import FileKeeper, Keeper, ProcessKeeper
from vmpattern_memory.settings import MemoryOptions


class MemoryDriver:
    """A simulated cloud as a driver, with every optional protocol.

    Example:
        >>> from pathlib import Path
        >>> driver = MemoryDriver(MemoryOptions(), directory=Path())
        >>> [kind.name for kind in driver.machine_types()]
        ['small', 'medium', 'large', 'xlarge', '2xlarge']
    """

    Options: ClassVar[type[MemoryOptions]] = MemoryOptions
    name = "memory"

    def __init__(self, options: MemoryOptions, *, cloud: str = "memory", directory: Path) -> None:
        spec, faults = options.spec(cloud), options.drawn_faults()
        self.pace = options.speed
        self.capabilities: Capabilities = spec.capabilities
        self._generation = 0
        self._offset = 0
        self._cursor = 0
        self._keeper: Keeper
        self._scope = ""
        if options.path is None:
            self._keeper = ProcessKeeper(SimulatedCloud(spec, faults=faults))
        else:
            self._scope = str((directory / options.path).resolve())
            self._keeper = FileKeeper(
                directory / options.path,
                new=lambda: SimulatedCloud(spec, faults=faults),
                load=lambda data: SimulatedCloud.from_json(data, spec, faults=faults),
            )
        self.clock: Clock = _Clock(self._keeper)

    # -- the driver's verbs -------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected instance."""
        with self._keeper.reading() as cloud:
            return cloud.instances(selector)

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key."""
        with self._keeper.changing() as cloud:
            return cloud.launch(request)

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """End these instances."""
        with self._keeper.changing() as cloud:
            cloud.terminate(ids)

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set the moment until which instances are kept."""
        with self._keeper.changing() as cloud:
            cloud.label(ids, labels)

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List baked images."""
        with self._keeper.reading() as cloud:
            return cloud.images(selector)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images."""
        with self._keeper.changing() as cloud:
            cloud.delete_images(ids)

    def machine_types(self) -> tuple[MachineType, ...]:
        """List what the cloud sells."""
        with self._keeper.reading() as cloud:
            return cloud.machine_types()

    def close(self) -> None:
        """Write the time that has passed, where the cloud lives in a file."""
        self._keeper.close()

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change a label of a VM by hand, as in a provider's console; see `SimulatedCloud.relabel`."""
        with self._keeper.changing() as cloud:
            cloud.relabel(id, name, value)

    # -- the optional protocols ---------------------------------------------------------------------------------------

    def scope(self) -> str:
        """Return the file that keeps the cloud; nothing of one that lives in this object."""
        return self._scope

    def check(self, requests: Sequence[LaunchRequest], balancer: OptionTable | None) -> tuple[Problem, ...]:
        """Tell what would be refused."""
        with self._keeper.reading() as cloud:
            return cloud.check(requests, balancer)

    def limits(self) -> tuple[Limit, ...]:
        """Return the limits of the account."""
        with self._keeper.reading() as cloud:
            return cloud.limits()

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        """Ask the services themselves."""
        with self._keeper.reading() as cloud:
            return cloud.probe(ids, check)

    def members(self, balancer: OptionTable) -> Mapping[InstanceId, Standing]:
        """List a balancer's members."""
        with self._keeper.reading() as cloud:
            return cloud.members(balancer)

    def register(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Add members."""
        with self._keeper.changing() as cloud:
            cloud.register(balancer, ids)

    def deregister(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Start draining members."""
        with self._keeper.changing() as cloud:
            cloud.deregister(balancer, ids)

    def shares(self, balancer: OptionTable, other: OptionTable) -> bool:
        """Tell whether two balancers have the same name."""
        with self._keeper.reading() as cloud:
            return cloud.shares(balancer, other)

    def console(self, instance: InstanceId) -> str:
        """Return what the instance printed."""
        with self._keeper.reading() as cloud:
            return cloud.console(instance)

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what instances use."""
        with self._keeper.reading() as cloud:
            return cloud.usage(ids)

    def resolve(self, base: str) -> ImageId:
        """Return the image that a base stands for."""
        with self._keeper.reading() as cloud:
            return cloud.resolve(base)

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder."""
        with self._keeper.changing() as cloud:
            return cloud.capture(request)

    def mark_verified(self, image: ImageId) -> None:
        """Mark an image that holds what was baked."""
        with self._keeper.changing() as cloud:
            cloud.mark_verified(image)

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Note that data was staged."""
        with self._keeper.changing() as cloud:
            return cloud.stage(name, data, lifetime_s=lifetime_s)

    def unstage(self, names: Sequence[str]) -> None:
        """Note that data isn't staged any more."""
        with self._keeper.changing() as cloud:
            cloud.unstage(names)

    def changes(self, selector: Selector, cursor: int, balancers: Sequence[OptionTable] = ()) -> Changes:
        """Return what changed after `cursor`; everything, if another process's world has come in between."""
        with self._keeper.reading() as cloud:
            if self._generation != self._keeper.generation:
                # Positions of another history mean nothing in this one: begin above all that were handed out.
                self._generation, self._offset = self._keeper.generation, self._cursor + 1
            changes = cloud.changes(selector, max(0, cursor - self._offset), balancers)
            self._cursor = self._offset + changes.cursor
            return attrs.evolve(changes, cursor=self._cursor)

    def next_at(self, patience_s: float = 0.0) -> float | None:
        """Return when the world will next change by itself."""
        with self._keeper.reading() as cloud:
            return cloud.next_at(patience_s)

    def advance(self, until: float) -> None:
        """Let time pass; a world that can't be read is left unchanged, and the next verb raises the reason."""
        with suppress(DriverError), self._keeper.reading() as cloud:
            cloud.advance(until)


@attrs.frozen
class _Clock:
    """The clock of the world that is at hand."""

    _keeper: Keeper

    def now(self) -> float:
        """Return the world's moment in epoch seconds."""
        return self._keeper.now()
