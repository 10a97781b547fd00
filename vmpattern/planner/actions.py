"""What can be decided for a fleet, as values."""

import math
from typing import NamedTuple

import attrs

from vmpattern.model import InstanceId, LaunchKey, Options


@attrs.frozen
class Launch:
    """Launch `count` instances in slot number `slot`, under `key`."""

    slot: int
    count: int
    key: LaunchKey


@attrs.frozen
class Register:
    """Put instances behind the balancer that their fleet declares for the cloud."""

    cloud: str
    ids: tuple[InstanceId, ...]


@attrs.frozen
class Drain:
    """Let a balancer send no more requests to these, which are terminated afterwards."""

    cloud: str
    ids: tuple[InstanceId, ...]
    balancer: Options


@attrs.frozen
class Deregister:
    """Take instances out of a balancer that their fleet has left."""

    cloud: str
    ids: tuple[InstanceId, ...]
    balancer: Options


@attrs.frozen
class Terminate:
    """End these; `planned` is False for what the plan didn't name."""

    cloud: str
    ids: tuple[InstanceId, ...]
    planned: bool = True


@attrs.frozen
class Keep:
    """Keep a failed instance for inspection until then."""

    cloud: str
    id: InstanceId
    until: float


FleetAction = Launch | Register | Drain | Deregister | Terminate | Keep


class Decision(NamedTuple):
    """What to do now, what is being waited for, and when to decide again at the latest.

    `done`: the fleet is as asked for. `paused`, `stuck`: why nothing more will be done; empty otherwise.
    """

    actions: tuple[FleetAction, ...]
    waiting_for: tuple[str, ...] = ()
    wake_at: float = math.inf
    done: bool = False
    paused: str = ""
    stuck: str = ""
