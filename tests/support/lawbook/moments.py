"""Schedules that are written by hand: each leads surely to a moment that random ones meet too rarely."""

from immutabledict import immutabledict

from lawbook.schedules import SHOP, TYPES, ZONES, Change, Schedule
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


def _desired(size: int, *, image: str = "img-1") -> Deployment:
    """A fleet in one zone, so that its outage takes everything, with a blast budget that is soon used up."""
    fleet = Fleet(
        name="web",
        service="web",
        size=size,
        placements=(Placement(cloud="east", zones=("a",)),),
        rollout=Rollout(min_ready_s=0.0, blast_budget=Share(2), blast_window_s=100.0),
    )
    service = Service(
        name="web",
        image=Existing(immutabledict({"east": image})),
        port=80,
        health=HealthCheck(http="/", interval_s=2.0, unhealthy_after=1),
        resources=Resources(vcpus=1),
    )
    clouds = {"east": Cloud(name="east", driver="memory")}
    return Deployment(name=SHOP, clouds=clouds, services={"web": service}, fleets={"web": fleet})


MOMENTS = {
    "all fall ill while one more boots": Schedule(
        clouds=(EAST,),
        faults=(Faults(windows=(Window(FaultKind.ZONE_OUTAGE, 180.0, 400.0, "a"),)),),
        changes=(Change(desired=_desired(8)), Change(desired=_desired(9))),
    ),
}
"""By what happens in them."""
