"""From an order to a builder that has done its work and stopped: adopted if one is there, else launched."""

import math

from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.launching import obtained, visible
from vmpattern.bakery.leftovers import is_over
from vmpattern.bakery.order import BUILD, BakeFailed, Gone, Order, Traces, is_for, nonce_of
from vmpattern.bakery.script import baked_line, failed_line
from vmpattern.errors import DriverError, OutOfCapacity
from vmpattern.model import (
    EventKind,
    Idempotency,
    Instance,
    Phase,
)
from vmpattern.planner import SKEW_S, too_large

LOOKS_PER_CONSOLE = 4
"""A console is read at every so many looks only: it tells of a failure earlier than the deadline."""
CONSOLE_S = 60.0
"""How long after a stop a cloud may take to show what was printed before it."""


def stopped_builder(desk: Desk, order: Order, traces: Traces) -> Task[Instance]:
    """Return a builder that has stopped.

    Raises:
        BakeFailed: it said that it failed, or isn't done within the deadline.
        Gone: something else ended it.
        DriverError: the cloud didn't do what was asked.
    """
    found = yield from _found(desk, order)
    if found is None:
        found = yield from _new(desk, order)
        began = desk.now()
        desk.tell(EventKind.BAKING, f"{order.bake.service}: builds {order.bake.digest}", found.id)
    else:
        whose = "" if desk.is_own(found) else ", launched by another job"
        desk.tell(EventKind.BAKING, f"{order.bake.service}: is there already{whose}, and goes on", found.id)
        began = min(desk.now(), found.launched_at + SKEW_S)
    traces.builder = found
    return (yield from _until_stopped(desk, order, found, began + order.deadline_s))


def has_said_so(desk: Desk, order: Order, builder: Instance) -> Task[bool]:
    """Return whether a stopped builder's console tells that it is done; False: that can't be seen there.

    Raises:
        BakeFailed: it tells that the builder failed.
    """
    wanted = baked_line(nonce_of(builder.key), order.bake.digest)
    until = desk.now() + CONSOLE_S
    while desk.capabilities.console:
        text = yield from desk.console(builder.id)
        if wanted in text:
            return True
        _check_console(text, builder)
        if desk.now() >= until:
            break
        yield from desk.sleep(desk.poll_s)
    return False


def _found(desk: Desk, order: Order) -> Task[Instance | None]:
    """Return the oldest builder that is there; those that are over are ended, and other ones of this job's own."""
    crew = yield from desk.crew(order.bake.digest)
    kept: Instance | None = None
    useless: list[Instance] = []
    for row in crew:
        if (yield from is_over(desk, row, order.deadline_s)):
            useless.append(row)
        elif kept is None and is_for(row, BUILD):
            kept = row
        elif desk.is_own(row):
            useless.append(row)
    if useless:
        ids = [row.id for row in useless]
        desk.tell(EventKind.BAKING, f"{order.bake.service}: ends what an earlier bake left", *ids)
        yield from desk.terminate(ids)
    return kept


def _new(desk: Desk, order: Order) -> Task[Instance]:
    if desk.capabilities.idempotency is Idempotency.NONE:
        # Sent twice it launches twice: only a list that must show an earlier launch makes a new one safe.
        found = yield from visible(desk, order, BUILD)
        if found is not None:
            return found
    url = ""
    if order.staged:
        url = yield from _staged(desk, order)
    last: DriverError | None = None
    for site in order.bake.sites:
        try:
            return (
                yield from obtained(
                    desk,
                    order,
                    site,
                    image=order.bake.resolved,
                    purpose=BUILD,
                    script=lambda nonce: order.script(nonce, url),
                )
            )
        except OutOfCapacity as error:
            desk.tell(EventKind.BLOCKED, f"{order.bake.service}: {site.zone} has no room for a builder: {error}")
            last = error
    assert last is not None, "a bake has a site"
    raise last


def _staged(desk: Desk, order: Order) -> Task[str]:
    size = len(order.payload)
    if not desk.capabilities.staging:
        raise BakeFailed(
            f"the files are {size:,} bytes packed, {too_large(desk.cloud, order.script_bytes)}", code="TooLarge"
        )
    desk.tell(EventKind.BAKING, f"{order.bake.service}: stages {size:,} bytes")
    return (yield from desk.stage(order.staged_as(desk.deployment), order.payload, lifetime_s=order.deadline_s))


def _until_stopped(desk: Desk, order: Order, builder: Instance, deadline: float) -> Task[Instance]:
    seen_at, looks = desk.now(), 0
    while True:
        crew = yield from desk.patiently(desk.crew(order.bake.digest))
        row = next((one for one in crew or () if one.id == builder.id), None)
        looks += 1
        if row is not None or crew is None:
            seen_at = desk.now()
        if row is not None:
            if row.phase is Phase.STOPPED:
                return row
            if row.phase is Phase.RUNNING and looks % LOOKS_PER_CONSOLE == 0:
                _check_console((yield from desk.console(row.id)), row)
        elif crew is not None and desk.now() >= seen_at + desk.certain_s:
            raise Gone(f"the builder {builder.id} is gone: something else has ended it")
        if desk.now() >= deadline:
            text = yield from desk.console(builder.id)
            minutes = math.ceil(order.deadline_s / 60)
            raise BakeFailed(f"the builder {builder.id} wasn't done within {minutes} minutes", console=text)
        yield from desk.sleep(desk.poll_s)


def _check_console(text: str, builder: Instance) -> None:
    if failed_line(nonce_of(builder.key)) in text:
        raise BakeFailed(f"the builder {builder.id} failed; its console tells why", console=text)
