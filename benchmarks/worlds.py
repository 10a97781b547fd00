"""The fleets that are measured: web servers in three zones of a cloud with EC2's request budgets."""

import math

from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.model import (
    Cloud,
    CloudObservation,
    Deployment,
    Existing,
    Fleet,
    Health,
    HealthCheck,
    ImageId,
    Instance,
    LaunchKey,
    Membership,
    Observation,
    Phase,
    Placement,
    Revision,
    Rollout,
    Service,
    Share,
    Standing,
)
from vmpattern.planner import FleetIndex, resolve
from vmpattern.simulation import EC2_LIKE, EPOCH, machine_types

CLOUD, FLEET, ZONES, TYPE = "demo", "web", ("a", "b", "c"), "small"


def deployment(size: int, *, image: str = "img-2", surge: Share | None = None, balanced: bool = False) -> Deployment:
    """Return one fleet of `size`, behind a balancer if told so; surge 1 unless told otherwise."""
    service = Service(name="web", image=Existing({CLOUD: image}), port=80, health=HealthCheck(http="/"))
    fleet = Fleet(
        name=FLEET,
        service=service.name,
        size=size,
        placements=(Placement(cloud=CLOUD, zones=ZONES),),
        rollout=Rollout(max_surge=surge or Share(1)),
        balancer={CLOUD: immutabledict(name="front")} if balanced else {},
    )
    return Deployment(
        name="shop",
        clouds={CLOUD: Cloud(name=CLOUD, driver="memory")},
        services={service.name: service},
        fleets={fleet.name: fleet},
    )


def running(number: int) -> Instance:
    """Return the instance of that number: running, healthy, of an older image, in a zone by turns."""
    key = LaunchKey(f"k{number:031x}")
    return Instance(
        id=naming.instance_id(key, 0),
        cloud=CLOUD,
        deployment="shop",
        fleet=FLEET,
        revision=Revision("0123456789ab"),
        key=key,
        zone=ZONES[number % len(ZONES)],
        machine_type=TYPE,
        image=ImageId("img-1"),
        phase=Phase.RUNNING,
        launched_at=EPOCH - 86400.0 + number,
        name=f"web-{number:06}",
        health=Health.HEALTHY,
        address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        inputs="i000000-e44136f-rae5a3a-m74234e-p4ec959-of99fb5",
    )


def observation(instances: tuple[Instance, ...], *, balanced: bool = False) -> Observation:
    """Return the cloud with these instances, each healthy by its health check, and by the balancer if there is one."""
    cloud = CloudObservation(
        name=CLOUD,
        at=EPOCH,
        capabilities=EC2_LIKE,
        instances=instances,
        machine_types=machine_types(ZONES),
        probed={instance.id: Health.HEALTHY for instance in instances},
        members={instance.id: Standing(Membership.HEALTHY) for instance in instances if balanced},
    )
    return Observation(at=EPOCH, clouds={CLOUD: cloud})


def outdated(size: int, *, balanced: bool = False) -> Observation:
    """Return a fleet of which every instance is out of date."""
    return observation(tuple(map(running, range(size))), balanced=balanced)


def index(seen: Observation, desired: Deployment) -> FleetIndex:
    """Return the index of an observed fleet, of a cloud that may be acted upon for ever."""
    fleet, cloud = desired.fleets[FLEET], seen.clouds[CLOUD]
    known = FleetIndex(
        deployment=desired.name,
        fleet=fleet,
        slots=resolve(desired, fleet, seen).slots,
        clouds={CLOUD: cloud.capabilities},
        check=desired.services[fleet.service].health,
        now=seen.at,
        named=None,
    )
    state = known.clouds[CLOUD]
    state.settled, state.seen, state.fresh_until = True, True, math.inf
    for instance in cloud.instances:
        known.see(instance, seen.at, probed=cloud.probed[instance.id])
    return known
