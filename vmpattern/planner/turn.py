"""One decision in the making: what is left of each limit, what was decided so far, and the moves that all share."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, compress
from operator import add, sub

from vmpattern.model import Fleet, Health, InstanceId, Membership, Options
from vmpattern.planner.actions import Drain, FleetAction, Terminate
from vmpattern.planner.index import FleetIndex
from vmpattern.planner.rows import ABSENT, UNSURE, Row, State


class Turn:
    """What one call of `decide` knows and has used up.

    `ready` falls with every ready instance that is let go; `calls` with every action. `moved` are instances that this
    decision registers or deregisters. `stop` says why nothing voluntary is done any more, empty if it is.
    """

    def __init__(self, fleet: Fleet, index: FleetIndex, now: float) -> None:
        self.fleet, self.index, self.now = fleet, index, now
        self.calls = fleet.rollout.max_in_flight - index.in_flight
        self.actions: list[FleetAction] = []
        self.waiting: list[str] = []
        self.moved: set[InstanceId] = set()
        self.wake_at = index.next_unblock(now) if index.blocks else math.inf
        self.ready = index.ready(now)
        self._doubtful = -1
        self._quotas: list[int] | None = None
        self._unseen = index.unseen()
        self.unread = self._missing_blind() if True in self._unseen else 0
        self.stop = self._stop()

    @property
    def quotas(self) -> list[int]:
        """How many in-date instances each slot should hold; found out when somebody asks."""
        if self._quotas is None:
            index, have = self.index, self._held()
            full = self._unseen
            if index.blocks:
                # A full fleet isn't evened out towards what had no capacity in this run: it would go to and fro.
                since = self.now if sum(have) < self.fleet.size else -math.inf
                full = [full[n] or index.is_blocked(slot, since) for n, slot in enumerate(index.slots)]
            self._quotas = index.shares(have, full)
        return self._quotas

    def _held(self) -> list[int]:
        """What each slot has or gets; clouds never read are taken to have their share, which nobody else may fill."""
        have = list(map(add, self.index.have, self.index.pending))
        if True not in self._unseen:
            return have
        blind = self.index.shares(have, [False] * len(have))
        return [max(blind[n], have[n]) if is_unseen else have[n] for n, is_unseen in enumerate(self._unseen)]

    def _missing_blind(self) -> int:
        """How many are taken to be where nothing was read, beyond those that are known of."""
        known = map(add, self.index.have, self.index.pending)
        return sum(compress(map(sub, self._held(), known), self._unseen))

    def _stop(self) -> str:
        index, limit = self.index, self.index.limits
        if index.failures >= limit.failures > 0 or (index.failures and limit.failures == 0):
            return f"{index.failures} of what was launched failed, and max_failures is {limit.failures}"
        return index.stop_reason

    def wanted(self) -> list[int]:
        index = self.index
        held = map(add, index.have, index.pending)
        wanted = [quota - have if quota > have else 0 for quota, have in zip(self.quotas, held, strict=True)]
        if self.unread:
            wanted = [0 if is_unseen else count for count, is_unseen in zip(wanted, self._unseen, strict=True)]
        return wanted

    def may_act(self, cloud: str) -> bool:
        return self.index.may_act(cloud, self.now)

    def is_anything_coming(self) -> bool:
        """Whether calls, launches, ends or readiness are awaited: then things may move without another decision."""
        index = self.index
        return bool(
            self.actions
            or index.in_flight
            or index.launching
            or index.leaving
            or sum(index.have) > index.serving + index.silent
        )

    def room(self) -> int:
        """How many more instances may be launched."""
        return self.index.limits.most - (self.index.total + self.unread - self.index.kept)

    def rows(self, queue: Iterable[tuple[float, str]]) -> Iterator[Row]:
        return (self.index.rows[InstanceId(entry[1])] for entry in queue)

    def broken(self) -> Iterator[Row]:
        return chain(self.rows(self.index.broken_new), self.rows(self.index.broken_old))

    def spare_doubtful(self) -> bool:
        """Take one of those that may yet be serving, if enough others are ready or may be serving too."""
        if self._doubtful < 0:
            idle = self.rows(self.index.old_idle)
            broken = sum(not (row.ours or row.is_certain or row.serves_nobody) for row in self.broken())
            self._doubtful = broken + sum(row.is_doubtful for row in idle)
        if self.ready + self._doubtful - 1 < self.index.limits.least:
            return False
        self._doubtful -= 1
        return True

    def may_retire(self, row: Row) -> bool:
        return self.may_touch(row) and self.index.is_terminable(row)

    def may_touch(self, row: Row) -> bool:
        """Whether its cloud was read lately, and whether it is behind its balancer is known.

        A fleet that is to vanish doesn't wait for a balancer that can't be read and won't be soon.
        """
        cloud = row.instance.cloud
        if row.register_sent or row.release_sent or row.instance.id in self.moved:
            return False
        if row.membership is UNSURE and not (self.fleet.size == 0 and self.index.clouds[cloud].balancer_lost):
            return False
        state = self.index.clouds[cloud]
        if state.former_error and not state.former_lost:
            return False
        return self.may_act(cloud)

    def is_proven(self, row: Row) -> bool:
        return row.state is not State.PROVING or self.fleet.size == 0

    def is_last_member(self, row: Row, leaving: list[Row]) -> bool:
        """Whether the balancer of its cloud would be left without a ready member.

        That is allowed where the fleet wants nothing any more, while enough are ready in other clouds. A member that is
        well, but hasn't been so for long, will be ready soon, and may be all that serves.
        """
        index, cloud, is_ready = self.index, row.instance.cloud, row.state is State.READY
        if not row.served or self.fleet.size == 0 or not (is_ready or _is_well_member(row)):
            return False
        going = [other.instance.cloud == cloud for other in leaving if other.state is State.READY]
        here = index.ready_in[cloud] - sum(going)
        others = [name for name in index.clouds if name != cloud and self.may_act(name)]
        elsewhere = sum(index.ready_in[name] for name in others) - (len(going) - sum(going))
        wanted = any(quota for quota, slot in zip(self.quotas, index.slots, strict=True) if slot.cloud == cloud)
        return here <= is_ready and (wanted or elsewhere < max(1, index.limits.least))

    def take_away(self, rows: list[Row]) -> None:
        if not rows:
            return
        members: dict[tuple[str, Options], list[Row]] = {}
        for row in rows:
            if row.is_member:
                members.setdefault((row.instance.cloud, self._balancer(row)), []).append(row)
        for (cloud, balancer), leaving in members.items():
            if self.take_call():
                self.actions.append(Drain(cloud, ids_of(leaving), balancer))
        self.terminate([row for row in rows if not row.is_member])

    def _balancer(self, row: Row) -> Options:
        """Return the balancer from which an instance is drained first: the fleet's own, if that has it."""
        if row.membership not in (ABSENT, UNSURE):
            return self.fleet.balancer[row.instance.cloud]
        return (row.lingers_in or row.drains_from)[0]

    def terminate(self, rows: list[Row]) -> None:
        for cloud, going in by_cloud(rows):
            if not self.may_act(cloud):
                continue
            size = self.index.clouds[cloud].capabilities.max_terminate
            for is_planned in (True, False):
                ids = ids_of([row for row in going if (row.named or row.ours) is is_planned])
                for start in range(0, len(ids), size):
                    if self.take_call():
                        self.actions.append(Terminate(cloud, ids[start : start + size], is_planned))

    def take_call(self) -> bool:
        """Take one of the calls that may be in flight."""
        if self.calls <= 0:
            self.waiting.append("a call to return")
            return False
        self.calls -= 1
        return True


def _is_well_member(row: Row) -> bool:
    return row.membership is Membership.HEALTHY and row.health is Health.HEALTHY


def by_cloud(rows: list[Row]) -> Iterable[tuple[str, list[Row]]]:
    clouds: dict[str, list[Row]] = {}
    for row in rows:
        clouds.setdefault(row.instance.cloud, []).append(row)
    return clouds.items()


def ids_of(rows: list[Row]) -> tuple[InstanceId, ...]:
    return tuple([row.instance.id for row in rows])
