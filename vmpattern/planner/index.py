"""What is known of one fleet, kept so that a decision costs what changed: counts, queues in order, deadlines.

One owner updates it by what happened; `decide` only reads it. Nothing here knows a clock: every update brings its time.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence, Set

import attrs

from vmpattern import naming
from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import (
    Capabilities,
    Fleet,
    Health,
    HealthCheck,
    Instance,
    InstanceId,
    LaunchKey,
    Membership,
    Phase,
    Slot,
)
from vmpattern.planner.limits import Limits, limits
from vmpattern.planner.quotas import quotas
from vmpattern.planner.rows import Row, State, Terms, classify, due
from vmpattern.planner.tally import Tally


@attrs.define
class CloudState:
    """What is known of the reading of one cloud.

    `fresh_until`: until then its rows may be acted upon; `settled`: lists far enough apart were seen, so that nothing
    of an earlier process can still appear. `served` repeats what the fleet declares. `unreadable`: the last reading
    failed.
    """

    capabilities: Capabilities
    served: bool
    fresh_until: float = -math.inf
    settled: bool = False
    seen: bool = False
    unreadable: bool = False


@attrs.define
class Launching:
    """A launch that was asked for and isn't answered: it counts in full."""

    key: LaunchKey
    slot: int
    count: int


@attrs.frozen
class Transition:
    """A change of one instance's state: what it was (None: first seen), what it is (None: gone), and why."""

    row: Row
    before: State | None
    after: State | None
    reason: str


