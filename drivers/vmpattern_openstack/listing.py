"""Nova's servers: whole lists, although Nova may lose the place in one while it looks for hosts.

Nova lists servers that it hasn't found a host for before all others, and from another database. The mark of a page
that ends in one of those is lost when it gets its host, and then the others of its kind are left out. And one that is
in both databases is taken out of a page after it was counted: then the page isn't full, and names no next one although
there is one.
"""

from collections.abc import Mapping, Sequence

from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import Calls

UNPLACED = "scheduling"
"""The task of a server that Nova is looking a host for."""


def servers(calls: Calls, params: Mapping[str, str]) -> list[Server]:
    """List every server that the parameters select, each once.

    Where a page ended in a server without a host, the list is read again until that shows none that wasn't seen.
    """
    seen: dict[str, Server] = {}
    while True:
        rows, is_whole = _read(calls, params)
        if is_whole:
            return list(rows.values())
        if rows.keys() <= seen.keys():
            return list(seen.values())
        seen |= rows


def _read(calls: Calls, params: Mapping[str, str]) -> tuple[dict[str, Server], bool]:
    """Read every page once, and tell whether no mark can have been lost."""
    marks: list[Server] = []

    def follow(page: Sequence[Server], told: str) -> str:
        if not told and not _may_go_on(page, calls.page_size):
            return ""
        marks.append(page[-1])
        return told or page[-1].id

    limited = {**params, "limit": str(calls.page_size)}
    rows = calls.every(Server, "compute", "/servers/detail", limited, key="servers", follow=follow)
    return {row.id: row for row in rows}, all(mark.task != UNPLACED for mark in marks)


def _may_go_on(page: Sequence[Server], limit: int) -> bool:
    """Tell whether another page may follow one that names none: no more were taken out than have no host."""
    unplaced = sum(row.task == UNPLACED for row in page)
    return unplaced > 0 and (page[-1].task != UNPLACED or len(page) + unplaced >= limit)


def tagged(*tags: str) -> Mapping[str, str]:
    """Return what a list is filtered by."""
    return {"tags": ",".join(tags)}
