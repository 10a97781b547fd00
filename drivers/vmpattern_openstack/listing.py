"""Nova's servers by tags: whole lists, although Nova may lose the place in one while it looks for hosts.

Nova lists servers that it hasn't found a host for before all others, and from another database. The mark of a page that
ends in one of those is lost when it gets its host, and then the others of its kind are left out.
"""

from collections.abc import Mapping, Sequence

from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import Calls

UNPLACED = "scheduling"
"""The task of a server that Nova is looking a host for."""


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


def tagged(*tags: str) -> Mapping[str, str]:
    """Return what a list is filtered by."""
    return {"tags": ",".join(tags)}
