"""What is known of one fleet, kept so that a decision costs what changed: counts, queues in order, deadlines.

One owner updates it by what happened; `decide` only reads it. Nothing here knows a clock: every update brings its time.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import attrs

from vmpattern import naming
from vmpattern.errors import Scope
from vmpattern.model import (
    OUTSIDE,
    AnySlot,
    Capabilities,
    Fleet,
    Health,
    HealthCheck,
    Instance,
    InstanceId,
    LaunchKey,
    Membership,
    NoRoom,
    Options,
    PendingSlot,
    Revision,
    Standing,
)
from vmpattern.planner.allowance import Allowance
from vmpattern.planner.limits import Limits, limits
from vmpattern.planner.places import Places, covers
from vmpattern.planner.quotas import quotas
from vmpattern.planner.rows import (
    BROKEN,
    ENDING,
    READY,
    TERMINATED,
    UNKNOWN,
    Row,
    State,
    Terms,
    classify,
    due,
)
from vmpattern.planner.sighting import NOWHERE, decisive, judge, reconciled, take_in, verdict
from vmpattern.planner.tally import Tally

LONG_AGO = 0.0
"""Before everything that any clock says."""


@attrs.define
class CloudState:
    """What is known of the reading of one cloud.

    `fresh_until`: until then its rows may be acted upon; `settled`: lists far enough apart were seen, so that nothing
    of an earlier process can still appear. `served` repeats what the fleet declares. `unreadable`: the last reading
    failed. `balancer_error`: why the last reading of the fleet's balancer failed, empty if it didn't; `balancer_lost`:
    it isn't expected to be readable soon. `former_error`: why a balancer that the fleet has left was never read, which
    may be over soon; `former_lost`: it isn't expected to be.
    """

    capabilities: Capabilities
    served: bool
    fresh_until: float = -math.inf
    settled: bool = False
    seen: bool = False
    unreadable: bool = False
    balancer_error: str = ""
    balancer_lost: bool = False
    former_error: str = ""
    former_lost: bool = False


@attrs.define
class Launching:
    """A launch that was asked for and isn't answered: it counts in full, though `listed` of it may be known."""

    key: LaunchKey
    slot: int
    count: int
    listed: int = 0


class Transition(NamedTuple):
    """A change of one instance's state: what it was (None: first seen), what it is (None: gone), and why."""

    row: Row
    before: State | None
    after: State | None
    reason: str


