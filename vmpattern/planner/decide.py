"""The one function that decides: a fleet and what is known of it in, actions out. No clock, no I/O, no randomness.

What is done is safe by construction: every limit (surge, unavailable, calls in flight, envelope, blast budget, the age
of a reading) is checked in this package and nowhere else.
"""

import math

from vmpattern.model import Fleet
from vmpattern.planner.actions import Decision
from vmpattern.planner.coming import launch, register, release
from vmpattern.planner.freeing import is_out_of_quota
from vmpattern.planner.index import FleetIndex
from vmpattern.planner.leaving import clear_broken, end_drained, retire_old, retire_surplus
from vmpattern.planner.rows import BROKEN, State
from vmpattern.planner.turn import Turn


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
    turn = Turn(fleet, index, now)
    if index.stop_reason:
        return _decision(turn)
    register(turn)
    release(turn)
    clear_broken(turn)
    end_drained(turn)
    if not turn.stop:
        retire_old(turn)
        retire_surplus(turn)
        launch(turn)
    return _decision(turn)


def _decision(turn: Turn) -> Decision:
    """Sum up: actions, whether all is done, or why it can't go on."""
    index, now = turn.index, turn.now
    busy = bool(turn.actions or index.launching or index.in_flight or index.leaving)
    deadline = index.moved_at + turn.fleet.rollout.progress_deadline_s
    done = not busy and not turn.stop and index.serving == turn.fleet.size and _is_reached(turn)
    if done and (doubted := [row.instance.id for row in turn.broken()]):
        done, turn.stop = False, f"one witness alone calls {', '.join(doubted[:3])} unhealthy: a new plan may end it"
    paused = (turn.stop or _obstacle(turn)) if not busy and not done else ""
    stuck = ""
    if not done and not paused and now >= deadline and not index.in_flight:
        stuck = f"no progress for {turn.fleet.rollout.progress_deadline_s:g} s"
    return Decision(
        actions=tuple(turn.actions) if not stuck else (),
        waiting_for=tuple(dict.fromkeys(turn.waiting)) if turn.waiting else (),
        wake_at=min(turn.wake_at, deadline) if deadline > now else turn.wake_at,
        done=done,
        paused=paused,
        stuck=stuck,
    )


def _obstacle(turn: Turn) -> str:
    """Return why nothing will move any more, in words; empty where something may."""
    index = turn.index
    known = all(index.is_known(name, turn.now) for name in index.clouds)
    settled = all(cloud.settled for cloud in index.clouds.values() if cloud.seen)
    if not (known and settled) or turn.wake_at < math.inf or turn.is_anything_coming():
        return ""
    if (unread := index.unread_former()) is not None:
        text = f"a balancer that it may still be behind can't be read: {unread.former_error}"
        return text if unread.former_lost else ""
    if index.no_launch and any(turn.wanted()):
        return index.no_launch
    if index.allowance.spent and sum(index.have) < turn.fleet.size and is_out_of_quota(index):
        return f"a quota leaves no room: {'; '.join(dict.fromkeys(index.allowance.spent.values()))}"
    if index.silent:
        ids = [row.instance.id for row in index.rows.values() if row.state is State.SILENT and row.dated]
        window = f"{turn.fleet.rollout.ready_deadline_s:g} s"
        return f"the health of {', '.join(sorted(ids)[:3])} wasn't known for {window}: can the health check reach it?"
    if turn.unread and (clouds := index.reread()):
        return f"{', '.join(clouds)} couldn't be read when the plan was made, and now it can: make a new plan"
    return ""


def _is_reached(turn: Turn) -> bool:
    index = turn.index
    reached = sum(index.have) == turn.fleet.size and index.have == turn.quotas
    clean = not index.old_idle and not index.old_ready and not turn.unread and not _has_terminable_broken(turn)
    looked = all(index.is_known(name, turn.now) for name in index.clouds) and index.unread_former() is None
    return reached and clean and looked and not _has_lingering(turn)


def _has_lingering(turn: Turn) -> bool:
    """Whether an instance is a member of a balancer that its fleet has left; what failed is drained when it leaves."""
    rows = turn.index.rows
    return any(rows[id].state is not BROKEN for id in turn.index.lingering)


def _has_terminable_broken(turn: Turn) -> bool:
    broken = turn.index.broken_new or turn.index.broken_old
    return bool(broken) and any(turn.index.is_terminable(row) for row in turn.broken())
