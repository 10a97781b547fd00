"""The simulated cloud: one object, one world. Deterministic, in virtual time, behind the driver contract."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Changes, Clock, LaunchRequest, Selector
from vmpattern.errors import Denied, DriverError, Invalid, NotFound, Problem
from vmpattern.model import (
    CloudObservation,
    Health,
    HealthCheck,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    Limit,
    MachineType,
    Membership,
    Options,
    Phase,
    Revision,
    Standing,
    Usage,
)
from vmpattern.simulation import foresight, launching, loading, saving
from vmpattern.simulation.api import ACCOUNT
from vmpattern.simulation.balancers import Balancers
from vmpattern.simulation.consoles import boot_lines
from vmpattern.simulation.faults import NONE, Faults
from vmpattern.simulation.spec import EPOCH, USUAL, CloudSpec
from vmpattern.simulation.verbs import DriverVerbs
from vmpattern.simulation.world import World

METER_S = 60.0
_MEMBERS = (Membership.HEALTHY, Membership.UNHEALTHY, Membership.DRAINING)
SERVING, IDLE = 0.25, 0.02


@attrs.frozen
class WorldClock:
    """The clock of a simulated world."""

    _world: World

    def now(self) -> float:
        """Return the world's moment in epoch seconds."""
        return self._world.at