class FleetIndex(Tally):
    """The rows of one fleet and everything that `decide` reads of them.

    `others` are the other fleets of the same run, whose instances may count for the same quotas. `is_over`: the fleet
    goes no further, and nothing more of it will end.

    Guarantees:
        Reading costs O(1), an update O(log n) and a small memmove. `rebuilt()` counts everything anew from the rows and
        must give the same decisions.
    """

    def __init__(
        self,
        *,
        deployment: str,
        fleet: Fleet,
        slots: Sequence[AnySlot],
        clouds: Mapping[str, Capabilities],
        check: HealthCheck | None,
        now: float,
        named: frozenset[InstanceId] | None = frozenset(),
        no_launch: str = "",
    ) -> None:
        super().__init__(len(slots), clouds)
        self.deployment = deployment
        self.fleet = fleet
        self.slots = tuple(slots)
        self.check = check
        self.limits: Limits = limits(fleet)
        self.named = named
        self.no_launch = no_launch
        patience = check.patience_s if check else HealthCheck().patience_s
        self.terms = Terms(rollout=fleet.rollout, patience_s=patience, wanted=fleet.size > 0)
        self.clouds = {name: CloudState(caps, name in fleet.balancer) for name, caps in clouds.items()}
        self.launching: dict[LaunchKey, Launching] = {}
        self.spent: set[LaunchKey] = set()
        self.blocks: dict[tuple[str, Scope], float] = {}
        self.allowance = Allowance()
        self.others: Sequence[FleetIndex] = ()
        self.is_over = False
        self.conflicts = 0
        self.in_flight = 0
        self.failures = 0
        self.stop_reason = ""
        self.progress_at = now
        self.destroyed_at: list[float] = []
        self.lingering: set[InstanceId] = set()
        self._shares: tuple[list[int], list[bool], list[int]] = ([], [], [])
        self._pending = [isinstance(slot, PendingSlot) for slot in self.slots]
        self.places = Places(deployment, fleet.name, self.slots)

    # -- reading ------------------------------------------------------------------------------------------------------

    def ready(self, now: float) -> int:
        """Instances that are ready and not draining, in clouds that can be read at `now`."""
        ready = 0
        for name, count in self.ready_in.items():
            if now <= self.clouds[name].fresh_until:
                ready += count
        return ready

    @property
    def existing(self) -> int:
        """Number of instances that are there or may be, for reports: `total`, but each of them counted once.

        A list may show what was launched before its launch is answered. Decisions count it twice until then.
        """
        return self.total - sum(min(launch.listed, launch.count) for launch in self.launching.values())

    def unseen(self) -> list[bool]:
        """Return of each slot whether its cloud was never read, or couldn't be when it was planned."""
        for state in self.clouds.values():
            if not state.seen:
                blind = zip(self._pending, self.slots, strict=True)
                return [pending or not self.clouds[slot.cloud].seen for pending, slot in blind]
        return self._pending

    def reread(self) -> list[str]:
        """Return the clouds that can be read now and couldn't when the slots there were planned."""
        clouds = {slot.cloud for slot, pending in zip(self.slots, self._pending, strict=True) if pending}
        return sorted(cloud for cloud in clouds if self.clouds[cloud].seen)

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

    def unread_former(self) -> CloudState | None:
        """Return a cloud where instances may be behind a balancer that the fleet has left and that was never read."""
        unread = {name: state for name, state in self.clouds.items() if state.former_error}
        staying = (row.instance.cloud for row in self.rows.values() if row.state is not ENDING) if unread else ()
        return next((unread[name] for name in staying if name in unread), None)

    def may_act(self, cloud: str, now: float) -> bool:
        """Whether anything may be launched or terminated there: read lately, and settled."""
        state = self.clouds[cloud]
        return state.settled and now <= state.fresh_until

    def is_blocked(self, slot: AnySlot, now: float) -> bool:
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
        return row.named or row.ours or row.approved or (row.state is BROKEN and row.witnesses >= 2)

    def shares(self, have: list[int], full: list[bool]) -> list[int]:
        """Return `quotas` for this fleet, remembered until other counts come; nobody may change any of these lists."""
        known_have, known_full, shares = self._shares
        if have != known_have or full != known_full:
            shares = quotas(self.fleet.size, self.slots, self.fleet.place, have, full)
            self._shares = (have, full, shares)
        return shares

    def next_key(self, slot: int, count: int, taken: Set[LaunchKey]) -> LaunchKey:
        """Return the key for launching `count` in `slot`: the first attempt that isn't taken, in flight or spent.

        What an instance was seen with is spent: it may be gone, and those that are left be the same as before it.
        """
        scope, previous = self.places.scopes[slot], self.previous()
        assert scope is not None, "nothing is launched in a slot that isn't resolved"
        attempt = 0
        while True:
            key = naming.launch_key(scope, count=count, visible=self.visible, previous=previous, attempt=attempt)
            if key not in self.launching and key not in self.spent and key not in taken:
                return key
            attempt += 1

    def previous(self) -> Revision | None:
        """Return the revision that a launch replaces: that of the oldest instance which is out of date."""
        old = min(self.old_ready[:1] + self.old_idle[:1] + self.broken_old[:1], default=None)
        return self.rows[InstanceId(old[1])].instance.revision if old else None

    def rebuilt(self, now: float) -> "FleetIndex":
        """Return an index with the same rows and facts, everything else counted anew."""
        other = FleetIndex.__new__(FleetIndex)
        other.__dict__.update(self.__dict__)
        Tally.__init__(other, len(self.slots), self.clouds)
        other.lingering = {id for id, row in self.rows.items() if _lingers(row)}
        for row in self.rows.values():
            copy = attrs.evolve(row, state=ENDING, due=math.inf)
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
        probed: Health = UNKNOWN,
        standing: Standing = OUTSIDE,
        former: Mapping[Options, Membership] = NOWHERE,
        ours: bool = False,
        listed: bool = True,
    ) -> list[Transition]:
        """Take in one instance as listed, with the words of its health check and its balancer.

        `former` are the balancers that the fleet has left and of which it still is a member.
        Not `listed`: a launch's answer tells of it, which says that it is there and ours, and may be old otherwise.
        A phase never goes back: an older list can't revive what is ending. A terminated one leaves the index.
        """
        row = self.rows.get(instance.id)
        first = row is None
        if not self.clouds[instance.cloud].served:
            standing = OUTSIDE  # of a balancer that the fleet doesn't declare, only `former` says anything
        if row is None:
            if instance.phase is TERMINATED:
                return []
            row = self._new_row(instance, now, ours, listed)
        else:
            if not listed:
                return [] if row.ours else self.update((instance.id,), now, ours=True)
            known = row.listed and not row.missing and row.probed is probed
            told = row.membership is standing.membership and row.said == standing.reason and row.former == former
            if known and told and row.instance == instance:
                return []
            instance = reconciled(instance, row)
        if instance.phase is TERMINATED:
            return self.forget(row.instance.id)
        return self._change(row, now, instance, probed, standing, former, first=first)

    def forget(self, instance: InstanceId) -> list[Transition]:
        """Take out an instance that is gone."""
        row = self.rows.pop(instance, None)
        if row is None:
            return []
        self.leave(row)
        self.purge()
        if row.state is not ENDING:
            self._arrived(row, -1)
        self.lingering.discard(instance)
        self._has_ended(row.instance.cloud)
        return [Transition(row, row.state, None, "it is gone")]

    def keep(self, instance: InstanceId, until: float, now: float) -> list[Transition]:
        """Note that a failed instance is kept until then; nothing if it is gone."""
        row = self.rows.get(instance)
        if row is None:
            return []
        kept = attrs.evolve(row.instance, kept_until=until)
        standing = Standing(row.membership, row.said)
        return self.see(kept, now, probed=row.probed, standing=standing, former=row.former)

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

    def quota_refused(self, scope: Scope, cloud: str, count: int, words: str) -> bool:
        """Note that a quota has no room for `count`, and return whether it has none for a single one."""
        spent = self.allowance.refuse(cloud, scope, count, words)
        if spent:
            self.block(scope, cloud, math.inf)
        return spent

    def settle_down(self, *, is_over: bool) -> None:
        """Note whether the fleet goes no further; once it doesn't, others no longer wait for what it would free."""
        if is_over and not self.is_over:
            for other in self.others:
                for cloud in other.clouds:
                    other._quotas_freed(cloud)
        self.is_over = is_over

    @property
    def moved_at(self) -> float:
        """When the fleet got further for the last time, or, while it waits for a quota, any fleet of the run."""
        if not self.allowance.spent:
            return self.progress_at
        return max([self.progress_at, *(other.progress_at for other in self.others)])

    def _has_ended(self, cloud: str) -> None:
        for index in (self, *self.others):
            index._quotas_freed(cloud)

    def _quotas_freed(self, cloud: str) -> None:
        """Ask again where a quota of `cloud` was spent: something that counted there has ended."""
        if not self.allowance:
            return
        self.progress_at = self.moved_at
        for key in self.allowance.freed(cloud):
            self.blocks.pop(key, None)
        self.version += 1

    def remember_no_room(self, no_room: Iterable[NoRoom]) -> None:
        """Note where earlier applies found no room: a full fleet isn't evened out towards it, others still try.

        When it was noted doesn't matter: it may be by a clock that was ahead of this one.
        """
        for one in no_room:
            self.blocks.setdefault((one.cloud, one.scope), LONG_AGO)

    def destroyed(self, count: int, now: float) -> None:
        """Enter destructive operations into the blast ledger; `now` never goes back."""
        self.destroyed_at.extend([now] * count)

    # -- inner workings -----------------------------------------------------------------------------------------------

    def _new_row(self, instance: Instance, now: float, ours: bool, listed: bool) -> Row:
        slot = self.places.slot_of(instance)
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
        self.spent.add(instance.key)
        self._arrived(row, 1)
        return row

    def _arrived(self, row: Row, change: int) -> None:
        launch = self.launching.get(row.instance.key)
        if launch is not None:
            launch.listed += change

    def _change(
        self,
        row: Row,
        now: float,
        instance: Instance,
        probed: Health,
        standing: Standing,
        former: Mapping[Options, Membership],
        *,
        first: bool,
    ) -> list[Transition]:
        before = None if first else decisive(row, row.state)
        native = self.clouds[instance.cloud].capabilities.native_health
        take_in(row, instance, probed, standing, now, former=former, first=first)
        judge(row, verdict(row, self.check, native=native), now, self.terms, first=first)
        state, reason = classify(row, self.terms, now)
        if before is not None and before == decisive(row, state):
            self.schedule(row, due(row, self.terms, now))
            return []
        return self._put(row, now, None if first else row.state, state, reason)

    def _settle(self, row: Row, now: float) -> list[Transition]:
        state, reason = classify(row, self.terms, now)
        return self._put(row, now, row.state, state, reason)

    def _put(self, row: Row, now: float, before: State | None, state: State, reason: str) -> list[Transition]:
        row.state = state
        if state is BROKEN and row.ours and row.dated and not row.failed:
            row.failed = True
            # That there is no room says nothing against the revision.
            self.failures += not row.lacked_room
        if state is READY and before is not READY and row.ours:
            self.progress_at = now
        if state is ENDING and before is not ENDING:
            self._has_ended(row.instance.cloud)
            self._arrived(row, -1)
        if row.lingers_in or self.lingering:
            (self.lingering.add if _lingers(row) else self.lingering.discard)(row.instance.id)
        self.enter(row)
        self.schedule(row, due(row, self.terms, now))
        return [] if state is before else [Transition(row, before, state, reason)]


def _lingers(row: Row) -> bool:
    return bool(row.lingers_in) and row.state is not ENDING
