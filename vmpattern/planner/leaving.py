"""Taking away: what is broken, what its balancer let go, what is out of date, what is too many."""

from vmpattern.planner.actions import Keep
from vmpattern.planner.rows import Row, State
from vmpattern.planner.turn import Turn


def clear_broken(turn: Turn) -> None:
    """Keep or end what is broken, as far as it is certain or not missed.

    What this plan launched goes at once. What two witnesses (or its own stop) condemn goes too, unplanned ones
    within the blast budget. What one witness condemns may yet be serving: it goes as if it were ready, or one by
    one where nothing could move otherwise.
    """
    index = turn.index
    if not index.broken_new and not index.broken_old:
        return
    rows = [row for row in turn.broken() if turn.may_touch(row) and not row.keep_sent]
    jammed = 0 < turn.ready < index.limits.least and _is_stalled(turn)
    doomed: list[Row] = []
    unplanned: list[Row] = []
    for row in _without_kept(turn, rows):
        if not index.is_terminable(row):
            turn.waiting.append(f"a second witness against {row.instance.id}")
        elif row.ours:
            doomed.append(row)
        elif not row.is_certain and not row.serves_nobody:
            if turn.spare_doubtful() or (jammed and row.named):
                jammed = False
                doomed.append(row)
        elif row.named:
            doomed.append(row)
        else:
            unplanned.append(row)
    blast = max(0, index.blast_left(turn.now) - len(doomed))
    if len(unplanned) > blast:
        turn.waiting.append("the blast budget")
        turn.wake_at = min(turn.wake_at, index.blast_frees_at(turn.now))
    turn.take_away(doomed + unplanned[:blast])


def _is_stalled(turn: Turn) -> bool:
    """Whether nothing is on its way, and there is no room for anything."""
    return turn.room() <= 0 and not turn.is_anything_coming()


def _without_kept(turn: Turn, rows: list[Row]) -> list[Row]:
    """Keep the first failures of this plan for inspection, and return the others."""
    free = turn.fleet.rollout.keep_failed - turn.index.kept - sum(row.keep_sent for row in turn.broken())
    until = turn.now + turn.fleet.rollout.keep_failed_s
    keep = [row for row in rows if _is_worth_keeping(turn, row)][: max(0, free)]
    for row in keep:
        if turn.take_call():
            turn.actions.append(Keep(row.instance.cloud, row.instance.id, until))
    kept = {row.instance.id for row in keep}
    return [row for row in rows if row.instance.id not in kept]


def _is_worth_keeping(turn: Turn, row: Row) -> bool:
    capabilities = turn.index.clouds[row.instance.cloud].capabilities
    fresh_failure = row.ours and row.dated and row.instance.kept_until is None and not row.keep_refused
    return fresh_failure and capabilities.mutable_labels and turn.fleet.size > 0


def end_drained(turn: Turn) -> None:
    """Terminate what its balancer has let go of, or was given time enough."""
    if not turn.index.drained:
        return
    rows = turn.rows(turn.index.drained)
    drained = [row for row in rows if turn.index.is_terminable(row) and not row.release_sent]
    turn.terminate(drained)


def retire_old(turn: Turn) -> None:
    """Take away what is out of date: what isn't ready, then ready ones while enough others are, oldest first."""
    leaving = _idle(turn) if turn.index.old_idle else []
    for row in turn.rows(turn.index.old_ready) if turn.ready > turn.index.limits.least else ():
        if turn.ready <= turn.index.limits.least:
            break
        if turn.may_retire(row) and not turn.is_last_member(row, leaving):
            turn.ready -= 1
            leaving.append(row)
    turn.take_away(leaving)


def _idle(turn: Turn) -> list[Row]:
    """Choose among the old ones that aren't ready.

    What certainly serves nobody goes. What one witness speaks against may serve all the same (the health check may
    be the new version's): it goes as if it were ready. What nobody knows goes while enough others are ready. What
    was healthy when first seen does serve and is soon proven: until then it stays, unless the fleet is to vanish.
    """
    least, chosen = turn.index.limits.least, list[Row]()
    rows = [row for row in turn.rows(turn.index.old_idle) if turn.may_retire(row) and turn.is_proven(row)]
    for row in rows:
        if turn.is_last_member(row, chosen):
            continue
        if row.serves_nobody or turn.ready >= least or (row.is_doubtful and turn.spare_doubtful()):
            chosen.append(row)
    return chosen


def retire_surplus(turn: Turn) -> None:
    """Take away in-date instances above their slot's quota, youngest first, once nothing old is left.

    What is old may have to wait for something new elsewhere, and that for room: then the surplus goes first.
    A slot waits until what was healthy when first seen is proven: it may be all that serves.
    """
    index, least = turn.index, turn.index.limits.least
    if (index.old_idle or index.old_ready) and not _is_stalled(turn):
        return
    leaving: list[Row] = []
    for slot, queue in enumerate(index.dated) if index.have != turn.quotas else ():
        surplus = index.have[slot] - turn.quotas[slot]
        if surplus <= 0:
            continue
        rows = sorted(turn.rows(reversed(queue)), key=lambda row: row.state is State.READY)
        if not all(turn.is_proven(row) for row in rows):
            continue
        for row in rows:
            was_ready = row.state is State.READY
            if surplus <= 0 or turn.ready - was_ready < least:
                break
            if turn.may_retire(row) and not turn.is_last_member(row, leaving):
                turn.ready -= was_ready
                surplus -= 1
                leaving.append(row)
    turn.take_away(leaving)
