"""The one function that decides: a fleet and what is known of it in, actions out. No clock, no I/O, no randomness.

What is done is safe by construction: every limit (surge, unavailable, calls in flight, envelope, blast budget, the age
of a reading) is checked here and nowhere else.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import add

import attrs

from vmpattern.model import Fleet, InstanceId, LaunchKey, Membership, Phase
from vmpattern.planner.index import FleetIndex
from vmpattern.planner.rows import Row, State


@attrs.frozen
class Launch:
    """Launch `count` instances in slot number `slot`, under `key`."""

    slot: int
    count: int
    key: LaunchKey


@attrs.frozen
class Register:
    """Put instances behind their cloud's balancer."""

    cloud: str
    ids: tuple[InstanceId, ...]


@attrs.frozen
class Drain:
    """Let the balancer send no more requests to these."""

    cloud: str
    ids: tuple[InstanceId, ...]


@attrs.frozen
class Terminate:
    """End these; `planned` is False for what the plan didn't name."""

    cloud: str
    ids: tuple[InstanceId, ...]
    planned: bool = True


@attrs.frozen
class Keep:
    """Keep a failed instance for a look until then."""

    cloud: str
    id: InstanceId
    until: float


FleetAction = Launch | Register | Drain | Terminate | Keep


@attrs.frozen(kw_only=True)
class Decision:
    """What to do now, what is being waited for, and when to decide again at the latest.

    `done`: the fleet is as asked for. `paused`, `stuck`: why nothing more will be done; empty otherwise.
    """

    actions: tuple[FleetAction, ...]
    waiting_for: tuple[str, ...] = ()
    wake_at: float = math.inf
    done: bool = False
    paused: str = ""
    stuck: str = ""


def decide(fleet: Fleet, index: FleetIndex, now: float) -> Decision:
    """Decide what to do for one fleet at `now`.

    Args:
        index: advanced to `now` by its owner; only read here.

    Returns:
        Actions to dispatch at once, in order: none depends on another of the same decision. `wake_at` knows nothing of
        `index.next_due()`: whoever owns the index advances it then, and decides again.

    Guarantees:
        A function of its arguments, blind to the order in which instances arrived. With the actions dispatched, live
        instances less kept ones stay within size + surge (or fall), ready ones within size - unavailable (or rise).
    """
    turn = _Turn(fleet, index, now)
    if index.stop_reason:
        return turn.decision()
    turn.register()
    turn.clear_broken()
    turn.end_drained()
    if not turn.stop:
        turn.retire_old()
        turn.retire_surplus()
        turn.launch()
    return turn.decision()


