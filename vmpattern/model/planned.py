"""What is planned: where instances go, what changes and why, the steps, and what all of it will take."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

import enum
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

import attrs
from immutabledict import immutabledict

from vmpattern.model.baked import Bake, Reason
from vmpattern.model.fleet import Deployment
from vmpattern.model.words import ImageId, InstanceId, Market, Options, Revision


@attrs.frozen
class Unbaked:
    """An image that is still to be baked, known by the digest of what it will hold."""

    digest: str


@attrs.frozen(kw_only=True)
class _Slot:
    """What is known of a slot before anything is resolved.

    `admits` are the machine types that count as in date there; `rank` orders slots under ORDERED and CHEAPEST.
    """

    cloud: str
    placement: int
    market: Market
    revision: Revision
    admits: frozenset[str]
    inputs: str = ""
    weight: int = 1
    rank: int = 0
    price_per_hour: float | None = None
    options: Options = immutabledict()


@attrs.frozen(kw_only=True)
class Slot(_Slot):
    """One zone of one placement, with everything resolved that a launch there needs."""

    zone: str
    machine_type: str
    image: ImageId


@attrs.frozen(kw_only=True)
class PendingSlot(_Slot):
    """A slot that can't be launched: its image isn't baked yet, or its cloud couldn't be read. None: it isn't known.

    With `zone` None it stands for every zone of the placement.
    """

    zone: str | None
    machine_type: str | None
    image: ImageId | Unbaked | None

    def __attrs_post_init__(self) -> None:
        if self.is_resolved and not isinstance(self.image, Unbaked):
            raise ValueError("a slot of which everything is known isn't pending")

    @property
    def is_resolved(self) -> bool:
        """Whether zone, machine type and image are known; the image may still have to be baked."""
        return None not in (self.zone, self.machine_type, self.image)

    def with_image(self, image: ImageId) -> "Slot | PendingSlot":
        """Return the slot with the image that was baked for it; still pending where something else isn't known."""
        if self.zone is None or self.machine_type is None:
            return attrs.evolve(self, image=image)
        return Slot(
            cloud=self.cloud,
            zone=self.zone,
            placement=self.placement,
            machine_type=self.machine_type,
            market=self.market,
            revision=self.revision,
            image=image,
            admits=self.admits,
            inputs=self.inputs,
            weight=self.weight,
            rank=self.rank,
            price_per_hour=self.price_per_hour,
            options=self.options,
        )


AnySlot: TypeAlias = Slot | PendingSlot
"""A slot of a plan; only a `Slot` can be launched."""


class Action(enum.Enum):
    """What a step does."""

    BAKE = "bake"
    LAUNCH = "launch"
    REGISTER = "register"
    DRAIN = "drain"
    DEREGISTER = "deregister"
    TERMINATE = "terminate"
    KEEP = "keep"
    WAIT = "wait"


@attrs.frozen(kw_only=True)
class Step:
    """One act of a plan: seconds count from the start of the apply.

    The apply starts when it has read the clouds. A bake is of no fleet and lasts until the image is available, a launch
    until its instances are ready or have failed, a drain until the balancer let go, a terminate until the provider
    accepted, a wait until instances that are there already are ready. `instances` are provider ids; those of a launch
    are the forecast's guess.
    """

    action: Action
    fleet: str
    cloud: str
    zone: str
    count: int
    instances: tuple[InstanceId, ...]
    start_s: float
    duration_s: float


@attrs.frozen(kw_only=True)
class FleetPlan:
    """What a plan does to one fleet.

    `create + replace` instances are launched, `replace + destroy` terminated, `keep` stay; `register` are put behind
    their balancer, `deregister` taken out of one. `terminates` are all ids that the plan may terminate: its envelope.
    `on_failure` says in words what happens when it goes wrong. `ready` were ready when observed, and `reached` says
    whether everything was as asked for then; if not, `remaining` says in words what wasn't.
    """

    size: int
    ready: int
    reached: bool
    create: int
    replace: int
    destroy: int
    keep: int
    register: int
    deregister: int
    slots: tuple[AnySlot, ...]
    reasons: tuple[Reason, ...] = ()
    terminates: tuple[InstanceId, ...] = ()
    on_failure: str = ""
    remaining: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether an apply isn't done at once, since it launches, terminates, registers, deregisters or waits."""
        return not self.reached


