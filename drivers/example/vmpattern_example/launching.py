"""One launch, process by process: what is adopted, what is created, and what became of the rest."""

import os
from collections.abc import Mapping, Sequence

import attrs

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import DriverError, KeyConflict, KeySpent, OutcomeUnknown, OutOfCapacity, Scope, ScopeKind
from vmpattern.model import Instance
from vmpattern_example.errors import translated
from vmpattern_example.host import Host, Process, State
from vmpattern_example.rows import PHASES, row_of
from vmpattern_example.settings import ExampleOptions


def launch(
    host: Host, wanted: Sequence[Process], request: LaunchRequest, *, options: ExampleOptions, cloud: str
) -> LaunchReport:
    """Make of the wanted processes those that there aren't yet, as far as there is room; needs the host for itself.

    Raises:
        KeyConflict: another request came with the same key, or a stranger has the name.
        DriverError: nothing was made.
    """
    known = {process.name: process for process in host.processes()}
    for process in wanted:
        if process.name in known and known[process.name].request != process.request:
            raise KeyConflict(f"{process.name} was launched by another request", field="key")
    live = sum(process.zone == request.zone and PHASES[process.state].is_live for process in known.values())
    new = [process.name for process in wanted if process.name not in known]
    fits = new[: max(0, options.capacity - live)]

    def outcome(process: Process) -> Instance | DriverError:
        found = known.get(process.name)
        try:
            if found is None and process.name not in fits:
                return _full(request.zone, options.capacity)
            running = _started(host, found or process, request, options=options, is_new=found is None)
        except DriverError as error:
            return error
        row = row_of(running, cloud=cloud)
        return row if isinstance(row, Instance) else KeyConflict(f"{process.name}: {row.reason}", field="key")

    return _report({process.name: outcome(process) for process in wanted}, new)


def _started(host: Host, process: Process, request: LaunchRequest, *, options: ExampleOptions, is_new: bool) -> Process:
    """Return a process that runs: created now, or adopted, and started if whoever created it came no further."""
    if process.state in (State.ENDING, State.GONE):
        raise KeySpent(f"{process.name} ends", field="key", scope=Scope(ScopeKind.INSTANCE))
    if process.state is not State.CREATED:
        return process
    command, env, grace_s = options.images[request.image], _env(process, request), options.grace.total_seconds()
    with translated(zone=request.zone, changes=True):
        if is_new:
            host.create(process, command, env, grace_s=grace_s)
        else:
            host.start(process.name, command, env, grace_s=grace_s)
    return attrs.evolve(process, state=State.RUNNING)


def _env(process: Process, request: LaunchRequest) -> Mapping[str, str]:
    """Return the whole environment of a service: nothing of this process's own gets into it."""
    port = {} if request.port is None else {"PORT": str(request.port)}
    return {"PATH": os.defpath, "ADDRESS": process.address, **port, **request.env}


def _full(zone: str, capacity: int) -> OutOfCapacity:
    text = f"zone {zone} has room for {capacity} processes"
    return OutOfCapacity(text, code="full", scope=Scope(ScopeKind.ZONE, zone=zone))


def _report(outcomes: Mapping[str, Instance | DriverError], new: Sequence[str]) -> LaunchReport:
    """Tell what became of each; an error is raised only where there is nothing else to tell."""
    rows = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Instance)}
    errors = [outcome for outcome in outcomes.values() if isinstance(outcome, DriverError)]
    if not rows:
        raise next((error for error in errors if isinstance(error, OutcomeUnknown)), errors[0])
    return LaunchReport(
        created=tuple(row for name, row in rows.items() if name in new),
        adopted=tuple(row for name, row in rows.items() if name not in new),
        failures=tuple(error for error in errors if not isinstance(error, OutcomeUnknown)),
        unknown=sum(isinstance(error, OutcomeUnknown) for error in errors),
    )
