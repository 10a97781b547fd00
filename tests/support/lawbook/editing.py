"""What users write and edit: deployments, and the changes that people make to them, several at a time."""

import attrs
from immutabledict import immutabledict

from lawbook.choices import Choices
from lawbook.schedules import BAD_IMAGE, IMAGES, NEW_NAME, SECRET, SHOP
from vmpattern.model import (
    Cloud,
    Deployment,
    Existing,
    Fleet,
    HealthCheck,
    Market,
    Place,
    Placement,
    Resources,
    Rollout,
    Secret,
    Service,
    Share,
)
from vmpattern.simulation import CloudSpec


def deployment(choose: Choices, clouds: tuple[CloudSpec, ...]) -> Deployment:
    service = Service(
        name="web",
        image=_image(choose, clouds),
        port=80,
        health=_check(choose),
        resources=_resources(choose),
        env=_env(choose),
    )
    names = ("web", "api") if choose.chance(12) else ("web",)
    fleets = {name: _fleet(choose, name, clouds) for name in names}
    return Deployment(
        name=SHOP,
        clouds={spec.name: Cloud(name=spec.name, driver="memory") for spec in clouds},
        services={"web": service},
        fleets=fleets,
    )


def _check(choose: Choices) -> HealthCheck | None:
    """An HTTP check, mostly; else a TCP check, or none."""
    if not choose.chance(80):
        return None
    http = None if choose.chance(15) else "/"
    return HealthCheck(http=http, interval_s=2.0, unhealthy_after=choose.one_of((3, 1)))


def _resources(choose: Choices) -> Resources:
    return Resources(vcpus=choose.one_of((1, 2)))


def _size(choose: Choices) -> int:
    return choose.number(9, 60) if choose.chance(4) else choose.number(0, 8)


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
            size=_size(choose),
            placements=_placements(choose, clouds),
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


def _placements(choose: Choices, clouds: tuple[CloudSpec, ...]) -> tuple[Placement, ...]:
    """One placement a cloud, or several of one cloud that have no slot in common: by zones, or by markets."""
    placements = [_placement(choose, spec) for spec in clouds]
    if choose.chance(10):
        first = attrs.evolve(placements[0], zones=("a", "b"))
        placements[:1] = [first, attrs.evolve(_placement(choose, clouds[0]), zones=("c",))]
    elif choose.chance(10):
        placements[:1] = [attrs.evolve(placements[0], market=market) for market in (Market.SPOT, Market.ON_DEMAND)]
    return tuple(placements)


def _placement(choose: Choices, spec: CloudSpec) -> Placement:
    return Placement(
        cloud=spec.name,
        zones=choose.one_of(((), ("a",), ("a", "b"), ("b", "c"))),
        machine_type=choose.one_of((None, None, "small", "medium")),
        market=Market.SPOT if choose.chance(10) else Market.ON_DEMAND,
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


def changed(choose: Choices, desired: Deployment, clouds: tuple[CloudSpec, ...]) -> Deployment:
    """Change one thing or two, as people do."""
    for _ in range(choose.number(1, 2)):
        desired = _edited(choose, desired, clouds)
    fleets = {name: _allowed(fleet) for name, fleet in desired.fleets.items()}
    return attrs.evolve(desired, fleets=fleets)


def _edited(choose: Choices, desired: Deployment, clouds: tuple[CloudSpec, ...]) -> Deployment:
    """Make one edit: of the service, of the set of fleets, or of one fleet."""
    service, what = desired.services["web"], choose.number(0, 15)
    if what <= 2:
        return _with_service(desired, attrs.evolve(service, image=_image(choose, clouds)))
    if what == 3:
        return _with_service(desired, attrs.evolve(service, env=_env(choose)))
    if what == 4:
        return _with_service(desired, attrs.evolve(service, resources=_resources(choose)))
    if what == 5:
        return _with_service(desired, attrs.evolve(service, health=_check(choose)))
    if what == 6:
        return _other_fleets(choose, desired, clouds)
    name = choose.one_of(tuple(desired.fleets))
    return attrs.evolve(desired, fleets={**desired.fleets, name: _other(choose, desired.fleets[name], clouds, what)})


def renamed(choose: Choices, desired: list[Deployment]) -> list[Deployment]:
    """Rename a fleet at one of the changes, half of the times saying what its name was.

    That line stays in the file, or goes at the next change.
    """
    at = choose.number(1, len(desired) - 1)
    old = choose.one_of(tuple(desired[at].fleets))
    was = old if choose.chance(50) else None
    stays = choose.chance(50)
    return [
        _with_name(one, old, was if number == at or stays else None) if number >= at else one
        for number, one in enumerate(desired)
    ]


def _with_name(desired: Deployment, old: str, was: str | None) -> Deployment:
    """The same with the fleet `old`, if it has one, under its new name."""
    fleets = {
        NEW_NAME if name == old else name: attrs.evolve(fleet, name=NEW_NAME, was=was) if name == old else fleet
        for name, fleet in desired.fleets.items()
    }
    return attrs.evolve(desired, fleets=fleets)


def _with_service(desired: Deployment, service: Service) -> Deployment:
    return attrs.evolve(desired, services={"web": service})


def _other_fleets(choose: Choices, desired: Deployment, clouds: tuple[CloudSpec, ...]) -> Deployment:
    """Add a second fleet, or remove it."""
    fleets = dict(desired.fleets)
    if len(fleets) > 1:
        fleets.pop(choose.one_of(tuple(fleets)))
    else:
        name = "api" if "web" in fleets else "web"
        fleets[name] = _fleet(choose, name, clouds)
    return attrs.evolve(desired, fleets=fleets)


def _other(choose: Choices, fleet: Fleet, clouds: tuple[CloudSpec, ...], what: int) -> Fleet:
    if what <= 8:
        return attrs.evolve(fleet, size=_size(choose))
    if what == 9:
        return attrs.evolve(fleet, placements=_placements(choose, clouds))
    if what == 10:
        return attrs.evolve(fleet, placements=(choose.one_of(fleet.placements),))
    if what == 11:
        return attrs.evolve(fleet, place=choose.one_of((Place.SPREAD, Place.ORDERED, Place.CHEAPEST)))
    if what <= 13:
        return attrs.evolve(fleet, rollout=_rollout(choose))
    return attrs.evolve(fleet, balancer=_balancer(choose, clouds))