class _Turn:
    """One decision in the making: what is left of each limit, and the actions so far."""

    def __init__(self, fleet: Fleet, index: FleetIndex, now: float) -> None:
        self.fleet, self.index, self.now = fleet, index, now
        self.calls = fleet.rollout.max_in_flight - index.in_flight
        self.ready = index.ready(now)
        self.actions: list[FleetAction] = []
        self.waiting: list[str] = []
        self.wake_at = index.next_unblock(now) if index.blocks else math.inf
        self.acts_in = {name for name, cloud in index.clouds.items() if cloud.settled and now <= cloud.fresh_until}
        self.unread = 0
        self.quotas = self._quotas()
        self.stop = self._stop()

    # -- what is wanted -----------------------------------------------------------------------------------------------

    def _quotas(self) -> list[int]:
        """Share the size over the slots; clouds never read keep their share, which nobody else may fill."""
        index = self.index
        have = list(map(add, index.have, index.pending))
        full = [False] * len(have)
        if not all(cloud.seen for cloud in index.clouds.values()):
            full = [not index.clouds[slot.cloud].seen for slot in index.slots]
            blind = index.shares(have, [False] * len(have))
            have = [blind[n] if unseen else have[n] for n, unseen in enumerate(full)]
            self.unread = sum(have[n] for n, unseen in enumerate(full) if unseen)
        if index.blocks:
            full = [full[n] or index.is_blocked(slot, self.now) for n, slot in enumerate(index.slots)]
        return index.shares(have, full)

    def _stop(self) -> str:
        index, limit = self.index, self.index.limits
        if index.failures >= limit.failures > 0 or (index.failures and limit.failures == 0):
            return f"{index.failures} of at most {limit.failures} failures"
        return index.stop_reason

    def _wanted(self) -> list[int]:
        index = self.index
        held = map(add, index.have, index.pending)
        wanted = [quota - have if quota > have else 0 for quota, have in zip(self.quotas, held, strict=True)]
        if self.unread:
            seen = [index.clouds[slot.cloud].seen for slot in index.slots]
            wanted = [count if known else 0 for count, known in zip(wanted, seen, strict=True)]
        return wanted

    # -- taking away --------------------------------------------------------------------------------------------------

    def register(self) -> None:
        """Put proven in-date instances behind their balancer."""
        if not self.index.joining:
            return
        rows = [row for row in self._rows(self.index.joining) if row.dated and not row.register_sent]
        joining = [row for row in rows if row.membership is Membership.ABSENT]
        for cloud, ids in _by_cloud(joining):
            if cloud in self.acts_in and self._call():
                self.actions.append(Register(cloud, ids))

    def clear_broken(self) -> None:
        """Keep or end what is broken, as far as it is certain or not missed.

        What this plan launched goes at once. What two witnesses (or its own stop) condemn goes too, unplanned ones
        within the blast budget. What one witness condemns may yet be serving: it goes as if it were ready.
        """
        index = self.index
        if not index.broken_new and not index.broken_old:
            return
        blast = index.blast_left(self.now)
        rows = [row for row in self._broken_rows() if row.instance.cloud in self.acts_in and not row.keep_sent]
        possible = self.ready + sum(not row.ours and not _is_certain(row) for row in rows)
        doomed: list[Row] = []
        for row in self._without_kept(rows):
            if not index.is_terminable(row):
                self.waiting.append(f"a second witness against {row.instance.id}")
            elif row.ours:
                doomed.append(row)
            elif not _is_certain(row):
                if possible - 1 >= index.limits.least:
                    possible -= 1
                    doomed.append(row)
            elif row.named or blast > 0:
                blast -= not row.named
                doomed.append(row)
            else:
                self.waiting.append("the blast budget")
                self.wake_at = min(self.wake_at, index.blast_frees_at(self.now))
        self._take_away(doomed)

    def _without_kept(self, rows: list[Row]) -> list[Row]:
        """Keep the first failures of this plan for a look, and return the others."""
        free = self.fleet.rollout.keep_failed - self.index.kept - sum(row.keep_sent for row in self._broken_rows())
        until = self.now + self.fleet.rollout.keep_failed_s
        keep = [row for row in rows if self._is_worth_keeping(row)][: max(0, free)]
        for row in keep:
            if self._call():
                self.actions.append(Keep(row.instance.cloud, row.instance.id, until))
        kept = {row.instance.id for row in keep}
        return [row for row in rows if row.instance.id not in kept]

    def _broken_rows(self) -> Iterator[Row]:
        return chain(self._rows(self.index.broken_new), self._rows(self.index.broken_old))

    def _is_worth_keeping(self, row: Row) -> bool:
        capabilities = self.index.clouds[row.instance.cloud].capabilities
        fresh_failure = row.ours and row.dated and row.instance.kept_until is None and not row.keep_refused
        return fresh_failure and capabilities.mutable_labels and self.fleet.size > 0

    def end_drained(self) -> None:
        """Terminate what its balancer has let go of, or was given time enough."""
        if not self.index.drained:
            return
        drained = [row for row in self._rows(self.index.drained) if self.index.is_terminable(row)]
        for cloud, ids in _by_cloud(drained):
            self._terminate(cloud, ids)

    def retire_old(self) -> None:
        """Take away what is out of date: what isn't ready while enough others are, then ready ones, oldest first."""
        index, least = self.index, self.index.limits.least
        leaving: list[Row] = []
        if index.old_idle and self.ready >= least:
            leaving = [row for row in self._rows(index.old_idle) if self._may_retire(row)]
        for row in self._rows(index.old_ready) if self.ready > least else ():
            if self.ready <= least:
                break
            if self._may_retire(row) and not self._is_last_member(row, leaving):
                self.ready -= 1
                leaving.append(row)
        self._take_away(leaving)

    def retire_surplus(self) -> None:
        """Take away in-date instances above their slot's quota, youngest first, once nothing old is left."""
        index, least = self.index, self.index.limits.least
        if index.old_idle or index.old_ready:
            return
        leaving: list[Row] = []
        for slot, queue in enumerate(index.dated) if index.have != self.quotas else ():
            surplus = index.have[slot] - self.quotas[slot]
            if surplus <= 0:
                continue
            rows = sorted(self._rows(reversed(queue)), key=lambda row: row.state is State.READY)
            for row in rows:
                was_ready = row.state is State.READY
                if surplus <= 0 or self.ready - was_ready < least:
                    break
                if self._may_retire(row) and not self._is_last_member(row, leaving):
                    self.ready -= was_ready
                    surplus -= 1
                    leaving.append(row)
        self._take_away(leaving)

    def _may_retire(self, row: Row) -> bool:
        return row.instance.cloud in self.acts_in and self.index.is_terminable(row)

    def _is_last_member(self, row: Row, leaving: list[Row]) -> bool:
        """Whether the balancer of its cloud would be left without a ready member that the fleet still wants there."""
        cloud = row.instance.cloud
        if not row.served or not any(
            quota for quota, slot in zip(self.quotas, self.index.slots, strict=True) if slot.cloud == cloud
        ):
            return False
        going = sum(other.instance.cloud == cloud and other.state is State.READY for other in leaving)
        return row.state is State.READY and self.index.ready_in[cloud] - going <= 1

    def _take_away(self, rows: list[Row]) -> None:
        if not rows:
            return
        for cloud, ids in _by_cloud([row for row in rows if _is_member(row)]):
            if self._call():
                self.actions.append(Drain(cloud, ids))
        for cloud, ids in _by_cloud([row for row in rows if not _is_member(row)]):
            self._terminate(cloud, ids)

    def _terminate(self, cloud: str, ids: tuple[InstanceId, ...]) -> None:
        if cloud not in self.acts_in:
            return
        index = self.index
        planned = tuple(i for i in ids if index.rows[i].named or index.rows[i].ours)
        unplanned = tuple(i for i in ids if i not in set(planned))
        size = index.clouds[cloud].capabilities.max_terminate
        for group, is_planned in ((planned, True), (unplanned, False)):
            for start in range(0, len(group), size):
                if self._call():
                    self.actions.append(Terminate(cloud, group[start : start + size], is_planned))

    # -- bringing in --------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Launch what is wanted, as far as there is room under size + surge, the emptiest slots first."""
        index = self.index
        wanted = self._wanted()
        if not any(wanted):
            return
        room = index.limits.most - (index.total + self.unread - index.kept)
        if room <= 0:
            self.waiting.append("room under the surge")
            return
        for slot, count in enumerate(_fill(wanted, room)):
            cloud = index.slots[slot].cloud
            if count and cloud not in self.acts_in:
                self.waiting.append(f"a second look at {cloud}")
                continue
            batch = index.clouds[cloud].capabilities.max_batch if count else 1
            for start in range(0, count, batch):
                if not self._call():
                    return
                size = min(batch, count - start)
                key = self._key(slot, size)
                self.actions.append(Launch(slot, size, key))

    def _key(self, slot: int, count: int) -> LaunchKey:
        taken = {action.key for action in self.actions if isinstance(action, Launch)}
        return self.index.next_key(self.index.slots[slot], count, taken)

    # -- the end ------------------------------------------------------------------------------------------------------

    def decision(self) -> Decision:
        """Sum up: actions, whether all is done, or why it can't go on."""
        index, now = self.index, self.now
        busy = bool(self.actions or index.launching or index.in_flight or index.leaving)
        deadline = index.progress_at + self.fleet.rollout.progress_deadline_s
        done = not busy and not self.stop and index.serving == self.fleet.size and self._is_reached()
        paused = self.stop if not busy and self.stop and not done else ""
        stuck = ""
        if not done and not paused and now >= deadline and not index.in_flight:
            stuck = f"no progress for {self.fleet.rollout.progress_deadline_s:g} s"
        return Decision(
            actions=tuple(self.actions) if not stuck else (),
            waiting_for=tuple(dict.fromkeys(self.waiting)) if self.waiting else (),
            wake_at=min(self.wake_at, deadline) if deadline > now else self.wake_at,
            done=done,
            paused=paused,
            stuck=stuck,
        )

    def _is_reached(self) -> bool:
        index = self.index
        reached = sum(index.have) == self.fleet.size and index.have == self.quotas
        clean = not index.old_idle and not index.old_ready and not self.unread and not self._has_terminable_broken()
        looked = all(index.is_known(name, self.now) for name in index.clouds)
        return reached and clean and looked

    def _has_terminable_broken(self) -> bool:
        broken = self.index.broken_new or self.index.broken_old
        return bool(broken) and any(self.index.is_terminable(row) for row in self._broken_rows())

    def _rows(self, queue: Iterable[tuple[float, str]]) -> Iterator[Row]:
        return (self.index.rows[InstanceId(entry[1])] for entry in queue)

    def _call(self) -> bool:
        """Take one of the calls that may be in flight."""
        if self.calls <= 0:
            self.waiting.append("a call to return")
            return False
        self.calls -= 1
        return True


def _is_certain(row: Row) -> bool:
    return row.instance.phase is Phase.STOPPED or row.instance.kept_until is not None or row.witnesses >= 2


def _is_member(row: Row) -> bool:
    return row.membership in (Membership.HEALTHY, Membership.UNHEALTHY)


def _by_cloud(rows: list[Row]) -> list[tuple[str, tuple[InstanceId, ...]]]:
    clouds: dict[str, list[InstanceId]] = {}
    for row in rows:
        clouds.setdefault(row.instance.cloud, []).append(row.instance.id)
    return [(cloud, tuple(ids)) for cloud, ids in clouds.items()]


def _fill(wanted: list[int], room: int) -> list[int]:
    """Take at most `room` of what is wanted, always from the slot that lacks most, the earlier one on a tie."""
    if sum(wanted) <= room:
        return wanted
    left, taken = list(wanted), [0] * len(wanted)
    for _ in range(room):
        slot = max(range(len(left)), key=lambda number: (left[number], -number))
        left[slot] -= 1
        taken[slot] += 1
    return taken
