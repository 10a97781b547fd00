"""Whether quotas leave a fleet no room for good: nothing that counts there ends, of this fleet or the run's others."""

from collections.abc import Set

from vmpattern.model import Slot
from vmpattern.planner.index import FleetIndex
from vmpattern.planner.rows import BROKEN, ENDING, JOINING, KEPT, LEAVING, PROVING, READY, STARTING, Row

HOPEFUL = (READY, PROVING, JOINING, STARTING)
"""States of what is ready, or gets ready without a launch: one that doesn't changes its state when its time is over."""


def is_out_of_quota(index: FleetIndex) -> bool:
    """Whether quotas leave no slot to launch in, and nothing of the whole run will free any of them."""
    if not index.allowance.spent or not _is_all_spent(index):
        return False
    clouds = {cloud for cloud, _ in index.allowance.spent}
    return not any(frees(one, clouds) for one in (index, *index.others))


def frees(index: FleetIndex, clouds: Set[str]) -> bool:
    """Whether anything that a fleet has in one of these clouds ends without more room than there is.

    What ends does, and what is drained. What is to go does as well, except what is out of date and needed until a
    successor has started that quotas leave no room for.
    """
    rows = [row for row in index.rows.values() if row.instance.cloud in clouds]
    if any(row.state is ENDING or row.ending_sent or (row.state is LEAVING and not index.is_over) for row in rows):
        return True
    if index.is_over:
        return False
    if sum(index.have) > index.fleet.size and any(row.dated for row in rows):
        return True
    going = [row for row in rows if _is_to_go(row) and index.is_terminable(row)]
    if any(row.state is BROKEN for row in going):
        return True
    is_coming = sum(index.have) + index.asked > index.serving + index.silent
    is_spare = sum(row.state in HOPEFUL for row in index.rows.values()) > index.limits.least
    return bool(going) and (is_coming or is_spare or not _is_all_spent(index))


def _is_to_go(row: Row) -> bool:
    return row.state is BROKEN or (not row.dated and row.state is not KEPT)


def _is_all_spent(index: FleetIndex) -> bool:
    """Whether no slot of a cloud that was read has room under a quota."""
    able = [slot for slot in index.slots if isinstance(slot, Slot) and index.clouds[slot.cloud].seen]
    return all(index.allowance.is_spent(slot) for slot in able)
