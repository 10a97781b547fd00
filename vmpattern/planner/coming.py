"""Bringing in: launches where instances are wanted, and members for the balancers."""

import math

from vmpattern.model import LaunchKey, Membership
from vmpattern.planner.actions import Launch, Register
from vmpattern.planner.turn import Turn, by_cloud, ids_of


def register(turn: Turn) -> None:
    """Put proven in-date instances behind their balancer."""
    if not turn.index.joining:
        return
    rows = [row for row in turn.rows(turn.index.joining) if row.dated and not row.register_sent]
    joining = [row for row in rows if row.membership is Membership.ABSENT]
    for cloud, members in by_cloud(joining):
        if turn.may_act(cloud) and turn.take_call():
            turn.actions.append(Register(cloud, ids_of(members)))


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
