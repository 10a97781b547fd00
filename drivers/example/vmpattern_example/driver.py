"""The driver: the contract in terms of the host. It keeps nothing: every answer comes from the host's folder."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Invalid, NotFound, Problem, Scope, ScopeKind, Unsupported
from vmpattern.model import (
    Capabilities,
    Idempotency,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Latencies,
    MachineType,
    Market,
    Mislabelled,
    Options as OptionTable,
)
from vmpattern_example.errors import translated
from vmpattern_example.host import Host, Process
from vmpattern_example.launching import launch
from vmpattern_example.rows import MACHINE_TYPE, PHASES, is_ours, process_of, row_of
from vmpattern_example.settings import ExampleOptions

CAN = Capabilities(
    max_batch=10,
    max_terminate=10,
    page_size=0,
    idempotency=Idempotency.INSTANCE,
    mutable_labels=True,
    console=True,
    checks=True,
    latencies=Latencies(call_s=0.1, boot_s=0.1, ready_s=1.0, terminate_s=1.0),
)


class ExampleDriver:
    """Instances as processes of this machine."""

    Options: ClassVar[type[ExampleOptions]] = ExampleOptions
    name = "example"
    capabilities = CAN

    def __init__(self, options: ExampleOptions, *, cloud: str, directory: Path, host: Host | None = None) -> None:
        self._options = options
        self._cloud = cloud
        self._host = host or Host(directory.absolute() / options.path)

    def scope(self) -> str:
        """Return the folder."""
        return str(self._host.folder.resolve())

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected instance, and every process of the deployment whose labels can't be read."""
        with translated():
            processes = self._host.processes()
        own = [process for process in processes if process.labels.get(naming.DEPLOYMENT) == selector.deployment]
        rows = ((process, row_of(process, cloud=self._cloud)) for process in own)
        return tuple(row for process, row in rows if _is_selected(selector, process, row))

    def machine_types(self) -> tuple[MachineType, ...]:
        """List the only machine type; a process has no share of its own, so its size is a manner of speaking."""
        price = self._options.price
        prices = immutabledict[Market, float]({} if price is None else {Market.ON_DEMAND: price})
        zones = tuple(sorted(self._options.zones))
        return (MachineType(name=MACHINE_TYPE, vcpus=1, memory_mib=1024, zones=zones, prices=prices),)

    def console(self, instance: InstanceId) -> str:
        """Return what the process printed."""
        process = self._ours().get(instance)
        if process is None:
            raise NotFound(f"there is no {instance}", scope=Scope(ScopeKind.INSTANCE))
        with translated():
            return self._host.console(process.name)

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List no image: none is made here, they are commands in the options."""
        return ()

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key."""
        self._check(request)
        wanted = [process_of(request, ordinal, at=time.time()) for ordinal in range(request.count)]
        with translated(zone=request.zone), self._host.alone():
            return launch(self._host, wanted, request, options=self._options, cloud=self._cloud)

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """Ask for the end of these processes, which their supervisors see to."""
        if len(ids) > CAN.max_terminate:
            raise Invalid(f"expected at most {CAN.max_terminate} at once, found {len(ids)}", field="ids")
        with translated(changes=True), self._host.alone():
            for process in self._named(ids):
                self._host.end(process.name)

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set the moment until which instances are kept."""
        if fixed := sorted(set(labels) - {naming.KEPT_UNTIL}):
            raise Invalid(f"the label {fixed[0]} can't be changed", field="labels")
        with translated(changes=True), self._host.alone():
            for process in self._named(ids):
                self._host.label(process, labels)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete nothing: no image is ours, so what is named is gone or somebody else's."""

    def check(self, requests: Sequence[LaunchRequest], balancer: OptionTable | None) -> tuple[Problem, ...]:
        """Tell what is bound to fail; an image that isn't known yet may be right."""
        found = [problem for request in requests for problem in self._problems(request)]
        known = [problem for problem in found if problem.path != "image" or requests[0].image]
        return tuple(dict.fromkeys(known))

    def close(self) -> None:
        """Let go of nothing: a folder needs no connection."""

    def _check(self, request: LaunchRequest) -> None:
        """Refuse what can never work, before anything is touched."""
        if request.script:
            raise Unsupported("a process can't be made an image of")
        if request.market not in CAN.markets:
            raise Unsupported(f"there is no market {request.market.value}", field="market")
        if not 1 <= request.count <= CAN.max_batch:
            raise Invalid(f"expected a count from 1 to {CAN.max_batch}, found {request.count}", field="count")
        if problem := next(self._problems(request), None):
            raise Invalid(problem.message, field=problem.path)

    def _problems(self, request: LaunchRequest) -> Iterator[Problem]:
        there = {"zone": self._options.zones, "machine_type": (MACHINE_TYPE,), "image": self._options.images}
        asked = {"zone": request.zone, "machine_type": request.machine_type, "image": request.image}
        for field, value in asked.items():
            if value not in there[field]:
                yield Problem(field, f"there is no {value!r}; there are: {', '.join(there[field])}")
        for name in request.options:
            yield Problem(f"options.{name}", "isn't an option here: a placement has none")

    def _ours(self) -> dict[InstanceId, Process]:
        with translated():
            return {InstanceId(process.id): process for process in self._host.processes() if is_ours(process)}

    def _named(self, ids: Sequence[InstanceId]) -> list[Process]:
        """Return those that there still are, by id.

        Raises:
            Invalid: one of them isn't ours.
        """
        known = {process.id: process for process in self._host.processes()}
        found = [known[id] for id in dict.fromkeys(ids) if id in known]
        if strangers := [process.id for process in found if not is_ours(process)]:
            raise Invalid(f"{', '.join(strangers)}: without our labels, so not ours to change", field="ids")
        return found


def _is_selected(selector: Selector, process: Process, row: Instance | Mislabelled) -> bool:
    return selector.matches(row) if isinstance(row, Instance) else PHASES[process.state].is_live
