"""The balancers of a simulated cloud: who is a member of which, and until when it drains."""

import math
from collections import deque
from collections.abc import Iterable, Mapping

from vmpattern.model import Health, InstanceId, Membership, Phase, Standing
from vmpattern.simulation.world import World

SERVED = Standing(Membership.HEALTHY)
LEAVING = Standing(Membership.DRAINING, "requests in flight are let end")
FAILING = Standing(Membership.UNHEALTHY, "its health check fails")
IDLE = Standing(Membership.UNHEALTHY, "the VM isn't running")
_BY_HEALTH = {Health.HEALTHY: SERVED, Health.UNHEALTHY: FAILING, Health.UNKNOWN: IDLE}


class Balancers:
    """Members by balancer. A member maps to the moment at which its draining ends, None while it isn't draining."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.members: dict[str, dict[InstanceId, float | None]] = {}
        self.draining: deque[tuple[float, str, InstanceId]] = deque()

    def register(self, balancer: str, ids: Iterable[InstanceId]) -> None:
        """Add members, or take them back from draining."""
        members = self.members.setdefault(balancer, {})
        for id in ids:
            if id not in members or members[id] is not None:
                members[id] = None
                self._world.tell(id)

    def deregister(self, balancer: str, ids: Iterable[InstanceId]) -> None:
        """Start to drain members; those that drain already, or aren't members, are left as they are."""
        members = self.members.get(balancer, {})
        for id in ids:
            if id in members and members[id] is None:
                self.drain(balancer, id)

    def drain(self, balancer: str, id: InstanceId) -> None:
        """Let a member drain from now on."""
        until = self._world.at + self._world.spec.capabilities.latencies.drain_s
        self.members.setdefault(balancer, {})[id] = until
        self.draining.append((until, balancer, id))
        self._world.tell(id)

    def standing(self, balancer: str) -> Mapping[InstanceId, Standing]:
        """Return where each member stands; what has ended is no member."""
        self.prune()
        return {id: self._standing(id, until) for id, until in self.members.get(balancer, {}).items()}

    def standing_of(self, balancer: str, id: InstanceId) -> Standing | None:
        """Return where one stands; None if it is no member."""
        members = self.members.get(balancer)
        if members is None or id not in members or self._has_ended(id):
            return None
        return self._standing(id, members[id])

    def prune(self) -> None:
        """Let go of members that have ended."""
        for members in self.members.values():
            for id in [id for id in members if self._has_ended(id)]:
                del members[id]

    def next_at(self) -> float:
        """Return when the next draining ends; infinity for never."""
        while self.draining and not self._is_due(*self.draining[0]):
            self.draining.popleft()
        return self.draining[0][0] if self.draining else math.inf

    def finish_one(self) -> None:
        """End the draining that is due next."""
        _, balancer, id = self.draining.popleft()
        del self.members[balancer][id]
        if id in self._world.vms:
            self._world.tell(id)

    def _standing(self, id: InstanceId, until: float | None) -> Standing:
        return LEAVING if until is not None else _BY_HEALTH[self._world.probe(self._world.vms[id])]

    def _has_ended(self, id: InstanceId) -> bool:
        vm = self._world.vms.get(id)
        return vm is None or vm.row.phase is Phase.TERMINATED

    def _is_due(self, until: float, balancer: str, id: InstanceId) -> bool:
        return self.members.get(balancer, {}).get(id) == until
