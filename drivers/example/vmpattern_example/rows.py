"""From a request to a process with its labels, and from a process back to a row. Values in, values out."""

import hashlib
import secrets
import sys

from vmpattern import naming
from vmpattern.driver import LaunchRequest
from vmpattern.model import ImageId, Instance, InstanceId, Market, Mislabelled, Phase
from vmpattern.naming import LaunchLabels
from vmpattern_example.host import Process, State

MACHINE_TYPE = "process"

PHASES = {
    State.CREATED: Phase.PENDING,
    State.RUNNING: Phase.RUNNING,
    State.EXITED: Phase.STOPPED,
    State.ENDING: Phase.TERMINATING,
    State.GONE: Phase.TERMINATED,
}


def process_of(request: LaunchRequest, ordinal: int, *, at: float) -> Process:
    """Return the process that a request asks for: its name follows from the key, its id is new."""
    name = naming.instance_id(request.key, ordinal)
    id = f"{name}-{secrets.token_hex(4)}"
    labels = request.labels
    return Process(
        id=id,
        name=name,
        labels=labels,
        zone=request.zone,
        image=request.image,
        request=_digest(request, labels),
        address=_address(id),
        started_at=at,
    )


def is_ours(process: Process) -> bool:
    """Tell whether a process has our labels, and they can be read."""
    return isinstance(naming.read_labels(process.labels), LaunchLabels)


def row_of(process: Process, *, cloud: str) -> Instance | Mislabelled:
    """Return the row of a process with our label: an instance, or why its labels can't be read."""
    labels = naming.read_labels(process.labels)
    if isinstance(labels, str):
        deployment = process.labels.get(naming.DEPLOYMENT, "")
        return Mislabelled(id=InstanceId(process.id), cloud=cloud, deployment=deployment, reason=labels)
    return Instance(
        id=InstanceId(process.id),
        name=process.name,
        cloud=cloud,
        deployment=labels.deployment,
        fleet=labels.fleet,
        revision=labels.revision,
        key=labels.key,
        inputs=labels.inputs,
        previous=labels.previous,
        kept_until=labels.kept_until,
        zone=process.zone,
        machine_type=MACHINE_TYPE,
        market=Market.ON_DEMAND,
        image=ImageId(process.image),
        phase=PHASES[process.state],
        launched_at=process.started_at,
        address=process.address,
    )


def _digest(request: LaunchRequest, labels: dict[str, str]) -> str:
    """Return what tells one request under a key from another; no value of `env` enters, since it may be a secret."""
    where = (request.zone, request.machine_type, request.market.value, request.image)
    more = (request.disk_gib, request.port, request.options, sorted(request.env))
    return naming.digest(request.count, labels, *where, *more)


def _address(id: str) -> str:
    """Return an address of its own where a machine has more than one for itself, as Linux does."""
    first, second, third = hashlib.sha256(id.encode()).digest()[:3]
    return f"127.{first % 254 + 1}.{second}.{third % 254 + 1}" if sys.platform == "linux" else "127.0.0.1"
