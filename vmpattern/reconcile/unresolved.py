"""Launches of which it isn't known what came: resolved by what lists show under their keys."""

import attrs

from vmpattern.errors import KeyConflict
from vmpattern.model import EventKind, InstanceId, LaunchKey
from vmpattern.reconcile.fleet_run import FleetRun

MOST_CONFLICTS = 8
"""Number of launch keys in a row that were used for other requests, after which a person is asked."""


@attrs.frozen
class _Unknown:
    """One launch: a list asked for at `visible_at` shows it, or it never happened.

    `conflict` is the answer where its key was used for another request.
    """

    run: FleetRun
    cloud: str
    visible_at: float
    conflict: KeyConflict | None

    def shown(self, key: LaunchKey) -> tuple[InstanceId, ...]:
        """Return what has the key, sorted."""
        return tuple(sorted(row.instance.id for row in self.run.index.rows.values() if row.instance.key == key))

    def is_resolved(self, key: LaunchKey, asked_at: float) -> bool:
        """Whether a reading asked for then settles it: everything is there, or nothing more can come."""
        is_all_there = self.conflict is None and len(self.shown(key)) >= self.run.index.launching[key].count
        return is_all_there or asked_at >= self.visible_at


class UnresolvedLaunches:
    """The launches of all fleets of which it isn't known what came."""

    def __init__(self) -> None:
        self._unknown: dict[LaunchKey, _Unknown] = {}

    def add(
        self, run: FleetRun, cloud: str, key: LaunchKey, visible_at: float, conflict: KeyConflict | None, now: float
    ) -> None:
        """Wait for a reading of the cloud at or after `visible_at`."""
        if conflict is not None:
            # Whatever has the key was launched by another request, which isn't one of this apply.
            run.keys.discard(key)
        self._unknown[key] = _Unknown(run, cloud, visible_at, conflict)
        count, message = run.index.launching[key].count, str(conflict) if conflict is not None else ""
        run.tell(EventKind.LAUNCH_UNKNOWN, now, cloud=cloud, count=count, key=key, message=message)

    def was_read(self, cloud: str, asked_at: float, now: float) -> None:
        """Resolve what a reading of the cloud settles."""
        for key, unknown in list(self._unknown.items()):
            if unknown.cloud == cloud and unknown.is_resolved(key, asked_at):
                del self._unknown[key]
                self._resolve(unknown, key, now)

    def _resolve(self, unknown: _Unknown, key: LaunchKey, now: float) -> None:
        """Take what has the key for what came of the launch; whatever isn't there never will be."""
        run, cloud, conflict = unknown.run, unknown.cloud, unknown.conflict
        launch = run.index.launching[key]
        run.index.launch_ended(key, spent=conflict is not None)
        run.touch()
        zone, found = run.index.slots[launch.slot].zone or "", unknown.shown(key)
        if found and conflict is None:
            run.created += len(found)
            run.index.conflicts = 0
            run.tell(EventKind.LAUNCHED, now, cloud=cloud, zone=zone, instances=found, key=key)
        lacking = launch.count - len(found)
        if lacking > 0:
            message = "the cloud shows nothing of it"
            if conflict is not None:
                message = f"the launch key was used for another request, and {message}: another key follows"
            run.tell(EventKind.LAUNCH_FAILED, now, cloud=cloud, zone=zone, count=lacking, key=key, message=message)
            if conflict is not None:
                _count_conflict(run, conflict, cloud, now)


def _count_conflict(run: FleetRun, conflict: KeyConflict, cloud: str, now: float) -> None:
    """Give up after many keys in a row that were used for other requests: old secrets alone don't explain that."""
    run.index.conflicts += 1
    if run.index.conflicts >= MOST_CONFLICTS:
        text = (
            f"{conflict.message}; {MOST_CONFLICTS} launch keys in a row were used for other requests, and {cloud} "
            "shows no instance of them: apply again when the cloud has forgotten them, usually after a day"
        )
        error = KeyConflict(text, code=conflict.code, scope=conflict.scope, request_id=conflict.request_id)
        run.fail(error, now, cloud=cloud, fatal=True)
