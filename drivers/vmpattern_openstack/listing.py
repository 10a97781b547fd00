"""Nova's servers by tags: whole lists, although Nova may lose the place in one while it looks for hosts.

Nova lists servers that it hasn't found a host for before all others, and from another database. The mark of a page that
ends in one of those is lost when it gets its host, and then the others of its kind are left out.
"""

from collections.abc import Mapping, Sequence

from vmpattern.errors import Invalid
from vmpattern.model import InstanceId
from vmpattern_openstack.answers import Named, Server
from vmpattern_openstack.api import Calls
from vmpattern_openstack.labels import PREFIX

UNPLACED = "scheduling"


def servers(calls: Calls, tags: Sequence[str]) -> list[Server]:
    """List every server with all of these tags.

    Where a page ended in a server without a host, the list is read again until that shows none that wasn't seen.
    """
    seen: dict[str, Server] = {}
    while True:
        marks: list[Server] = []
        rows = calls.every(Server, "compute", "/servers/detail", tagged(*tags), key="servers", on_mark=marks.append)
        if all(mark.task != UNPLACED for mark in marks):
            return rows
        new = [row for row in rows if row.id not in seen]
        seen.update((row.id, row) for row in rows)
        if not new:
            return list(seen.values())


def ours(calls: Calls, ids: Sequence[InstanceId]) -> list[InstanceId]:
    """Return those of these instances that are there; one list tells, and a look at what it lacks.

    Raises:
        Invalid: one is there and isn't ours.
    """
    listed = {row.id for row in calls.every(Named, "compute", "/servers", tagged(PREFIX), key="servers")}
    there: list[InstanceId] = []
    for id in ids:
        if id not in listed:
            found = calls.find("compute", f"/servers/{id}")
            if found is None:
                continue
            if PREFIX not in calls.parsed(Server, found.get("server")).tags:
                raise Invalid(f"{id} lacks our labels, and isn't ended", code="NotOurs", field="ids")
        there.append(id)
    return there


def tagged(*tags: str) -> Mapping[str, str]:
    """Return what a list is filtered by."""
    return {"tags": ",".join(tags)}