@attrs.frozen(kw_only=True)
class Count:
    """How many instances of a fleet are ready and how many exist, from `at_s` on: seconds after the apply's start."""

    at_s: float
    ready: int
    total: int


@attrs.frozen(kw_only=True)
class Forecast:
    """What carrying out the plan takes if the world is as assumed: seconds, calls, instance counts, dollars an hour.

    `counts` are by fleet, in the order of time, one for each change. Prices are None where one is unknown. `ends` is
    how the forecast apply ended: `complete`, or why it couldn't; `unending` where instances would come and go without
    an end, which no apply begins.
    """

    duration_s: float
    api_calls: int
    lowest_ready: Mapping[str, int] = attrs.field(converter=immutabledict)
    highest_total: Mapping[str, int] = attrs.field(converter=immutabledict)
    counts: Mapping[str, tuple[Count, ...]] = attrs.field(factory=immutabledict, converter=immutabledict)
    price_before: float | None = None
    price_after: float | None = None
    price_peak: float | None = None
    ends: str = "complete"

    @property
    def completes(self) -> bool:
        """Whether the forecast apply got everything as asked for."""
        return self.ends == "complete"

    @property
    def converges(self) -> bool:
        """Whether instances stop coming and going."""
        return self.ends != "unending"


def _by_service(recipes: Mapping[str, Mapping[str, str]]) -> immutabledict[str, immutabledict[str, str]]:
    return immutabledict({service: immutabledict(clouds) for service, clouds in recipes.items()})


@attrs.frozen(kw_only=True)
class Plan:
    """A forecast of an apply: frozen, comparable, with a JSON form (`serialization.plan_to_json`).

    `observed_at` tells when each cloud was read. `observed` lists the ids seen, by fleet, and `assumed` what the
    forecast took for granted, in words. `bakes` come before everything else. `recipes` are the digests of the recipes,
    by service and cloud, by which a saved plan is known to be older than the files.
    """

    deployment: Deployment
    at: float
    fleets: Mapping[str, FleetPlan] = attrs.field(converter=immutabledict)
    steps: tuple[Step, ...]
    forecast: Forecast
    observed: Mapping[str, tuple[InstanceId, ...]] = attrs.field(converter=immutabledict)
    observed_at: Mapping[str, float] = attrs.field(converter=immutabledict)
    notes: tuple[str, ...] = ()
    bakes: tuple[Bake, ...] = ()
    recipes: Mapping[str, Mapping[str, str]] = attrs.field(factory=immutabledict, converter=_by_service)

    as_text: ClassVar[Callable[["Plan"], str]] = repr
    """Writes a plan for people. The floors above bring their own, since a value knows nothing of terminals."""

    def __str__(self) -> str:
        """Return what `vmpattern plan` prints, without colours, 80 columns wide."""
        return type(self).as_text(self)

    @property
    def changes(self) -> bool:
        """Whether an apply isn't done at once."""
        return bool(self.bakes) or any(fleet.changes for fleet in self.fleets.values())

    @property
    def acts(self) -> bool:
        """Whether an apply would do anything: act, or wait for what ends well. A plan with neither can't get there.

        What doesn't converge is never begun.
        """
        if not self.forecast.converges:
            return False
        return bool(self.steps) or (self.changes and self.forecast.completes)

    @property
    def succeeds(self) -> bool:
        """Whether everything is as asked for after an apply, if the world is as assumed, or is so already.

        A plan may act and not succeed: then its apply does a part, and stops.
        """
        return not self.changes or self.forecast.completes

    @property
    def remaining(self) -> tuple[str, ...]:
        """What wasn't as asked for when observed, in words, fleet by fleet."""
        return tuple(f"fleet {name}: {text}" for name, fleet in self.fleets.items() for text in fleet.remaining)
