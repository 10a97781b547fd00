"""Bringing in: launches where instances are wanted, and members for the balancers."""

import math

from vmpattern.model import LaunchKey, Membership, Options
from vmpattern.planner.actions import Deregister, Launch, Register
from vmpattern.planner.rows import BROKEN, KEPT, Row
from vmpattern.planner.turn import Turn, by_cloud, ids_of

OUTSIDE = (Membership.ABSENT, Membership.DRAINING)


def register(turn: Turn) -> None:
    """Put proven in-date instances behind their balancer, also those that it was letting go when first seen."""
    for name, cloud in turn.index.clouds.items():
        if cloud.balancer_error:
            turn.waiting.append(f"the balancer in {name}, which can't be read")
        if cloud.former_error:
            turn.waiting.append(f"a balancer in {name} that it may still be behind, which can't be read")
    if not turn.index.joining or turn.fleet.size == 0:
        return
    rows = [row for row in turn.rows(turn.index.joining) if row.dated and not row.register_sent]
    for name, members in by_cloud([row for row in rows if row.membership in OUTSIDE]):
        # Whatever an earlier process began may still happen: to register what is there is right all the same.
        if turn.index.is_fresh(name, turn.now) and turn.take_call():
            turn.actions.append(Register(name, ids_of(members)))
            turn.moved.update(ids_of(members))


def release(turn: Turn) -> None:
    """Take instances out of balancers that their fleet has left.

    One that stays, and is to be behind another balancer, is taken out when it is healthy there and enough instances are
    ready. What is out of date, failed, or not wanted any more is drained when it leaves.
    """
    index = turn.index
    due: dict[tuple[str, Options], list[Row]] = {}
    for row in sorted([index.rows[id] for id in index.lingering], key=lambda row: row.order):
        if not row.release_sent and not row.ending_sent and turn.may_act(row.instance.cloud) and _may_leave(turn, row):
            due.setdefault((row.instance.cloud, row.lingers_in[0]), []).append(row)
    for (cloud, balancer), rows in due.items():
        if turn.take_call():
            turn.actions.append(Deregister(cloud, ids_of(rows), balancer))
            turn.moved.update(ids_of(rows))


def _may_leave(turn: Turn, row: Row) -> bool:
    """Whether a member of a balancer that its fleet has left may be taken out now."""
    if row.draining_at is not None:
        return not row.drain_sent
    if not row.dated or row.state is BROKEN or turn.fleet.size == 0:
        return False
    if not row.served:
        return True
    is_behind = row.membership is Membership.HEALTHY or row.state is KEPT
    return is_behind and turn.ready >= turn.index.limits.least


def launch(turn: Turn) -> None:
    """Launch what is wanted, as far as there is room under size + surge, the emptiest slots first.

    What an earlier process began may yet appear in a cloud that was seen and hasn't settled, and takes room everywhere.
    """
    index, room = turn.index, turn.room()
    if room <= 0 and turn.is_anything_coming():
        return
    wanted = turn.wanted()
    if not any(wanted):
        if sum(index.have) + index.asked < turn.fleet.size:
            turn.waiting += [f"room under a quota ({words})" for words in index.allowance.spent.values()]
        return
    if index.no_launch:
        turn.waiting.append(index.no_launch)
        return
    if unsettled := [name for name, cloud in index.clouds.items() if cloud.seen and not cloud.settled]:
        turn.waiting.append(f"a second look at {', '.join(unsettled)}")
        return
    if room <= 0:
        turn.waiting.append("room under the surge")
        return
    for slot, count in enumerate(_fill(wanted, room)):
        if not count:
            continue
        cloud = index.slots[slot].cloud
        if not turn.may_act(cloud):
            turn.waiting.append(f"a second look at {cloud}")
            continue
        batch = index.clouds[cloud].capabilities.max_batch
        if (most := index.allowance.batch(index.slots[slot])) < math.inf:
            # Above that a quota was too small: one launch after the other shows how far it goes.
            batch = min(batch, int(most))
            count = 0 if index.pending[slot] else min(count, batch)
        for start in range(0, count, batch):
            if not turn.take_call():
                return
            size = min(batch, count - start)
            key = _key(turn, slot, size)
            turn.actions.append(Launch(slot, size, key))


def _key(turn: Turn, slot: int, count: int) -> LaunchKey:
    taken = {action.key for action in turn.actions if isinstance(action, Launch)}
    return turn.index.next_key(slot, count, taken)


def _fill(wanted: list[int], room: int) -> list[int]:
    """Take at most `room` of what is wanted, always from the slot that lacks most, the earlier one on a tie."""
    if sum(wanted) <= room:
        return wanted
    left, taken = list(wanted), [0] * len(wanted)
    for _ in range(room):
        slot = max(range(len(left)), key=left.__getitem__)
        left[slot] -= 1
        taken[slot] += 1
    return taken
