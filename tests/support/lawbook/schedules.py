"""Schedules: clouds, faults, desired changes and what happens meanwhile, as one value that says everything."""

import attrs
from immutabledict import immutabledict

from vmpattern.model import Deployment, Existing, MachineType, Market, RequestBudget
from vmpattern.simulation import CloudSpec, FaultKind, Faults

SHOP = "shop"
SECRET = "VMPATTERN_LAWBOOK_SECRET"
"""The variable that the schedules' secret is read from."""
CLOUDS = ("east", "west", "north")
ZONES = ("a", "b", "c")
IMAGES = ("img-1", "img-2", "img-3")
BAD_IMAGE = "img-bad"
NEW_NAME = "site"
"""What fleets are renamed to."""


def _prices(vcpus: int) -> dict[Market, float]:
    return {Market.ON_DEMAND: 0.02 * vcpus, Market.SPOT: 0.007 * vcpus}


TYPES = tuple(
    MachineType(name=name, vcpus=vcpus, memory_mib=2048 * vcpus, zones=ZONES, prices=_prices(vcpus))
    for name, vcpus in (("small", 1), ("medium", 2))
)

TIGHT_BUDGETS = immutabledict(
    {
        "read": RequestBudget(10, 2),
        "launch": RequestBudget(1, 0.25),
        "launch-instances": RequestBudget(4, 1),
        "terminate": RequestBudget(2, 0.5),
        "terminate-instances": RequestBudget(4, 1),
        "label": RequestBudget(1, 1),
        "balancer": RequestBudget(2, 0.5),
    }
)

OF_CALLS = (
    FaultKind.THROTTLE,
    FaultKind.STOCKOUT,
    FaultKind.LOST_BEFORE,
    FaultKind.LOST_AFTER,
    FaultKind.PARTIAL_LAUNCH,
    FaultKind.STALE_LIST,
    FaultKind.FAILED_PAGE,
    FaultKind.UNREADABLE,
)
OF_HEALTH = (FaultKind.NEVER_READY, FaultKind.FLAPPING, FaultKind.DIES, FaultKind.ZONE_OUTAGE)
OF_INSTANCES = (FaultKind.SLOW_BOOT, FaultKind.DELETE_HANGS)
RARE = (FaultKind.QUOTA,)
HOSTILE = (FaultKind.ABSURD_RETRY, FaultKind.GARBLED, FaultKind.EXPIRED, FaultKind.HEALTH_UNKNOWN)
"""Answers that no program should give."""
LASTING = frozenset(
    {FaultKind.NEVER_READY, FaultKind.HEALTH_UNKNOWN, FaultKind.FLAPPING, FaultKind.DIES, FaultKind.SLOW_BOOT}
)
"""Faults that stay with an instance when the world is calm again."""


@attrs.frozen
class Crash:
    """The process dies at its driver call number `call`, before or after the call takes effect."""

    call: int
    after: bool


@attrs.frozen(kw_only=True)
class Outside:
    """Something that happens to the deployment from outside, so many seconds after an apply began.

    `what`: `kill` ends an instance behind our back, `stop` halts it, `sicken` lets it answer badly (moments written by
    hand only: random ones have faults for that), `deregister` takes it out of its balancer, `spot`
    reclaims it if it is a spot instance, `relabel` damages one of its labels by hand. `number` says which instance, in
    the order of their ids.
    """

    after_s: float
    what: str
    number: int


@attrs.frozen(kw_only=True)
class Change:
    """One apply: what is desired from now on, how long after the last one, and where its process dies (if it does).

    `stop_at_call` is the call at which the user asks it to stop, `clock_s` how far the operator's clock is ahead of the
    clouds', `secret` the value of the secret that the environment names, then, and `outside` what happens meanwhile.
    `forgets`: the record of balancers was lost before.
    """

    desired: Deployment
    pause_s: float = 0.0
    crash: Crash | None = None
    stop_at_call: int | None = None
    clock_s: float = 0.0
    secret: str = "s1"
    outside: tuple[Outside, ...] = ()
    forgets: bool = False


@attrs.frozen(kw_only=True)
class Old:
    """An instance that is there from the beginning: of which revision, where, and whether it ever got ready."""

    revision: str
    cloud: str
    zone: str
    well: bool = True


@attrs.frozen(kw_only=True)
class Schedule:
    """Everything that happens in one world; run twice, it happens twice.

    `slowness_s` is how late a call takes effect at most, `ghosts` whether calls of a process that died still do.
    """

    clouds: tuple[CloudSpec, ...]
    faults: tuple[Faults, ...]
    changes: tuple[Change, ...]
    old: tuple[Old, ...] = ()
    strangers: bool = False
    slowness_s: float = 0.0
    ghosts: bool = True
    seed: int = 0

    @property
    def kinds(self) -> frozenset[FaultKind]:
        """The faults that can strike."""
        return frozenset(
            kind for faults in self.faults for kind in (*faults.rates, *(window.kind for window in faults.windows))
        )


def patient(desired: Deployment) -> Deployment:
    """The same without deadlines that anything slow could come near."""
    never = {"launch_deadline_s": 9000.0, "ready_deadline_s": 9000.0, "progress_deadline_s": 9000.0}
    fleets = {
        name: attrs.evolve(fleet, rollout=attrs.evolve(fleet.rollout, **never))
        for name, fleet in desired.fleets.items()
    }
    return attrs.evolve(desired, fleets=fleets)


def uses_bad_image(desired: Deployment) -> bool:
    """Whether what it launches never gets ready."""
    image = desired.services["web"].image
    return isinstance(image, Existing) and BAD_IMAGE in image.ids.values()