class SimulatedCloud(DriverVerbs):
    """A cloud that exists only here: every protocol of the contract in one.

    A verb takes effect at the clock's moment and takes no time; time passes only by `advance`. May be used from several
    threads. The world began at `start`, from which windows of faults count; now it is `at`, else the start.

    Example:
        >>> cloud = SimulatedCloud()
        >>> cloud.instances(Selector("shop"))
        ()
    """

    def __init__(
        self,
        spec: CloudSpec = USUAL,
        *,
        faults: Faults = NONE,
        start: float = EPOCH,
        at: float | None = None,
        pace: float = 0.0,
    ) -> None:
        super().__init__(spec, faults, start, start if at is None else at)
        self.pace = pace
        self._balancers = Balancers(self._world)

    @classmethod
    def from_observation(
        cls,
        observation: CloudObservation,
        *,
        members: Iterable[tuple[Options, Mapping[InstanceId, Standing]]] = (),
        mute: Collection[InstanceId] = (),
        faults: Faults = NONE,
    ) -> "SimulatedCloud":
        """Make a world that is as observed, to forecast from.

        Args:
            members: balancers, and where instances stand with each; one balancer may come several times.
            mute: running instances whose health isn't known, and won't be.

        Guarantees:
            Instances keep ids, rows and kept-until; whatever boots goes on booting from its launch. A running instance
            that isn't mute stays healthy, or unhealthy, as the probe says, else the provider; where neither does, it is
            healthy.
        """
        cloud = cls(loading.spec_of(observation), faults=faults, start=observation.at)
        loading.load(cloud._world, cloud._ledger, observation, mute)
        for options, standings in members:
            balancer = cloud._balancer(options)
            for instance in observation.instances:
                standing = standings.get(instance.id)
                if standing is not None and standing.membership in _MEMBERS:
                    cloud._balancers.register(balancer, [instance.id])
                    if standing.membership is Membership.DRAINING:
                        cloud._balancers.deregister(balancer, [instance.id])
        return cloud

    @classmethod
    def from_json(
        cls, data: Mapping[str, object], spec: CloudSpec = USUAL, *, faults: Faults = NONE, pace: float = 0.0
    ) -> "SimulatedCloud":
        """Make the world that `to_json` wrote; what the cloud is and which faults it has is said anew.

        Guarantees:
            With the same spec and faults it behaves as the world that was saved, but for launch keys whose request had
            an environment: that isn't saved, so such a key conflicts with every other request that has one.

        Raises:
            ValueError: it isn't the form of a world.
        """
        state = saving.parse(data)
        cloud = cls(spec, faults=faults, start=state.start, at=state.at, pace=pace)
        saving.load(state, cloud._world, cloud._ledger, cloud._balancers, cloud._images, cloud._api)
        return cloud

    def to_json(self) -> dict[str, object]:
        """Return everything that has happened as values that JSON has; no secret is among them."""
        with self._lock:
            return saving.save(self._world, self._ledger, self._balancers, self._images, self._api)

    # -- checks, probes, balancers, consoles --------------------------------------------------------------------------

    def check(self, requests: Sequence[LaunchRequest], balancer: Options | None) -> tuple[Problem, ...]:
        """Return what would be refused now: what isn't sold, an unknown option or balancer."""
        with self._lock:
            self._api.read("check", *(request.zone for request in requests))
            found = list(foresight.problems(self._world, self._images, requests))
            if balancer is not None:
                try:
                    self._balancer(balancer)
                except (Invalid, NotFound) as error:
                    found.append(Problem(error.field, error.message))
            return tuple(dict.fromkeys(found))

    def limits(self) -> tuple[Limit, ...]:
        """Return the limits of the account, as `Limiter.limits`."""
        with self._lock:
            self._api.read("limits")
            limits = self._world.spec.every_limit
            return tuple(attrs.evolve(one, used=one.used + launching.in_use(self._world, one)) for one in limits)

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        """Ask the services themselves: no API call. Ids that aren't there are absent."""
        with self._lock:
            vms = ((id, self._world.vms.get(id)) for id in ids)
            return {id: self._world.probe(vm) for id, vm in vms if vm is not None}

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
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

    def shares(self, balancer: Options, other: Options) -> bool:
        """Tell whether two balancers have the same name."""
        return balancer.get("name") == other.get("name")

    def console(self, instance: InstanceId) -> str:
        """Return what the instance printed while it booted.

        Raises:
            NotFound: it isn't there.
        """
        with self._lock:
            self._api.read("console", instance)
            vm = self._vms([instance])[0]
            return boot_lines(vm, self._world.probe(vm))

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what instances use: a quarter of what they have, from when they serve; those not there are absent."""
        with self._lock:
            self._api.read("usage", sorted(ids))
            rows = (vm.row for id in ids if (vm := self._world.vms.get(id)) is not None)
            kinds = {kind.name: kind for kind in self.spec.machine_types}
            return {row.id: self._usage(row, kinds[row.machine_type]) for row in rows if row.phase is Phase.RUNNING}

    def _usage(self, row: Instance, kind: MachineType) -> Usage:
        serves = self._world.probe(self._world.vms[row.id]) is Health.HEALTHY
        share = SERVING if serves else IDLE
        period_s = min(METER_S, self._world.at - row.launched_at)
        return Usage(at=self._world.at, period_s=period_s, cpu=share * kind.vcpus, memory_mib=SERVING * kind.memory_mib)

    # -- images -------------------------------------------------------------------------------------------------------

    def resolve(self, base: str) -> ImageId:
        """Return the image that a base stands for, as `Baker.resolve`."""
        with self._lock:
            self._api.read("resolve", base)
            return self._images.resolve(base)

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder, as `Baker.capture`."""
        with self._lock:
            call = self._api.change("capture", request.deployment, request.digest, costs={"image": 1})
            id = self._images.capture(request)
            call.reply()
            return id

    def mark_verified(self, image: ImageId) -> None:
        """Mark an image, as `Baker.mark_verified`."""
        with self._lock:
            call = self._api.change("mark_verified", image, costs={"image": 1})
            self._images.mark_verified(image)
            call.reply()

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Note that data was staged: the builders of a simulated cloud fetch nothing."""
        with self._lock:
            call = self._api.change("stage", name, costs={"image": 1})
            self._images.staged.add(name)
            call.reply()
            return f"https://staging.{self.name}.example/{name}"

    def unstage(self, names: Sequence[str]) -> None:
        """Note that data isn't staged any more."""
        with self._lock:
            call = self._api.change("unstage", sorted(names), costs={"image": 1})
            self._images.staged.difference_update(names)
            call.reply()

    # -- time and change ----------------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The world's clock."""
        return WorldClock(self._world)

    def changes(self, selector: Selector, cursor: int, balancers: Sequence[Options] = ()) -> Changes:
        """Return what changed after `cursor`, sorted by id: no API call, no fault of lists; costs what changed.

        What has left every list is told as its last row, TERMINATED; a world that was saved tells it for a day only.
        What can't be read any more, since somebody changed its labels, is told so, too.

        Raises:
            DriverError: every list would be refused now; see `Api.follow`.
        """
        with self._lock:
            self._api.follow()
            world = self._world
            rows: list[Instance] = []
            probed: dict[InstanceId, Health] = {}
            for id in sorted(world.changed_since(cursor)):
                vm = world.vms.get(id)
                row = _shown(world, id)
                if row is not None and selector.matches(row):
                    rows.append(row)
                    if vm is not None:
                        probed[id] = world.probe(vm)
            ids = [row.id for row in rows]
            members = tuple([self._standings(balancer, ids) for balancer in balancers])
            return Changes(
                cursor=world.position,
                instances=tuple(rows),
                probed=probed,
                members=members,
                total=world.total(selector),
            )

    def next_at(self, patience_s: float = 0.0) -> float | None:
        """Return when something will next change by itself, as `Watcher.next_at`."""
        with self._lock:
            due = min(self._world.next_at(patience_s), self._balancers.next_at(), self._api.next_at())
            return None if due == math.inf else due

    def advance(self, until: float) -> None:
        """Let time pass until then, with everything that is due on the way; backward is ignored."""
        with self._lock:
            world, balancers = self._world, self._balancers
            while balancers.draining and (due := balancers.next_at()) <= until:
                world.advance(due)
                balancers.finish_one()
            world.advance(until)

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change a label of a VM, as a person might in the provider's console: the fleet, the revision or the key.

        Not for moving a VM to another fleet: those that follow changes aren't told that it left the former one.

        Raises:
            NotFound: it isn't there.
            Invalid: another label.
        """
        with self._lock:
            vm = self._world.vms.get(id)
            if vm is None:
                raise NotFound(f"there is no instance {id}")
            self._world.relabel(vm, _relabelled(vm.row, name, value))

    def calm_down(self) -> None:
        """End every fault for good; what it did to instances stays."""
        with self._lock:
            self._world.calm_down()

    def _standings(self, balancer: Options, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Standing] | DriverError:
        """Return where these stand with a balancer, or why it can't be read."""
        try:
            name = self._balancer(balancer)
        except DriverError as error:
            return error
        if "members" in self.spec.denied:
            return Denied("the credentials don't permit members", code="UnauthorizedOperation", scope=ACCOUNT)
        found = ((id, self._balancers.standing_of(name, id)) for id in ids)
        return {id: standing for id, standing in found if standing is not None}

    def _balancer(self, balancer: Options) -> str:
        name = balancer.get("name")
        if isinstance(name, str) and name:
            if self.spec.balancers is not None and name not in self.spec.balancers:
                raise NotFound(f"there is no balancer {name}", field="balancer.name")
            return name
        if self.spec.strict:
            raise Invalid('expected a balancer\'s name, as in { name = "shop-front" }', field="balancer.name")
        return naming.digest(balancer)


def _relabelled(row: Instance, name: str, value: str) -> Instance:
    match name:
        case naming.FLEET:
            return attrs.evolve(row, fleet=value)
        case naming.REVISION:
            return attrs.evolve(row, revision=Revision(value))
        case naming.KEY:
            return attrs.evolve(row, key=LaunchKey(value))
        case _:
            raise Invalid(f"the label {name} can't be changed here", field=name)


def _shown(world: World, id: InstanceId) -> Instance | None:
    """Return the row by which a change is told, None where nothing ever showed the VM as ours."""
    vm, odd = world.vms.get(id), world.odd.get(id)
    if vm is None:
        return world.gone[id][1]
    if odd is None:
        return vm.row
    return attrs.evolve(odd.before, phase=Phase.TERMINATED) if odd.before is not None else None
