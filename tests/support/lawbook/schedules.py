"""Random schedules: clouds, faults, desired changes and crashes, as one value that says everything."""

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from lawbook.choices import Choices, Drawn
from vmpattern.model import (
    Capabilities,
    Cloud,
    Deployment,
    Existing,
    Fleet,
    HealthCheck,
    Idempotency,
    Latencies,
    MachineType,
    Market,
    Place,
    Placement,
    RequestBudget,
    Resources,
    Rollout,
    Secret,
    Service,
    Share,
)
from vmpattern.simulation import CloudSpec, FaultKind, Faults, Window

SHOP = "shop"
SECRET = "VMPATTERN_LAWBOOK_SECRET"
"""The variable that the schedules' secret is read from."""
CLOUDS = ("east", "west")
ZONES = ("a", "b", "c")
IMAGES = ("img-1", "img-2", "img-3")
BAD_IMAGE = "img-bad"

TYPES = tuple(
    MachineType(name=name, vcpus=vcpus, memory_mib=2048 * vcpus, zones=ZONES, prices={Market.ON_DEMAND: 0.02 * vcpus})
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
LASTING = frozenset({FaultKind.NEVER_READY, FaultKind.FLAPPING, FaultKind.DIES, FaultKind.SLOW_BOOT})
"""Faults that stay with an instance when the world is calm again."""


@attrs.frozen
class Crash:
    """The process dies at its driver call number `call`, before or after the call takes effect."""

    call: int
    after: bool


@attrs.frozen(kw_only=True)
class Change:
    """One apply: what is desired from now on, how long after the last one, and where its process dies (if it does).

    `secret` is the value of the secret that the environment names, then.
    """

    desired: Deployment
    pause_s: float = 0.0
    crash: Crash | None = None
    secret: str = "s1"


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


def schedules(**limits: object) -> st.SearchStrategy[Schedule]:
    """Return a strategy of schedules; `limits` as for `schedule`."""
    return st.composite(lambda draw: schedule(Drawn(draw), **limits))()  # type: ignore[arg-type]


def schedule(choose: Choices, *, faults: bool = True, crashes: bool = True, changes: int = 3) -> Schedule:
    """Choose a schedule; without `faults` every call works, without `crashes` no process dies."""
    clouds = tuple(_cloud(choose, name) for name in CLOUDS[: 2 if choose.chance(30) else 1])
    return Schedule(
        clouds=clouds,
        faults=tuple(_faults(choose, spec) if faults else Faults() for spec in clouds),
        changes=_changes(choose, clouds, choose.number(1, changes), crashes),
        old=tuple(_old(choose, clouds) for _ in range(choose.number(1, 6))) if choose.chance(25) else (),
        strangers=choose.chance(30),
        slowness_s=choose.one_of((0.0, 0.0, 2.0, 9.0)),
        ghosts=choose.chance(60),
        seed=choose.number(0, 999_999),
    )


def _cloud(choose: Choices, name: str) -> CloudSpec:
    budgets = (immutabledict[str, RequestBudget](), TIGHT_BUDGETS)[choose.chance(25)]
    capabilities = Capabilities(
        max_batch=choose.one_of((100, 2)),
        max_terminate=choose.one_of((1000, 2)),
        idempotency=choose.one_of(tuple(Idempotency)),
        mutable_labels=choose.chance(60),
        staleness_s=choose.one_of((0.0, 0.0, 5.0)),
        call_timeout_s=10.0,
        native_health=choose.chance(70),
        probes=True,
        balancer=True,
        checks=choose.chance(70),
        budgets=budgets,
        latencies=Latencies(
            call_s=choose.one_of((1.0, 0.3, 2.5)),
            boot_s=choose.one_of((4.0, 15.0, 40.0)),
            ready_s=choose.one_of((3.0, 10.0)),
            terminate_s=choose.one_of((5.0, 30.0)),
            drain_s=choose.one_of((4.0, 25.0)),
        ),
    )
    scarce = choose.chance(12)
    capacity = {(choose.one_of(ZONES), None): choose.number(0, 4)} if scarce else {}
    return CloudSpec(
        name=name,
        zones=ZONES,
        machine_types=TYPES,
        capabilities=capabilities,
        capacity=capacity,
        bad_images=frozenset({BAD_IMAGE}),  # type: ignore[arg-type]
    )


def _faults(choose: Choices, spec: CloudSpec) -> Faults:
    if not choose.chance(70):
        return Faults()
    kinds = [*OF_CALLS, *OF_HEALTH, *OF_INSTANCES, *(RARE if choose.chance(10) else ())]
    if spec.capabilities.staleness_s == 0.0:
        kinds.remove(FaultKind.STALE_LIST)
    rates = {choose.one_of(kinds): choose.number(2, 30) / 100 for _ in range(choose.number(0, 3))}
    windows = tuple(_window(choose, choose.one_of(kinds)) for _ in range(choose.number(0, 2)))
    return Faults(rates, windows, seed=choose.number(0, 999_999))


def _window(choose: Choices, kind: FaultKind) -> Window:
    begin = float(choose.number(0, 300))
    zone = choose.one_of((None, *ZONES)) if kind in (FaultKind.STOCKOUT, FaultKind.ZONE_OUTAGE) else None
    return Window(kind, begin, begin + choose.one_of((10, 60, 200)), zone)


def _old(choose: Choices, clouds: tuple[CloudSpec, ...]) -> Old:
    return Old(
        revision=choose.one_of(("r1", "r2", "r3", "r4")),
        cloud=choose.one_of(clouds).name,
        zone=choose.one_of(ZONES),
        well=not choose.chance(15),
    )


def _changes(choose: Choices, clouds: tuple[CloudSpec, ...], count: int, crashes: bool) -> tuple[Change, ...]:
    desired = _deployment(choose, clouds)
    made = []
    for number in range(count):
        if number:
            desired = _changed(choose, desired, clouds)
        crash = Crash(choose.number(0, 40), choose.chance(50)) if crashes and choose.chance(35) else None
        pause_s = choose.one_of((0.0, 5.0, 100.0))
        made.append(Change(desired=desired, pause_s=pause_s, crash=crash, secret=choose.one_of(("s1", "s2"))))
    return tuple(made)


def _deployment(choose: Choices, clouds: tuple[CloudSpec, ...]) -> Deployment:
    check = HealthCheck(http="/", interval_s=2.0, unhealthy_after=choose.one_of((3, 1))) if choose.chance(75) else None
    service = Service(
        name="web",
        image=_image(choose, clouds),
        port=80,
        health=check,
        resources=Resources(vcpus=choose.one_of((1, 2))),
        env=_env(choose),
    )
    names = ("web", "api") if choose.chance(8) else ("web",)
    fleets = {name: _fleet(choose, name, clouds) for name in names}
    return Deployment(
        name=SHOP,
        clouds={spec.name: Cloud(name=spec.name, driver="memory") for spec in clouds},
        services={"web": service},
        fleets=fleets,
    )


def _env(choose: Choices) -> dict[str, str | Secret]:
    secret = {"TOKEN": Secret(f"env:{SECRET}")} if choose.chance(40) else {}
    return {"MODE": choose.one_of(("a", "b")), **secret}


def _image(choose: Choices, clouds: tuple[CloudSpec, ...]) -> Existing:
    image = BAD_IMAGE if choose.chance(5) else choose.one_of(IMAGES)
    return Existing({spec.name: image for spec in clouds})  # type: ignore[misc]


def _fleet(choose: Choices, name: str, clouds: tuple[CloudSpec, ...]) -> Fleet:
    balanced = choose.chance(35)
    return _allowed(
        Fleet(
            name=name,
            service="web",
            size=choose.number(0, 8),
            placements=tuple(_placement(choose, spec) for spec in clouds),
            place=choose.one_of((Place.SPREAD, Place.SPREAD, Place.ORDERED, Place.CHEAPEST)),
            rollout=_rollout(choose),
            balancer=_balancer(choose, clouds) if balanced else {},
        )
    )


def _balancer(choose: Choices, clouds: tuple[CloudSpec, ...]) -> dict[str, immutabledict[str, str]]:
    """One of two balancers in every cloud, or none."""
    name = choose.one_of(("front", "back", ""))
    return {spec.name: immutabledict({"name": name}) for spec in clouds} if name else {}


def _allowed(fleet: Fleet) -> Fleet:
    """What a plan would refuse is avoided: the only member of a balancer, with no room for a second one."""
    whole = sum(placement.weight for placement in fleet.placements)
    several = len({placement.cloud for placement in fleet.placements}) > 1
    spread = any(fleet.size * placement.weight // whole <= 1 for placement in fleet.placements)
    lonely = fleet.size == 1 or (spread if fleet.place is Place.SPREAD else several)
    if fleet.balancer and lonely and fleet.rollout.max_surge.up(fleet.size) == 0:
        return attrs.evolve(fleet, rollout=attrs.evolve(fleet.rollout, max_surge=Share(1)))
    return fleet


def _placement(choose: Choices, spec: CloudSpec) -> Placement:
    return Placement(
        cloud=spec.name,
        zones=choose.one_of(((), ("a",), ("a", "b"), ("b", "c"))),
        machine_type=choose.one_of((None, None, "small", "medium")),
        weight=choose.one_of((1, 1, 2, 3)),
    )


def _rollout(choose: Choices) -> Rollout:
    surge = choose.one_of((Share(1), Share(2), Share(25, percent=True), Share(100, percent=True), Share(0)))
    unavailable = choose.one_of((Share(0), Share(1), Share(25, percent=True), Share(2)))
    if surge.number == 0 and unavailable.number == 0:
        unavailable = Share(1)
    return Rollout(
        max_surge=surge,
        max_unavailable=unavailable,
        max_in_flight=choose.one_of((10, 3, 1)),
        min_ready_s=choose.one_of((0.0, 4.0, 30.0)),
        launch_deadline_s=choose.one_of((60.0, 300.0)),
        ready_deadline_s=choose.one_of((60.0, 200.0)),
        progress_deadline_s=choose.one_of((300.0, 600.0)),
        max_failures=choose.one_of((None, Share(3), Share(0))),
        drain_s=choose.one_of((300.0, 10.0, 0.0)),
        keep_failed=choose.one_of((1, 0)),
        keep_failed_s=choose.one_of((3600.0, 120.0)),
        blast_budget=choose.one_of((None, Share(2))),
        blast_window_s=choose.one_of((600.0, 100.0)),
    )


def _changed(choose: Choices, desired: Deployment, clouds: tuple[CloudSpec, ...]) -> Deployment:
    """Change one thing or two, as people do."""
    web = desired.fleets["web"]
    for _ in range(choose.number(1, 2)):
        what = choose.number(0, 7)
        if what == 0:
            web = attrs.evolve(web, size=choose.number(0, 8))
        elif what == 1:
            service = attrs.evolve(desired.services["web"], image=_image(choose, clouds))
            desired = attrs.evolve(desired, services={"web": service})
        elif what == 2:
            web = attrs.evolve(web, placements=tuple(_placement(choose, spec) for spec in clouds))
        elif what == 3:
            web = attrs.evolve(web, place=choose.one_of((Place.SPREAD, Place.ORDERED, Place.CHEAPEST)))
        elif what == 4:
            web = attrs.evolve(web, rollout=_rollout(choose))
        elif what == 5:
            service = attrs.evolve(desired.services["web"], env=_env(choose))
            desired = attrs.evolve(desired, services={"web": service})
        elif what == 6:
            web = attrs.evolve(web, balancer=_balancer(choose, clouds))
        else:
            chosen = choose.one_of(web.placements)
            web = attrs.evolve(web, placements=(chosen,), balancer=web.balancer)
    return attrs.evolve(desired, fleets={**desired.fleets, "web": _allowed(web)})


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
