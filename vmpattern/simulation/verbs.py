"""The verbs that every driver has, on a simulated world: let in at the front desk, then carried out."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Invalid, NotFound, Unsupported
from vmpattern.model import Capabilities, Image, ImageId, Instance, InstanceId, MachineType, Mislabelled
from vmpattern.simulation import launching
from vmpattern.simulation.api import Api
from vmpattern.simulation.faults import FaultKind, Faults
from vmpattern.simulation.images import Images
from vmpattern.simulation.ledger import Ledger, written
from vmpattern.simulation.spec import CloudSpec
from vmpattern.simulation.vm import Vm
from vmpattern.simulation.world import World


class DriverVerbs:
    """A world and its front desk, behind the verbs of the driver contract."""

    def __init__(self, spec: CloudSpec, faults: Faults, start: float, at: float) -> None:
        self.spec = spec
        self._world = World(spec, faults, start, at)
        self._ledger = Ledger(self._world)
        self._images = Images(self._world)
        self._api = Api(self._world)
        self._lock = threading.RLock()

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The cloud's name."""
        return self.spec.name

    @property
    def capabilities(self) -> Capabilities:
        """What this cloud can do, as data."""
        return self.spec.capabilities

    @property
    def calls(self) -> Mapping[str, int]:
        """API calls so far by verb, refused ones included; a list counts one for each page, a probe none."""
        return dict(self._api.calls)

    # -- the driver's verbs -------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected instance, as `Driver.instances`; costs one read for each page."""
        with self._lock:
            pages = self.capabilities.pages(self._world.total(selector))
            call = self._api.read("instances", selector.deployment, selector.fleet, pages=pages)
            if self._world.past.kept_s and call.strikes(FaultKind.STALE_LIST):
                late_s = call.draw(FaultKind.STALE_LIST) * self._world.past.kept_s
                rows = self._world.past.rows(self._world.at - late_s)
                return tuple(self._listed(row for row in rows if selector.matches(row)))
            return tuple(self._listed(vm.row for vm in self._world.vms.values() if selector.matches(vm.row)))

    def _listed(self, rows: Iterable[Instance]) -> Iterator[Instance | Mislabelled]:
        odd = self._world.odd
        for row in rows:
            if row.id not in odd:
                yield row
            elif row.phase.is_live:
                reason = odd[row.id].reason
                yield Mislabelled(id=row.id, cloud=row.cloud, deployment=row.deployment, reason=reason)

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key, as `Driver.launch`, by the rules of the declared idempotency."""
        with self._lock:
            text = written(request)
            call = self._api.change(
                "launch",
                request.key,
                text,
                costs={"launch": 1, "launch-instances": request.count},
                zone=request.zone,
                machine_type=request.machine_type,
            )
            launching.check(self.spec, self._images, request)
            report = launching.launch(self._world, self._ledger, call, request, text)
            call.reply()
            return report

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """End these instances, as `Driver.terminate`; what is of no deployment, or mislabelled, is left alone."""
        with self._lock:
            if len(ids) > self.capabilities.max_terminate:
                raise Invalid(f"expected at most {self.capabilities.max_terminate} ids", field="ids")
            costs = {"terminate": 1, "terminate-instances": len(ids)}
            call = self._api.change("terminate", sorted(ids), costs=costs)
            for id in ids:
                vm = self._world.vms.get(id)
                if vm is not None and vm.row.deployment and id not in self._world.odd:
                    self._world.end(vm)
            call.reply()

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set mutable labels, as `Driver.label`: the moment until which instances are kept, in epoch seconds.

        Raises:
            Invalid: another label, or no number.
            NotFound: an instance isn't there; nothing was labelled.
        """
        if not self.capabilities.mutable_labels:
            raise Unsupported("labels can't be changed after launch")
        if other := sorted(set(labels) - {naming.KEPT_UNTIL}):
            raise Invalid(f"the label {other[0]} can't be changed", field=other[0])
        kept_until = _moment(labels.get(naming.KEPT_UNTIL, ""))
        with self._lock:
            call = self._api.change("label", sorted(ids), dict(labels), costs={"label": 1})
            for vm in self._vms(ids) if labels else []:
                self._world.show(vm, vm.row.phase, kept_until)
            call.reply()

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List the images that were made for a deployment, sorted by id."""
        with self._lock:
            self._api.read("images", selector.deployment)
            return self._images.listed(selector.deployment)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images, as `Driver.delete_images`; what wasn't made here is left alone.

        Raises:
            Invalid: one is in use; none was deleted.
        """
        with self._lock:
            call = self._api.change("delete_images", sorted(ids), costs={"image": 1})
            self._images.delete(ids)
            call.reply()

    def machine_types(self) -> tuple[MachineType, ...]:
        """List what the cloud sells."""
        with self._lock:
            self._api.read("machine_types")
            return self.spec.machine_types

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _vms(self, ids: Sequence[InstanceId]) -> list[Vm]:
        if missing := [id for id in ids if id not in self._world.vms]:
            raise NotFound(f"there is no instance {missing[0]}")
        if odd := [id for id in ids if id in self._world.odd]:
            raise NotFound(f"there is no instance {odd[0]} of ours: {self._world.odd[odd[0]].reason}")
        return [self._world.vms[id] for id in ids]


def _moment(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise Invalid(f"expected epoch seconds, found {text!r}", field=naming.KEPT_UNTIL) from None
