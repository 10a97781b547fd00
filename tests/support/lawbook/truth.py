"""A simulated cloud that one can look into, and what is true of one fleet's instances in it at a moment."""

from collections.abc import Collection, Mapping

import attrs

from vmpattern.model import (
    OUTSIDE,
    Health,
    HealthCheck,
    Instance,
    InstanceId,
    Market,
    Membership,
    Options,
    Phase,
    Standing,
)
from vmpattern.simulation import SimulatedCloud


class OpenCloud(SimulatedCloud):
    """A simulated cloud with a view behind the API: no call, no budget, no fault."""

    @property
    def odd(self) -> Collection[InstanceId]:
        """Every VM whose labels can't be read."""
        return self._world.odd.keys()

    @property
    def position(self) -> tuple[int, int]:
        """A number that moves with every change, and the number of drainings that are going on."""
        return self._world.position, len(self._balancers.draining)

    def rows(self) -> list[Instance]:
        """Every instance, whoever owns it."""
        return [vm.row for vm in self._world.vms.values()]

    @property
    def ever(self) -> int:
        """How many instances there have ever been, in the last day."""
        return len(self._world.vms) + len(self._world.gone)

    def answers(self, instance: InstanceId) -> Health:
        """What its service would answer now."""
        return self._world.probe(self._world.vms[instance])

    def standing(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        """Who stands where with a balancer."""
        return self._balancers.standing(str(balancer["name"]))

    def kill(self, instance: InstanceId) -> None:
        """End an instance behind its owner's back."""
        self._world.end(self._world.vms[instance])

    def halt(self, instance: InstanceId) -> None:
        """Stop an instance, as its guest or its host may."""
        vm = self._world.vms[instance]
        self._world._schedule(vm, None, 0.0)
        self._world.show(vm, Phase.STOPPED, vm.row.kept_until)

    def sicken(self, instance: InstanceId) -> None:
        """Let an instance answer badly from now on."""
        vm = self._world.vms[instance]
        vm.own = Health.UNHEALTHY
        self._world.show(vm, vm.row.phase, vm.row.kept_until)

    def take_out(self, instance: InstanceId) -> None:
        """Take an instance out of every balancer at once, as a person may by hand."""
        for members in self._balancers.members.values():
            members.pop(instance, None)
        self._world.tell(instance)

    def market(self, instance: InstanceId) -> Market:
        """In which market an instance was launched."""
        return self._world.vms[instance].row.market

    def is_member(self, instance: InstanceId) -> bool:
        """Whether any balancer has it as a member that isn't draining."""
        return bool(self.balancers_of(instance))

    def balancers_of(self, instance: InstanceId) -> list[str]:
        """Which balancers have it as a member that isn't draining."""
        return [name for name, members in self._balancers.members.items() if members.get(instance, 0.0) is None]

    def are_budgets_full(self) -> bool:
        """Whether every request budget is what it was at the beginning."""
        buckets = self._api.buckets.values()
        return all(bucket.wait(self._world.at, bucket.burst) == 0.0 for bucket in buckets)


@attrs.define
class Seen:
    """One live instance in truth. `well_at` is since when it has been well, as far as readings could tell."""

    row: Instance
    membership: Membership
    probed: Health
    is_well: bool
    well_at: float | None = None


def is_well(row: Instance, probed: Health, check: HealthCheck | None, *, native: bool) -> bool:
    """Whether it serves, by the word that the service's owner chose."""
    if row.phase is not Phase.RUNNING:
        return False
    if check is not None:
        return probed is Health.HEALTHY
    return row.health is Health.HEALTHY if native else True


class FleetTruth:
    """What is true of one fleet in one cloud, brought up to date when something has moved."""

    def __init__(
        self,
        cloud: OpenCloud,
        deployment: str,
        labels: tuple[str, ...],
        *,
        check: HealthCheck | None,
        balancer: Options | None,
    ) -> None:
        self._cloud = cloud
        self._deployment = deployment
        self._labels = labels
        self._check = check
        self._balancer = balancer
        self._position: tuple[int, int] | None = None
        self.seen: dict[InstanceId, Seen] = {}
        self.live = 0

    def look(self, now: float) -> bool:
        """Bring it up to date; tell whether anything moved."""
        position = self._cloud.position
        if position == self._position:
            return False
        self._position = position
        members = self._cloud.standing(self._balancer) if self._balancer is not None else {}
        native = self._cloud.capabilities.native_health
        before, self.seen = self.seen, {}
        for row in self._cloud.rows():
            if not self._has(row):
                continue
            probed = self._cloud.answers(row.id)
            well = is_well(row, probed, self._check, native=native)
            earlier = before.get(row.id)
            well_at = earlier.well_at if earlier else None
            if well and well_at is None:
                well_at = now
            self.seen[row.id] = Seen(row, members.get(row.id, OUTSIDE).membership, probed, well, well_at)
        self.live = len(self.seen)
        return True

    def _has(self, row: Instance) -> bool:
        """Whether it is live and of this fleet, by its name or the one that the fleet had before."""
        is_ours = row.deployment == self._deployment and row.fleet in self._labels
        return is_ours and row.phase.is_live and row.id not in self._cloud.odd

    def kept(self, now: float) -> int:
        """How many are kept for inspection."""
        return sum(one.row.kept_until is not None and now < one.row.kept_until for one in self.seen.values())
