"""Which builders a job may end: its own, and those of which nothing comes any more; another job's it leaves alone."""

from collections.abc import Iterable

from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.order import BUILD, CHECK, SMOKE, Order, Traces, is_for, nonce_of
from vmpattern.bakery.orders import DEADLINE_S
from vmpattern.bakery.script import failed_line
from vmpattern.model import Instance, InstanceId, Phase
from vmpattern.planner import SKEW_S

CHECK_S = 600.0
"""Seconds that the first boot of a new image may take."""
READY_S = 900.0
"""Seconds that an instance may take to pass the smoke test: as long as one of a fleet by default."""


def is_over(desk: Desk, row: Instance, deadline_s: float = DEADLINE_S) -> Task[bool]:
    """Return whether nothing comes of a builder any more: its time is up, or its console says that it failed."""
    own_s = {CHECK: CHECK_S, SMOKE: READY_S}.get(next((one for one in (CHECK, SMOKE) if is_for(row, one)), ""))
    allowed_s = own_s or (deadline_s if desk.is_own(row) else max(deadline_s, DEADLINE_S))
    # When it was launched is the cloud's word, and the clocks differ.
    if row.launched_at + SKEW_S + allowed_s <= desk.now():
        return True
    text = yield from desk.console(row.id)
    return failed_line(nonce_of(row.key)) in text


def clean_up(desk: Desk, order: Order, traces: Traces, *, is_verified: bool) -> Task[list[Instance]]:
    """Unstage and end all of this digest that a job may end, and return what is left to other jobs.

    Staged data goes first, since a builder shows that there is some; it stays while another job's builder runs.

    Args:
        is_verified: the image is, so that nothing comes of a builder that has stopped either.
    """
    rows = {row.id: row for row in (yield from desk.crew(order.bake.digest))}
    if traces.builder is not None and desk.is_own(traces.builder):
        rows.setdefault(traces.builder.id, traces.builder)
    ids: list[InstanceId] = []
    for row in rows.values():
        is_useless = is_verified and row.phase is Phase.STOPPED
        if desk.is_own(row) or is_useless or (yield from is_over(desk, row, order.deadline_s)):
            ids.append(row.id)
    left = [row for row in rows.values() if row.id not in ids]
    if order.staged and not any(is_for(row, BUILD) and row.phase is not Phase.STOPPED for row in left):
        yield from desk.unstage(order.staged_as(desk.deployment))
    if ids:
        yield from desk.terminate(sorted(ids))
    return left


def named(rows: Iterable[Instance]) -> str:
    """Return the ids of rows as words."""
    return ", ".join(sorted(row.id for row in rows))
