"""One simulated VM: its row as a list shows it, its fate, and what happens to it next."""

import enum
import zlib

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchRequest
from vmpattern.model import Health, Instance, InstanceId, Phase
from vmpattern.simulation.faults import FaultKind, Faults

SLOW_FACTOR = 10.0
FLAPS = 10
FLAP_WELL_S = 90.0
FLAP_SICK_S = 30.0
DIES_WITHIN_S = 300.0
HANG_S = 30 * 86400.0


class Turn(enum.Enum):
    """What happens to a VM by itself; each has at most one turn ahead.

    BOOT: it runs as soon as it should, and gets well right after, which RUN doesn't promise.
    """

    BOOT = "boot"
    RUN = "run"
    WELL = "well"
    STOP = "stop"
    SICK = "sick"
    GONE = "gone"


@attrs.frozen(kw_only=True)
class Fate:
    """How a VM's life goes, settled at launch. The health of a `mute` one is never known."""

    slow_boot: bool = False
    never_ready: bool = False
    mute: bool = False
    flaps: int = 0
    dies_after_s: float | None = None
    delete_hangs: bool = False


GOOD = Fate()
BAD_IMAGE = Fate(never_ready=True)
MUTE = Fate(mute=True)


def fate(faults: Faults, request: LaunchRequest, ordinal: int, at_s: float) -> Fate:
    """Draw the fate of one instance of a launch; keyed by the launch key and the ordinal, whoever was asked before."""

    def strikes(kind: FaultKind) -> bool:
        where = {"zone": request.zone, "machine_type": request.machine_type}
        return faults.strikes(kind, at_s, request.key, ordinal, **where)

    dies = strikes(FaultKind.DIES)
    return Fate(
        slow_boot=strikes(FaultKind.SLOW_BOOT),
        never_ready=strikes(FaultKind.NEVER_READY),
        mute=strikes(FaultKind.HEALTH_UNKNOWN),
        flaps=FLAPS if strikes(FaultKind.FLAPPING) and not dies else 0,
        dies_after_s=faults.draw(FaultKind.DIES, "after", request.key, ordinal) * DIES_WITHIN_S if dies else None,
        delete_hangs=strikes(FaultKind.DELETE_HANGS),
    )


@attrs.define
class Vm:
    """A VM of the world. `own` is its health as far as it lies in itself: an outage of its zone comes on top.

    `turn` happens at `due`; `seq` tells that turn from earlier ones that were called off. A builder has a `script`.
    """

    row: Instance
    fate: Fate = GOOD
    own: Health = Health.UNKNOWN
    flaps: int = 0
    turn: Turn | None = None
    due: float = 0.0
    seq: int = 0
    script: str = ""


def launched(request: LaunchRequest, ordinal: int, *, cloud: str, at: float) -> Instance:
    """Return the row of a VM that was just launched."""
    id = naming.instance_id(request.key, ordinal)
    return Instance(
        id=id,
        cloud=cloud,
        deployment=request.deployment,
        fleet=request.fleet,
        revision=request.revision,
        key=request.key,
        zone=request.zone,
        machine_type=request.machine_type,
        image=request.image,
        phase=Phase.PENDING,
        launched_at=at,
        name=f"{request.fleet}-{id[2:]}",
        market=request.market,
        address=_address(id),
        inputs=request.inputs,
        previous=request.previous,
    )


def changed(row: Instance, *, phase: Phase, health: Health, kept_until: float | None) -> Instance:
    """Return the row with what can change. Built directly: `attrs.evolve` takes several times as long."""
    return Instance(
        id=row.id,
        cloud=row.cloud,
        deployment=row.deployment,
        fleet=row.fleet,
        revision=row.revision,
        key=row.key,
        zone=row.zone,
        machine_type=row.machine_type,
        image=row.image,
        phase=phase,
        launched_at=row.launched_at,
        name=row.name,
        market=row.market,
        health=health,
        address=row.address,
        inputs=row.inputs,
        previous=row.previous,
        kept_until=kept_until,
    )


def _address(id: InstanceId) -> str:
    number = zlib.crc32(id.encode())
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