class FleetIndex(Tally):
    """The rows of one fleet and everything that `decide` reads of them.

    Guarantees:
        Reading costs O(1), an update O(log n) and a small memmove. `rebuilt()` counts everything anew from the rows and
        must give the same decisions.
    """

    def __init__(
        self,
        *,
        deployment: str,
        fleet: Fleet,
        slots: Sequence[Slot],
        clouds: Mapping[str, Capabilities],
        check: HealthCheck | None,
        now: float,
        named: frozenset[InstanceId] | None = frozenset(),
    ) -> None:
        super().__init__(len(slots), clouds)
        self.deployment = deployment
        self.fleet = fleet
        self.slots = tuple(slots)
        self.check = check
        self.limits: Limits = limits(fleet)
        self.named = named
        patience = check.patience_s if check else HealthCheck().patience_s
        self.terms = Terms(rollout=fleet.rollout, patience_s=patience, wanted=fleet.size > 0)
        self.clouds = {name: CloudState(caps, name in fleet.balancer) for name, caps in clouds.items()}
        self.launching: dict[LaunchKey, Launching] = {}
        self.spent: set[LaunchKey] = set()
        self.blocks: dict[tuple[str, Scope], float] = {}
        self.in_flight = 0
        self.failures = 0
        self.stop_reason = ""
        self.progress_at = now
        self.destroyed_at: list[float] = []
        self._shares: dict[tuple[tuple[int, ...], tuple[bool, ...]], list[int]] = {}
        self._slots_by_place: dict[tuple[str, str, str], list[int]] = {}
        for number, slot in enumerate(self.slots):
            self._slots_by_place.setdefault((slot.cloud, slot.zone, slot.market.value), []).append(number)
        self._scopes = [_key_scope(deployment, fleet.name, slot) for slot in self.slots]

    # -- reading ------------------------------------------------------------------------------------------------------

    def ready(self, now: float) -> int:
        """Instances that are ready and not draining, in clouds that can be read at `now`."""
        ready = 0
        for name, count in self.ready_in.items():
            if now <= self.clouds[name].fresh_until:
                ready += count
        return ready

    def is_fresh(self, cloud: str, now: float) -> bool:
        """Whether what is known of the cloud is young enough to act upon."""
        return now <= self.clouds[cloud].fresh_until

    def is_known(self, cloud: str, now: float) -> bool:
        """Whether it is known well enough to call the fleet complete; without place and row there, a try will do."""
        if self.is_fresh(cloud, now):
            return True
        if not self.clouds[cloud].unreadable or any(place.cloud == cloud for place in self.fleet.placements):
            return False
        return all(row.instance.cloud != cloud for row in self.rows.values())

    def may_act(self, cloud: str, now: float) -> bool:
        """Whether anything may be launched or terminated there: read lately, and settled."""
        return self.clouds[cloud].settled and self.is_fresh(cloud, now)

    def is_blocked(self, slot: Slot, now: float) -> bool:
        """Whether a scope that covers the slot has no capacity for a while."""
        return any(until > now and covers(scope, cloud, slot) for (cloud, scope), until in self.blocks.items())

    def next_unblock(self, now: float) -> float:
        """Return when the first block ends; infinity for none."""
        return min((until for until in self.blocks.values() if until > now), default=math.inf)

    def blast_left(self, now: float) -> int:
        """How many more destructive operations the window allows to healing."""
        begin = now - self.fleet.rollout.blast_window_s
        return self.limits.blast - (len(self.destroyed_at) - bisect_right(self.destroyed_at, begin))

    def blast_frees_at(self, now: float) -> float:
        """Return when the oldest operation in the window leaves it; infinity when the window is empty."""
        window = self.fleet.rollout.blast_window_s
        first = bisect_right(self.destroyed_at, now - window)
        return self.destroyed_at[first] + window if first < len(self.destroyed_at) else math.inf

    def is_terminable(self, row: Row) -> bool:
        """Whether the plan's envelope holds it: named by the plan, launched under it, or two witnesses against it."""
        return row.named or row.ours or row.approved or (row.state is State.BROKEN and row.witnesses >= 2)

    def shares(self, have: list[int], full: list[bool]) -> list[int]:
        """Return `quotas` for this fleet, remembered while the same counts come again."""
        counts = (tuple(have), tuple(full))
        if counts not in self._shares:
            if len(self._shares) > 64:
                self._shares.clear()
            self._shares[counts] = quotas(self.fleet.size, self.slots, self.fleet.place, have, full)
        return self._shares[counts]

    def next_key(self, slot: int, count: int, taken: Set[LaunchKey]) -> LaunchKey:
        """Return the key for launching `count` in `slot`: the first attempt that isn't taken, in flight or spent."""
        scope = self._scopes[slot]
        attempt = 0
        while True:
            key = naming.launch_key(scope, count=count, visible=self.visible, attempt=attempt)
            if key not in self.launching and key not in self.spent and key not in taken:
                return key
            attempt += 1

    def rebuilt(self, now: float) -> "FleetIndex":
        """Return an index with the same rows and facts, everything else counted anew."""
        other = FleetIndex.__new__(FleetIndex)
        other.__dict__.update(self.__dict__)
        Tally.__init__(other, len(self.slots), self.clouds)
        for row in self.rows.values():
            copy = attrs.evolve(row, state=State.ENDING, due=math.inf)
            copy.state, _ = classify(copy, other.terms, now)
            other.rows[copy.instance.id] = copy
            other.enter(copy)
            other.schedule(copy, due(copy, other.terms, now))
        for launch in self.launching.values():
            other.ask(launch.slot, launch.count)
        return other

    # -- updates ------------------------------------------------------------------------------------------------------

    def see(
        self,
        instance: Instance,
        now: float,
        *,
        probed: Health = Health.UNKNOWN,
        membership: Membership = Membership.ABSENT,
        ours: bool = False,
        listed: bool = True,
    ) -> list[Transition]:
        """Take in one instance as listed, with the words of its health check and its balancer.

        Not `listed`: a launch's answer tells of it, which says that it is there and ours, and may be old otherwise.
        A phase never goes back: an older list can't revive what is ending. A terminated one leaves the index.
        """
        row = self.rows.get(instance.id)
        if row is None:
            if instance.phase is Phase.TERMINATED:
                return []
            row = self._new_row(instance, now, ours, listed)
            first = True
        else:
            first = False
            if not listed:
                return [] if row.ours else self.update((instance.id,), now, ours=True)
            known = row.listed and not row.missing and row.probed is probed and row.membership is membership
            if known and row.instance == instance:
                return []
            before = row.instance.phase
            if instance.phase is not before and _PHASES[instance.phase] < _PHASES[before]:
                instance = attrs.evolve(instance, phase=before)
        if instance.phase is Phase.TERMINATED:
            return self.forget(row.instance.id)
        return self._change(row, now, instance, probed, membership, first=first)

    def forget(self, instance: InstanceId) -> list[Transition]:
        """Take out an instance that is gone."""
        row = self.rows.pop(instance, None)
        if row is None:
            return []
        self.leave(row)
        self.purge()
        return [Transition(row, row.state, None, "it is gone")]

    def keep(self, instance: InstanceId, until: float, now: float) -> list[Transition]:
        """Note that a failed instance is kept until then; nothing if it is gone."""
        row = self.rows.get(instance)
        if row is None:
            return []
        kept = attrs.evolve(row.instance, kept_until=until)
        return self.see(kept, now, probed=row.probed, membership=row.membership)

    def update(self, ids: Iterable[InstanceId], now: float, **facts: float | bool | None) -> list[Transition]:
        """Set facts of rows (fields of `Row`) and draw the consequences; unknown ids are passed over."""
        changes: list[Transition] = []
        for instance in ids:
            row = self.rows.get(instance)
            if row is not None:
                for name, value in facts.items():
                    setattr(row, name, value)
                changes += self._settle(row, now)
        return changes

    def advance(self, now: float) -> list[Transition]:
        """Let time pass until `now`: deadlines, continuous health, drain time-outs."""
        changes: list[Transition] = []
        while (row := self.overdue(now)) is not None:
            draining = row.draining_at
            if draining is not None and not row.drain_sent and now >= draining + self.fleet.rollout.drain_s:
                row.drained = True
            changes += self._settle(row, now)
        return changes

    def miss(self, cloud: str, shown: Set[InstanceId], asked_at: float, now: float) -> list[Transition]:
        """Draw the consequences of a complete list that doesn't show rows of `cloud`.

        A row that the list must show is missing at first, which makes it not ready, and gone when a later list at least
        the staleness apart doesn't show it either: one bad list loses nobody.
        """
        staleness = self.clouds[cloud].capabilities.staleness_s
        unseen = [
            row
            for row in self.rows.values()
            if row.instance.cloud == cloud and row.instance.id not in shown and asked_at >= row.known_at + staleness
        ]
        changes: list[Transition] = []
        for row in unseen:
            if row.missing and asked_at > row.missing_at and asked_at >= row.missing_at + staleness:
                changes += self.forget(row.instance.id)
            elif not row.missing:
                changes += self.update((row.instance.id,), now, missing=True, missing_at=asked_at)
        return changes

    def launch_sent(self, key: LaunchKey, slot: int, count: int) -> None:
        """Count a launch from the moment it is asked for."""
        self.launching[key] = Launching(key, slot, count)
        self.ask(slot, count)

    def launch_ended(self, key: LaunchKey, *, spent: bool = False) -> None:
        """Stop counting a launch: it was answered, or resolved. A spent key is never used again."""
        launch = self.launching.pop(key, None)
        if launch is not None:
            self.ask(launch.slot, -launch.count)
        if spent:
            self.spent.add(key)

    def block(self, scope: Scope, cloud: str, until: float) -> None:
        """Take no capacity from a scope of `cloud` until then."""
        self.blocks[cloud, scope] = until

    def destroyed(self, count: int, now: float) -> None:
        """Enter destructive operations into the blast ledger; `now` never goes back."""
        self.destroyed_at.extend([now] * count)

    # -- inner workings -----------------------------------------------------------------------------------------------

    def _new_row(self, instance: Instance, now: float, ours: bool, listed: bool) -> Row:
        slot = self.slot_of(instance)
        row = Row(
            instance=instance,
            slot=slot,
            dated=slot >= 0,
            ours=ours,
            listed=listed,
            named=self.named is None or instance.id in self.named,
            served=self.clouds[instance.cloud].served,
            known_at=now,
            digest=naming.id_digest(instance.id),
        )
        self.rows[instance.id] = row
        return row

    def slot_of(self, instance: Instance) -> int:
        """Return the number of the slot in which the instance is in date, -1 for none."""
        for number in self._slots_by_place.get((instance.cloud, instance.zone, instance.market.value), ()):
            slot = self.slots[number]
            if slot.revision == instance.revision and instance.machine_type in slot.admits:
                return number
        return -1

    def _change(
        self, row: Row, now: float, instance: Instance, probed: Health, membership: Membership, *, first: bool
    ) -> list[Transition]:
        before = _standing(row, row.state)
        if not first and instance.launched_at != row.instance.launched_at:
            instance = attrs.evolve(instance, launched_at=row.instance.launched_at)
        row.instance, row.missing, row.listed = instance, False, row.listed or not first
        row.provider = Health.UNHEALTHY if instance.phase is Phase.STOPPED else instance.health
        row.probed = probed
        if instance.phase is Phase.TERMINATING:
            row.ending = True
        if row.draining_at is not None and membership is Membership.ABSENT:
            row.drained = True
        elif row.draining_at is None and membership is Membership.DRAINING:
            row.draining_at = now
        if membership is not Membership.UNHEALTHY:
            row.shunned_at = None
        elif row.shunned_at is None:
            # Since when is only known of what was seen before; the others have had their time since their launch.
            row.shunned_at = instance.launched_at if first else now
        row.membership = membership
        self._judge(row, now, first)
        state, reason = classify(row, self.terms, now)
        if not first and before == _standing(row, state):
            self.schedule(row, due(row, self.terms, now))
            return []
        return self._put(row, now, None if first else row.state, state, reason)

    def _judge(self, row: Row, now: float, first: bool) -> None:
        """Draw the health together; a word that nobody gives now breaks what was continuous, good or bad."""
        health = self._verdict(row) if row.listed else Health.UNKNOWN
        if health is Health.HEALTHY:
            row.unhealthy_at = None
            if row.healthy_at is None:
                row.healthy_at = now
                age = now - row.instance.launched_at
                row.found_healthy = first and not row.ours and age >= self.fleet.rollout.min_ready_s
            row.was_healthy = True
        elif health is Health.UNHEALTHY:
            row.healthy_at, row.found_healthy = None, False
            row.unhealthy_at = now if row.unhealthy_at is None else row.unhealthy_at
        else:
            row.healthy_at, row.unhealthy_at, row.found_healthy = None, None, False
        row.health = health

    def _verdict(self, row: Row) -> Health:
        if row.instance.phase is Phase.STOPPED:
            return Health.UNHEALTHY
        if row.instance.phase is not Phase.RUNNING:
            return Health.UNKNOWN
        if self.check is not None:
            return row.probed
        return row.provider if self.clouds[row.instance.cloud].capabilities.native_health else Health.HEALTHY

    def _settle(self, row: Row, now: float) -> list[Transition]:
        state, reason = classify(row, self.terms, now)
        return self._put(row, now, row.state, state, reason)

    def _put(self, row: Row, now: float, before: State | None, state: State, reason: str) -> list[Transition]:
        row.state = state
        if row.state is State.BROKEN and row.ours and row.dated and not row.failed:
            row.failed = True
            self.failures += 1
        if row.state is State.READY and before is not State.READY and row.ours:
            self.progress_at = now
        self.enter(row)
        self.schedule(row, due(row, self.terms, now))
        return [] if row.state is before else [Transition(row, before, row.state, reason)]


def _standing(row: Row, state: State) -> tuple[State, bool, Membership, int, Health | None]:
    """Everything of a row that a decision can depend on and that a reading can change."""
    condemned = row.witnesses if state is State.BROKEN or not row.dated else 0
    return (state, row.drained, row.membership, condemned, None if row.dated else row.health)


def _key_scope(deployment: str, fleet: str, slot: Slot) -> naming.KeyScope:
    return naming.KeyScope(
        deployment=deployment,
        fleet=fleet,
        revision=slot.revision,
        cloud=slot.cloud,
        zone=slot.zone,
        machine_type=slot.machine_type,
        market=slot.market.value,
        image=slot.image,
    )


_PHASES = {phase: number for number, phase in enumerate(Phase)}


def covers(scope: Scope, cloud: str, slot: Slot) -> bool:
    """Tell whether a scope of `cloud` covers a slot: the wider kinds cover the whole cloud."""
    if cloud != slot.cloud or (scope.market and scope.market != slot.market.value):
        return False
    if scope.kind is ScopeKind.MACHINE_TYPE:
        return scope.machine_type == slot.machine_type and scope.zone in (None, slot.zone)
    return scope.kind is not ScopeKind.ZONE or scope.zone == slot.zone
