"""Nova's servers: whole lists, although Nova may lose the place in one while it looks for hosts.

Nova lists servers that it hasn't found a host for before all others, and from another database. The mark of a page
that ends in one of those is lost when it gets its host, and then the others of its kind are left out. And one that is
in both databases is taken out of a page after it was counted: then the page isn't full, and names no next one although
there is one.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import RECENT_S, Calls
from vmpattern_openstack.servers import is_ours

BUILD = "BUILD"
"""The status of a server that doesn't run yet."""
UNPLACED = "scheduling"
"""The task of a server that Nova is looking a host for."""


class Sightings:
    """Which servers lists of the last seconds showed to be ours and built: nobody need ask that again to end them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen_at: dict[str, float] = {}

    def note(self, rows: Iterable[Server], at: float, project: str | None) -> None:
        """Take in a list of a project's that was asked for at a moment, in epoch seconds: its word is the last."""
        listed = {row.id: row.status != BUILD and is_ours(row, project) for row in rows}
        with self._lock:
            recent = {id: seen_at for id, seen_at in self._seen_at.items() if at <= seen_at + RECENT_S}
            left = {id: seen_at for id, seen_at in recent.items() if listed.get(id, True)}
            self._seen_at = {**left, **{id: at for id, is_built in listed.items() if is_built}}

    def at(self, now: float) -> frozenset[str]:
        """Return the ids of those that were seen lately."""
        with self._lock:
            return frozenset(id for id, seen_at in self._seen_at.items() if now <= seen_at + RECENT_S)


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
    return unplaced > 0 and len(page) + unplaced >= limit


def tagged(*tags: str) -> Mapping[str, str]:
    """Return what a list is filtered by."""
    return {"tags": ",".join(tags)}
