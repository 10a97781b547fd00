"""What `doctor` asks: does each cloud answer, do secrets lead somewhere, and does a plan succeed? Reads only."""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from vmpattern.access.observing import read_clouds, scopes_of
from vmpattern.access.session import Connect, session_of
from vmpattern.access.unreadable import UNKNOWN
from vmpattern.driver import Driver
from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    SpecError,
    Throttled,
    Transient,
    Unauthenticated,
    VmpatternError,
)
from vmpattern.forecast.planning import plan
from vmpattern.forecast.telling import not_ours
from vmpattern.model import (
    Capabilities,
    CloudObservation,
    Contents,
    Deployment,
    Observation,
    Plan,
    Secret,
)
from vmpattern.model.quantity import many
from vmpattern.store.record import FileRecord


@attrs.frozen
class Check:
    """One thing that was asked: of which cloud (or of this machine, when empty), the answer, and what to do."""

    cloud: str
    what: str
    ok: bool
    answer: str
    todo: str = ""


_TODO: tuple[tuple[type[Exception], str], ...] = (
    (Unauthenticated, "renew the credentials of this cloud"),
    (Denied, "let the credentials' owner grant this call"),
    (Invalid, "correct what the message names, in the file"),
    (Throttled, "wait a little and try again"),
    (Transient, "wait a little and try again"),
    (DriverError, "see what the provider says about itself"),
    (VmpatternError, "correct the cloud's section of the file"),
    (OSError, "see whether the path or address is right and may be reached"),
)
CORRECT = "correct it in the file, or in the cloud"
RELABEL = "correct its labels with the provider's own tools, or end it there: vmpattern neither counts nor touches it"


def check_up(deployment: Deployment, connect: Connect, *, fleets: Sequence[str] = ()) -> Iterator[Check]:
    """Ask everything: secrets first, then cloud by cloud in the file's order, then a plan; yields each answer at once.

    Guarantees:
        All are ok only if a plan of these fleets isn't refused and succeeds. No command is run, and no value of a
        secret is read.
    """
    yield from _secrets(deployment)
    try:
        with ExitStack() as stack:
            drivers: dict[str, Driver] = {}
            unread: dict[str, CloudObservation] = {}
            for cloud in deployment.clouds.values():
                try:
                    drivers[cloud.name] = stack.enter_context(connect(cloud))
                    yield Check(cloud.name, "driver", True, f"{cloud.driver} loads")
                except Exception as error:  # a diagnosis goes on, whatever a driver does
                    yield _failed(cloud.name, f"driver {cloud.driver}", error)
                    unread[cloud.name] = _silent(cloud.name, UNKNOWN, error)
            yield from _clouds(deployment, drivers, unread, fleets)
    except Exception as error:  # closing a driver may fail, too
        yield _failed("", "the clouds", error)


def _clouds(
    deployment: Deployment, drivers: Mapping[str, Driver], unread: dict[str, CloudObservation], fleets: Sequence[str]
) -> Iterator[Check]:
    parts: list[Observation] = []
    try:
        parts.append(_read(deployment, drivers))
    except Exception as error:  # one driver that breaks the contract ends the reading of all: which one is it?
        for name, driver in drivers.items():
            try:
                if len(drivers) == 1:
                    raise
                parts.append(_read(deployment, {name: driver}))
            except Exception as own:  # see above
                yield _failed(name, "reading", own if len(drivers) > 1 else error)
                unread[name] = _silent(name, driver.capabilities, own)
    observation = _joined(deployment, parts, unread)
    for name in drivers.keys() - unread.keys():
        yield from _cloud(observation.clouds[name])
    yield from _plan(deployment, observation, fleets)


def _read(deployment: Deployment, drivers: Mapping[str, Driver]) -> Observation:
    """Read clouds as `plan` does, with what earlier applies wrote down."""
    session = session_of(deployment, drivers)
    recorded = FileRecord(scopes=scopes_of(session)).read(deployment)
    return read_clouds(deployment, session, check=True, limits=True, recorded=recorded)


def _joined(
    deployment: Deployment, parts: Sequence[Observation], unread: Mapping[str, CloudObservation]
) -> Observation:
    """Put the clouds that were read and those that weren't into one observation."""
    contents: dict[str, Contents] = {}
    for part in parts:
        for service, found in part.contents.items():
            known = contents.get(service)
            contents[service] = found if known is None or found.packed_bytes > known.packed_bytes else known
    clouds = dict(unread) | {name: cloud for part in parts for name, cloud in part.clouds.items()}
    ordered = {name: clouds[name] for name in deployment.clouds}
    at = max((cloud.at for cloud in clouds.values()), default=0.0)
    return Observation(
        at=at,
        clouds=ordered,
        calls=sum(part.calls for part in parts),
        contents=contents,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        no_room=tuple(dict.fromkeys(one for part in parts for one in part.no_room)),
    )


