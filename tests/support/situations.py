"""Fleets in situations that a test names: values with sensible defaults, and an index in the making."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from vmpattern.model import (
    OUTSIDE,
    Capabilities,
    Cloud,
    Deployment,
    Existing,
    Fleet,
    Health,
    HealthCheck,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    Market,
    Membership,
    Phase,
    Place,
    Placement,
    Revision,
    Rollout,
    Service,
    Share,
    Slot,
    Standing,
)
from vmpattern.planner import Decision, FleetIndex, Terminate, decide
from vmpattern.simulation import EC2_LIKE, EPOCH

NOW = EPOCH + 100_000.0
NEW, OLD, OLDER = Revision("new"), Revision("old"), Revision("older")
CHECK = HealthCheck(http="/healthz", interval_s=5.0, unhealthy_after=3)


def slot(zone: str = "a", *, cloud: str = "demo", placement: int = 0, weight: int = 1, rank: int = 0) -> Slot:
    """Return a place for in-date instances of the machine type `small`."""
    return Slot(
        cloud=cloud,
        zone=zone,
        placement=placement,
        machine_type="small",
        market=Market.ON_DEMAND,
        revision=NEW,
        image=ImageId("img-new"),
        admits=frozenset({"small"}),
        weight=weight,
        rank=rank,
    )


def instance(
    id: str,
    *,
    revision: Revision = NEW,
    zone: str = "a",
    cloud: str = "demo",
    phase: Phase = Phase.RUNNING,
    health: Health = Health.UNKNOWN,
    launched_at: float = NOW - 1000.0,
    kept_until: float | None = None,
    deployment: str = "shop",
    fleet: str = "web",
    key: str = "k",
    address: str | None = None,
    machine_type: str = "small",
) -> Instance:
    """Return a running instance of the fleet `web`, in date, launched a thousand seconds before NOW."""
    return Instance(
        id=InstanceId(id),
        cloud=cloud,
        deployment=deployment,
        fleet=fleet,
        revision=revision,
        key=LaunchKey(key),
        zone=zone,
        machine_type=machine_type,
        image=ImageId("img-new"),
        phase=phase,
        launched_at=launched_at,
        health=health,
        kept_until=kept_until,
        address=address,
    )


def fleet(
    size: int,
    *,
    surge: Share | int = 1,
    unavailable: Share | int = 0,
    name: str = "web",
    clouds: Iterable[str] = ("demo",),
    balanced: bool = False,
    place: Place = Place.SPREAD,
    rollout: Rollout | None = None,
) -> Fleet:
    """Return a fleet; `rollout` holds every knob but surge and unavailable."""
    policy = attrs.evolve(
        rollout or Rollout(),
        max_surge=surge if isinstance(surge, Share) else Share(surge),
        max_unavailable=unavailable if isinstance(unavailable, Share) else Share(unavailable),
    )
    return Fleet(
        name=name,
        service="shop",
        size=size,
        placements=[Placement(cloud=cloud) for cloud in clouds],
        place=place,
        rollout=policy,
        balancer={cloud: {"name": "front"} for cloud in clouds} if balanced else {},
    )


class Scene:
    """A fleet's index as it stands at NOW: rows are put in by the state that they shall be in."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        slots: Iterable[Slot] | None = None,
        named: Iterable[str] | None = (),
        capabilities: Capabilities = EC2_LIKE,
        clouds: Mapping[str, Capabilities] | None = None,
    ) -> None:
        self.fleet = fleet
        self.index = FleetIndex(
            deployment="shop",
            fleet=fleet,
            slots=tuple([slot()] if slots is None else slots),
            clouds=clouds or {place.cloud: capabilities for place in fleet.placements},
            check=CHECK,
            now=NOW,
            named=None if named is None else frozenset(map(InstanceId, named)),
        )
        for cloud in self.index.clouds.values():
            cloud.fresh_until, cloud.settled, cloud.seen = NOW + 15.0, True, True

    def ready(self, *ids: str, member: bool = False, ours: bool = False, **facts: Any) -> "Scene":
        """Put instances that have been healthy for longer than min_ready; `member`: behind the balancer."""
        for number, id in enumerate(ids):
            row = self._instance(id, number, facts)
            self._see(row, NOW - 500.0, Health.HEALTHY, member=member, ours=ours)
        self.index.advance(NOW)
        return self

    def starting(self, *ids: str, ours: bool = False, **facts: Any) -> "Scene":
        """Put instances of which nothing is known yet."""
        for number, id in enumerate(ids):
            self._see(self._instance(id, number, facts), NOW - 50.0, Health.UNKNOWN, ours=ours)
        self.index.advance(NOW)
        return self

    def sick(self, *ids: str, witnesses: int = 2, member: bool = False, ours: bool = False, **facts: Any) -> "Scene":
        """Put instances that were healthy, and have been unhealthy for long by the word of so many witnesses.

        The second one is the balancer for a member, the provider for others.
        """
        for number, id in enumerate(ids):
            row = self._instance(id, number, facts)
            self._see(row, NOW - 500.0, Health.HEALTHY, member=member, ours=ours)
            health = Health.UNHEALTHY if witnesses > 1 and not member else Health.UNKNOWN
            ill = attrs.evolve(row, health=health)
            self._see(ill, NOW - 100.0, Health.UNHEALTHY, member=member, ours=ours)
        self.index.advance(NOW)
        return self

    def draining(self, *ids: str, **facts: Any) -> "Scene":
        """Put ready members whose draining began ten seconds ago."""
        self.ready(*ids, member=True, **facts)
        self.index.update(map(InstanceId, ids), NOW - 10.0, draining_at=NOW - 10.0, approved=True)
        return self

    def decide(self, now: float = NOW) -> Decision:
        """Decide at NOW."""
        return decide(self.fleet, self.index, now)

    def ended(self) -> tuple[str, ...]:
        """Return the ids that a decision terminates now, sorted."""
        acts = [act for act in self.decide().actions if isinstance(act, Terminate)]
        return tuple(sorted(id for act in acts for id in act.ids))

    @staticmethod
    def _instance(id: str, number: int, facts: Mapping[str, Any]) -> Instance:
        return attrs.evolve(instance(id, launched_at=NOW - 1000.0 + number), **facts)

    def _see(self, row: Instance, at: float, probed: Health, *, member: bool = False, ours: bool = False) -> None:
        membership = Membership.UNHEALTHY if probed is Health.UNHEALTHY else Membership.HEALTHY
        self.index.see(row, at, probed=probed, standing=Standing(membership) if member else OUTSIDE, ours=ours)


def deployment(
    *fleets: Fleet, image: str = "img-1", clouds: Iterable[str] = ("demo",), health: HealthCheck | None = CHECK
) -> Deployment:
    """Return the deployment `shop` of these fleets of one service."""
    names = tuple(clouds)
    service = Service(
        name="shop",
        image=Existing({name: ImageId(image) for name in names}),
        port=8080 if health else None,
        health=health,
    )
    return Deployment(
        name="shop",
        clouds={name: Cloud(name=name, driver="memory") for name in names},
        services={"shop": service},
        fleets={one.name: one for one in fleets},
    )
