"""Servers are ended if they are ours and have a host, or were so in a list of the last seconds.

If a server is deleted while Nova looks for its host, it may be listed again after it was gone, and others of its launch
may be left without a host for ever, and without our tags.
"""

import contextlib
from collections.abc import Sequence, Set

from vmpattern.errors import Invalid, NotFound, Scope, ScopeKind, Throttled
from vmpattern.model import InstanceId
from vmpattern_openstack import floating
from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import Calls
from vmpattern_openstack.labels import PREFIX
from vmpattern_openstack.listing import BUILD, UNPLACED, servers, tagged
from vmpattern_openstack.servers import is_ours, labels_of

PLACING_S = 3.0
"""About how long Nova looks for a host."""
LOST_S = 300.0
"""A server that had no host for so long may never get one, and is deleted as it is."""


def end(calls: Calls, ids: Sequence[InstanceId], *, built: Set[str], addressed: bool, now: float) -> None:
    """Delete those of these servers that are there.

    Args:
        built: which are known to be ours and to have hosts.
        addressed: whether they may have ports and floating addresses of ours.
        now: in epoch seconds.

    Raises:
        Invalid: one isn't ours; none was deleted.
        Throttled: some have no host yet; the others were deleted.
    """
    ending = [id for id in ids if id in built]
    waiting = set[InstanceId]()
    if asked := [id for id in ids if id not in built]:
        there = _ours(calls, asked)
        waiting = _unplaced(calls, now).intersection(there) if there else waiting
        ending += [id for id in there if id not in waiting]
    if addressed:
        floating.free(calls, ending, now=now)
    for id in ending:
        with contextlib.suppress(NotFound):
            calls.change("compute", "DELETE", f"/servers/{id}")
    if waiting:
        text = f"Nova is looking for hosts of {len(waiting)} instances, which can be ended once they have them"
        raise Throttled(text, code="NoHostYet", scope=Scope(ScopeKind.INSTANCE), retry_after_s=PLACING_S)


def _ours(calls: Calls, ids: Sequence[InstanceId]) -> list[InstanceId]:
    """Return those of these instances that are there; one list tells, and a look at what it lacks.

    Raises:
        Invalid: one is there and isn't ours.
    """
    rows = calls.every(Server, "compute", "/servers/detail", tagged(PREFIX), key="servers")
    known = {row.id: row for row in rows}
    there: list[InstanceId] = []
    for id in ids:
        if id not in known:
            found = calls.find("compute", f"/servers/{id}")
            if found is None:
                continue
            known[id] = calls.parsed(Server, found.get("server"))
        if not is_ours(known[id], calls.project()):
            read = labels_of(known[id])
            why = read if isinstance(read, str) else "it lacks our tag, or is another project's"
            raise Invalid(f"{id} isn't ours, and isn't ended: {why}", code="NotOurs", field="ids")
        there.append(id)
    return there


def _unplaced(calls: Calls, now: float) -> set[InstanceId]:
    rows = servers(calls, {**tagged(PREFIX), "status": BUILD})
    young = (row for row in rows if row.created.timestamp() + LOST_S > now)
    return {InstanceId(row.id) for row in young if row.task == UNPLACED}