def _cloud(cloud: CloudObservation) -> Iterator[Check]:
    if cloud.error is not None:
        todo = "renew the credentials, let the call be granted, or try again: see what the message says"
        yield Check(cloud.name, "reading", False, cloud.error, todo)
        return
    live = sum(one.phase.is_live for one in cloud.instances)
    zones = f"zone{'' if len(cloud.zones) == 1 else 's'} {', '.join(cloud.zones) or '(none)'}"
    types = f"{many(len(cloud.machine_types), 'machine type')} in {zones}"
    yield Check(cloud.name, "reading", True, f"{many(live, 'instance')} of this deployment, {types}")
    if cloud.images:
        usable = sum(image.is_usable for image in cloud.images)
        doubtful = ", ".join(sorted(image.id for image in cloud.images if not image.verified))
        rest = f"; not verified, so that only a bake uses them: {doubtful}" if doubtful else ""
        yield Check(cloud.name, "images", True, f"{usable} of this deployment to launch from{rest}")
    for strange in cloud.mislabelled:
        yield Check(cloud.name, f"labels of {strange.id}", False, strange.reason, RELABEL)
    for check in cloud.checks:
        for note in check.notes:
            yield Check(cloud.name, f"launches of {check.fleet}", False, note, "see what the message names")


def _plan(deployment: Deployment, observation: Observation, fleets: Sequence[str]) -> Iterator[Check]:
    """Make the plan that `vmpattern plan` would make, and tell what it would be refused for."""
    try:
        made = plan(deployment, observation, fleets=fleets)
    except SpecError as error:
        for problem in error.problems:
            yield Check("", problem.path, False, problem.message, CORRECT)
        return
    except VmpatternError as error:
        yield Check("", "plan", False, str(error), CORRECT)
        return
    told = {note for cloud in observation.clouds.values() for check in cloud.checks for note in check.notes}
    told |= {f"{cloud.name} couldn't be read: {cloud.error}" for cloud in observation.clouds.values()}
    told |= {not_ours(strange) for strange in observation.mislabelled()}
    notes = [note for note in made.notes if note not in told]
    if made.succeeds:
        yield Check("", "plan", True, _sums(made))
        yield from (Check("", "note", True, note) for note in notes)
    elif any(cloud.error is None for cloud in observation.clouds.values()):
        answer = "; ".join([f"the apply would end {made.forecast.ends}", *notes])
        yield Check("", "plan", False, answer, "see what `vmpattern plan` shows")


def _sums(made: Plan) -> str:
    verbs = ("create", "replace", "destroy", "register", "deregister")
    counts = {verb: sum(getattr(fleet, verb) for fleet in made.fleets.values()) for verb in verbs}
    told = ", ".join(f"{count:,} to {verb}" for verb, count in {"bake": len(made.bakes), **counts}.items() if count)
    return told or ("waits until instances are ready" if made.changes else "nothing to do")


def _silent(cloud: str, capabilities: Capabilities, error: Exception) -> CloudObservation:
    return CloudObservation(name=cloud, at=0.0, capabilities=capabilities, error=str(error))


def _failed(cloud: str, what: str, error: Exception) -> Check:
    todo = next((todo for kind, todo in _TODO if isinstance(error, kind)), "report it to the driver's author")
    answer = str(error) if isinstance(error, VmpatternError | OSError) else f"{type(error).__name__}: {error}"
    return Check(cloud, what, False, answer, todo)


def _secrets(deployment: Deployment) -> Iterator[Check]:
    """Look whether references of services that run lead anywhere."""
    used = {fleet.service for fleet in deployment.fleets.values() if fleet.size}
    for name in sorted(used):
        for variable, value in sorted(deployment.services[name].env.items()):
            if isinstance(value, Secret):
                kind, _, place = value.ref.partition(":")
                ok, todo = _look_up(kind, place, Path(deployment.directory))
                shown = kind if kind == "command" else value.ref  # a command line may hold what isn't to be shown
                yield Check("", f"secret {variable} of {name}", ok, shown, todo)


def _look_up(kind: str, place: str, directory: Path) -> tuple[bool, str]:
    """Return whether a reference leads somewhere, and what to do if not."""
    match kind:
        case "env":
            return place in os.environ, f"set the environment variable {place}"
        case "file":
            path = directory / place
            return path.is_file() and os.access(path, os.R_OK), f"write {place}, or make it readable"
        case "command":
            return _has_program(place, directory), "install the program that the command names; it wasn't run"
        case _:
            return False, "a secret is env:NAME, file:PATH or command:LINE"


def _has_program(line: str, directory: Path) -> bool:
    try:
        program = shlex.split(line)[0]
    except (ValueError, IndexError):
        return False
    return shutil.which(str(directory / program) if os.sep in program else program) is not None
