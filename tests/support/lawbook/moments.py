"""Schedules that are written by hand: each leads surely to a moment that random ones meet too rarely."""

import attrs
from immutabledict import immutabledict

from lawbook.playing import Played
from lawbook.schedules import SHOP, TYPES, ZONES, Change, Outside, Schedule
from vmpattern.model import (
    Capabilities,
    Cloud,
    Deployment,
    Existing,
    Fleet,
    HealthCheck,
    Idempotency,
    Latencies,
    Placement,
    Resources,
    Rollout,
    Service,
    Share,
)
from vmpattern.simulation import CloudSpec, FaultKind, Faults, Window

EAST = CloudSpec(
    name="east",
    zones=ZONES,
    machine_types=TYPES,
    capabilities=Capabilities(
        idempotency=Idempotency.BATCH,
        mutable_labels=True,
        call_timeout_s=10.0,
        native_health=True,
        probes=True,
        balancer=True,
        latencies=Latencies(call_s=1.0, boot_s=40.0, ready_s=3.0, terminate_s=5.0, drain_s=4.0),
    ),
)
MUTE = attrs.evolve(EAST, capabilities=attrs.evolve(EAST.capabilities, native_health=False))
"""The same, and it says nothing about health: the health check is the only witness."""

BATCHES = attrs.evolve(EAST, capabilities=attrs.evolve(EAST.capabilities, max_batch=100))
"""The same, and one launch may be for many."""

CHECK = HealthCheck(http="/", interval_s=2.0, unhealthy_after=1)
PATIENT = HealthCheck(http="/", interval_s=2.0, unhealthy_after=10)
SWIFT = Rollout(min_ready_s=0.0, blast_budget=Share(2), blast_window_s=100.0)
FRONT = {"east": {"name": "front"}}


@attrs.frozen
class Moment:
    """A schedule, and how each of its applies ends; without those, only the laws judge it."""

    schedule: Schedule
    story: tuple[str, ...] = ()

    def judge(self, played: Played) -> list[str]:
        """Return what is wrong with how it went."""
        if not self.story or played.story == list(self.story):
            return played.broken
        return [*played.broken, f"the story is {', '.join(played.story)}; expected: {', '.join(self.story)}"]


def _desired(
    size: int,
    *,
    image: str = "img-1",
    zones: tuple[str, ...] = ("a",),
    rollout: Rollout = SWIFT,
    balancer: dict[str, dict[str, str]] | None = None,
    check: HealthCheck | None = CHECK,
) -> Deployment:
    """A fleet in one zone, so that its outage takes everything, with a blast budget that is soon used up."""
    fleet = Fleet(
        name="web",
        service="web",
        size=size,
        placements=(Placement(cloud="east", zones=zones),),
        rollout=rollout,
        balancer=balancer or {},
    )
    service = Service(
        name="web",
        image=Existing(immutabledict({"east": image})),  # type: ignore[arg-type]
        port=80,
        health=check,
        resources=Resources(vcpus=1),
    )
    clouds = {"east": Cloud(name="east", driver="memory")}
    return Deployment(name=SHOP, clouds=clouds, services={"web": service}, fleets={"web": fleet})


def _schedule(*changes: Change, spec: CloudSpec = EAST, faults: Faults | None = None) -> Schedule:
    return Schedule(clouds=(spec,), faults=(faults or Faults(),), changes=changes)


def _outage(begin: float, end: float) -> Faults:
    return Faults(windows=(Window(FaultKind.ZONE_OUTAGE, begin, end, "a"),))


def _all_doubted(unavailable: int) -> Schedule:
    """A rollout begins while the one witness calls all old ones unhealthy; their zone is left, and comes back."""
    rollout = attrs.evolve(SWIFT, max_unavailable=Share(unavailable))
    return _schedule(
        Change(desired=_desired(3, rollout=rollout)),
        Change(desired=_desired(3, image="img-2", zones=("b",), rollout=rollout), pause_s=30.0),
        spec=MUTE,
        faults=_outage(180.0, 260.0),
    )


MOMENTS = {
    "all fall ill while one more boots": Moment(
        _schedule(Change(desired=_desired(8)), Change(desired=_desired(9)), faults=_outage(180.0, 400.0))
    ),
    "all old ones are doubted, and none may be missed": Moment(_all_doubted(0)),
    "all old ones are doubted, and one may be missed": Moment(_all_doubted(1)),
    "the younger of two is the one that serves, and one is too many": Moment(
        _schedule(
            Change(desired=_desired(2), outside=(Outside(after_s=300.0, what="sicken", number=0),)),
            Change(
                desired=_desired(1, rollout=Rollout(min_ready_s=30.0, max_unavailable=Share(1))),
                pause_s=400.0,
            ),
        ),
        story=("complete +2 -0", "complete +0 -1", "nothing +0 -0"),
    ),
    "one witness speaks against one that is in date": Moment(
        _schedule(
            Change(desired=_desired(2)),
            Change(desired=_desired(3), outside=(Outside(after_s=8.0, what="sicken", number=0),)),
            spec=MUTE,
        ),
        story=("complete +2 -0", "paused +2 -0", "complete +0 -1"),
    ),
    "one that has stopped is shown running by an old list": Moment(
        _schedule(
            Change(desired=_desired(3, check=None)),
            Change(desired=_desired(4, check=None), outside=(Outside(after_s=8.0, what="stop", number=0),)),
            spec=attrs.evolve(EAST, capabilities=attrs.evolve(EAST.capabilities, staleness_s=30.0)),
            faults=Faults({FaultKind.STALE_LIST: 0.5}, seed=1),
        ),
    ),
    "members of old are ill for a moment": Moment(
        _schedule(
            Change(desired=_desired(2, balancer=FRONT, check=PATIENT)),
            Change(desired=_desired(3, balancer=FRONT, check=PATIENT), pause_s=2000.0),
            faults=_outage(2200.0, 2206.0),
        ),
        story=("complete +2 -0", "complete +1 -0", "nothing +0 -0"),
    ),
    "the only one's label is damaged by hand": Moment(
        _schedule(
            Change(desired=_desired(1), outside=(Outside(after_s=300.0, what="relabel", number=0),)),
            Change(desired=_desired(1), pause_s=400.0),
        ),
        story=("complete +1 -0", "complete +1 -0", "nothing +0 -0"),
    ),
    "a zone has room for one of two": Moment(
        _schedule(
            Change(desired=_desired(4, zones=("a", "b"))),
            spec=attrs.evolve(BATCHES, capacity={("a", None): 1}),
        ),
        story=("complete +4 -0", "complete +0 -0"),
    ),
    "whatever is launched is ended from outside": Moment(
        _schedule(
            Change(
                desired=_desired(1),
                outside=tuple(Outside(after_s=30.0 + 20.0 * n, what="kill", number=0) for n in range(60)),
            ),
        ),
    ),
}
"""By what happens in them."""
