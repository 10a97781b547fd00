"""The simulated cloud: one object, one world. Deterministic, in virtual time, behind the driver contract."""

import math
import threading
from collections.abc import Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import Changes, Clock, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Invalid, NotFound, Unsupported
from vmpattern.model import (
    Capabilities,
    CloudObservation,
    Health,
    HealthCheck,
    Image,
    ImageId,
    Instance,
    InstanceId,
    MachineType,
    Membership,
    Options,
)
from vmpattern.simulation import launching, loading
from vmpattern.simulation.api import Api
from vmpattern.simulation.balancers import Balancers
from vmpattern.simulation.consoles import boot_lines
from vmpattern.simulation.faults import FaultKind, Faults
from vmpattern.simulation.ledger import Ledger, written
from vmpattern.simulation.spec import EPOCH, CloudSpec
from vmpattern.simulation.vm import Vm
from vmpattern.simulation.world import World


@attrs.frozen
class WorldClock:
    """The clock of a simulated world."""

    _world: World

    def now(self) -> float:
        """Return the world's moment in epoch seconds."""
        return self._world.at


class SimulatedCloud:
    """A cloud that exists only here: driver, prober, balancer, console, watcher and timekeeper in one.

    A verb takes effect at the clock's moment and takes no time; time passes only by `advance`. May be used from several
    threads.

    Example:
        >>> cloud = SimulatedCloud()
        >>> cloud.instances(Selector("shop"))
        ()
    """

    def __init__(
        self, spec: CloudSpec = CloudSpec(), *, faults: Faults = Faults(), start: float = EPOCH, pace: float = 0.0
    ) -> None:
        self.spec = spec
        self.pace = pace
        self._world = World(spec, faults, start)
        self._ledger = Ledger(self._world)
        self._balancers = Balancers(self._world)
        self._api = Api(self._world)
        self._lock = threading.RLock()

    @classmethod
    def from_observation(
        cls,
        observation: CloudObservation,
        *,
        balancers: Mapping[str, Options] | None = None,
        faults: Faults = Faults(),
    ) -> "SimulatedCloud":
        """Make a world that is as observed, to forecast from.

        Args:
            balancers: each fleet's balancer on this cloud, by fleet; members of other fleets are left out.

        Guarantees:
            Instances keep ids, rows and kept-until; whatever boots goes on booting from its launch. A running instance
            stays healthy, or unhealthy, as the probe says, else the provider; nobody's word counts as healthy.
        """
        cloud = cls(loading.spec_of(observation), faults=faults, start=observation.at)
        loading.load(cloud._world, observation)
        for instance in observation.instances:
            standing = observation.members.get(instance.id, Membership.ABSENT)
            if standing is Membership.ABSENT or instance.fleet not in (balancers or {}):
                continue
            balancer = cloud._balancer((balancers or {})[instance.fleet])
            cloud._balancers.register(balancer, [instance.id])
            if standing is Membership.DRAINING:
                cloud._balancers.deregister(balancer, [instance.id])
        return cloud

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
    def clock(self) -> Clock:
        """The world's clock."""
        return WorldClock(self._world)

    @property
    def calls(self) -> Mapping[str, int]:
        """API calls so far by verb, refused ones included; a list counts one for each page, a probe none."""
        return dict(self._api.calls)

    # -- the driver's verbs -------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        """List every selected instance, as `Driver.instances`; costs one read for each page."""
        with self._lock:
            pages = max(1, -(-self._world.total(selector) // self.capabilities.page_size))
            call = self._api.read("instances", selector.deployment, selector.fleet, pages=pages)
            if self._world.past.kept_s and call.strikes(FaultKind.STALE_LIST):
                late_s = call.draw(FaultKind.STALE_LIST) * self._world.past.kept_s
                rows = self._world.past.rows(self._world.at - late_s)
                return tuple(row for row in rows if selector.matches(row))
            return tuple(vm.row for vm in self._world.vms.values() if selector.matches(vm.row))

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key, as `Driver.launch`, by the rules of the declared idempotency."""
        with self._lock:
            call = self._api.change(
                "launch",
                request.key,
                written(request),
                costs={"launch": 1, "launch-instances": request.count},
                zone=request.zone,
                machine_type=request.machine_type,
            )
            launching.check(self.spec, request)
            report = launching.launch(self._world, self._ledger, call, request)
            call.reply()
            return report

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """End these instances, as `Driver.terminate`."""
        with self._lock:
            if len(ids) > self.capabilities.max_terminate:
                raise Invalid(f"expected at most {self.capabilities.max_terminate} ids", field="ids")
            costs = {"terminate": 1, "terminate-instances": len(ids)}
            call = self._api.change("terminate", sorted(ids), costs=costs)
            for id in ids:
                if (vm := self._world.vms.get(id)) is not None:
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
        """List baked images: a simulated cloud has none, as yet."""
        with self._lock:
            self._api.read("images", selector.deployment)
            return ()

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images: there are none, so all of them are gone already."""
        with self._lock:
            self._api.change("delete_images", sorted(ids), costs={}).reply()

    def machine_types(self) -> tuple[MachineType, ...]:
        """List what the cloud sells."""
        with self._lock:
            self._api.read("machine_types")
            return self.spec.machine_types

    def close(self) -> None:
        """Do nothing: there is no connection."""

    # -- the optional protocols ---------------------------------------------------------------------------------------

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        """Ask the services themselves: no API call. Ids that aren't there are absent."""
        with self._lock:
            vms = ((id, self._world.vms.get(id)) for id in ids)
            return {id: self._world.probe(vm) for id, vm in vms if vm is not None}

    def members(self, balancer: Options) -> Mapping[InstanceId, Membership]:
        """List a balancer's members."""
        with self._lock:
            name = self._balancer(balancer)
            self._api.read("members", name)
            return self._balancers.standing(name)

    def register(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Add members, as `Balancer.register`.

        Raises:
            NotFound: an instance isn't there; none was added.
        """
        with self._lock:
            name = self._balancer(balancer)
            call = self._api.change("register", name, sorted(ids), costs={"balancer": 1})
            self._vms(ids)
            self._balancers.register(name, ids)
            call.reply()

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Start draining members, as `Balancer.deregister`; they leave when the drain time is over."""
        with self._lock:
            name = self._balancer(balancer)
            call = self._api.change("deregister", name, sorted(ids), costs={"balancer": 1})
            self._balancers.deregister(name, ids)
            call.reply()

    def console(self, instance: InstanceId) -> str:
        """Return what the instance printed while it booted.

        Raises:
            NotFound: it isn't there.
        """
        with self._lock:
            self._api.read("console", instance)
            vm = self._vms([instance])[0]
            return boot_lines(vm, self._world.probe(vm))

    def changes(self, selector: Selector, cursor: int) -> Changes:
        """Return what changed after `cursor`, sorted by id: no API call, no fault of lists; costs what changed.

        What has left every list is told as its last row, TERMINATED, for a day.
        """
        with self._lock:
            world = self._world
            rows: list[Instance] = []
            probed: dict[InstanceId, Health] = {}
            for id in sorted(world.changed_since(cursor)):
                vm = world.vms.get(id)
                row = vm.row if vm is not None else world.gone[id][1]
                if selector.matches(row):
                    rows.append(row)
                    if vm is not None:
                        probed[id] = world.probe(vm)
            return Changes(
                cursor=world.position,
                instances=tuple(rows),
                probed=probed,
                total=world.total(selector),
                next_at=self.next_at(),
            )

    def next_at(self) -> float | None:
        """Return when something will next change by itself; None for never."""
        due = min(self._world.next_at(), self._balancers.next_at())
        return None if due == math.inf else due

    def advance(self, until: float) -> None:
        """Let time pass until then, with everything that is due on the way; backward is ignored."""
        with self._lock:
            while (due := self._balancers.next_at()) <= until:
                self._world.advance(due)
                self._balancers.finish_one()
            self._world.advance(until)

    # -- private ------------------------------------------------------------------------------------------------------

    def _vms(self, ids: Sequence[InstanceId]) -> list[Vm]:
        if missing := [id for id in ids if id not in self._world.vms]:
            raise NotFound(f"there is no instance {missing[0]}")
        return [self._world.vms[id] for id in ids]

    def _balancer(self, balancer: Options) -> str:
        name = balancer.get("name")
        if isinstance(name, str) and name:
            return name
        if self.spec.strict:
            raise Invalid('expected a balancer\'s name, as in { name = "shop-front" }', field="balancer.name")
        return naming.digest(balancer)


def _moment(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise Invalid(f"expected epoch seconds, found {text!r}", field=naming.KEPT_UNTIL) from None
