"""From what is written to what is launched: slots with a machine type, an image and a revision each. Pure."""

import attrs

from vmpattern import naming
from vmpattern.errors import Problem, SpecError
from vmpattern.model import (
    AnySlot,
    CloudObservation,
    Contents,
    Deployment,
    Fleet,
    MachineType,
    Observation,
    PendingSlot,
    Place,
    Placement,
    Resources,
    Service,
)
from vmpattern.planner.images import Chosen, NoImage, choose
from vmpattern.planner.limits import limits
from vmpattern.planner.overlaps import without_overlaps
from vmpattern.planner.quotas import apportion


@attrs.frozen
class Resolution:
    """A fleet's slots, in the order of its placements and zones, and what a person should know about them.

    `retired`: the file has no such fleet any more.
    """

    slots: tuple[AnySlot, ...]
    notes: tuple[str, ...] = ()
    retired: bool = False


def resolve(deployment: Deployment, fleet: Fleet, observation: Observation, *, refresh: bool = False) -> Resolution:
    """Resolve a fleet's placements against what the clouds offer.

    A machine type that in-date instances show is used again; with `refresh` it is chosen anew: the smallest that fits,
    by vCPUs, memory, price, what is special about it, disk, name. The same holds for what an image as written stands
    for. A cloud that couldn't be read gets slots only for what is written in full. A fleet of size 0 needs no slots,
    and has no problems: what is wrong with a file never keeps its instances from being ended.

    Raises:
        SpecError: a zone, machine type or image that isn't there, resources that no type fits, or placements that can't
            be told apart; all at once.
    """
    if not fleet.size:
        return Resolution(())
    problems: list[Problem] = []
    notes: list[str] = []
    slots: list[AnySlot] = []
    service = deployment.services[fleet.service]
    contents = observation.contents.get(service.name, Contents())
    _check_balancers(fleet, observation, problems)
    for number, placement in enumerate(fleet.placements):
        cloud = observation.clouds[placement.cloud]
        path = f"fleets.{fleet.name}.placements[{number}]"
        chosen = _image(service, fleet, cloud, contents, problems, refresh)
        notes += [note for note in chosen.notes if note not in notes]
        slots += _slots(service, fleet, number, placement, cloud, path, problems, notes, refresh, chosen)
    kept, overlapping = without_overlaps(fleet, _ranked(slots, fleet.place))
    if problems or overlapping:
        raise SpecError([*problems, *overlapping])
    return Resolution(tuple(kept), tuple(notes))


def _slots(
    service: Service,
    fleet: Fleet,
    number: int,
    placement: Placement,
    cloud: CloudObservation,
    path: str,
    problems: list[Problem],
    notes: list[str],
    refresh: bool,
    chosen: Chosen,
) -> list[AnySlot]:
    known = len(problems)
    if placement.market not in cloud.capabilities.markets:
        offered = ", ".join(sorted(market.value for market in cloud.capabilities.markets))
        problems.append(Problem(f"{path}.market", f"{cloud.name} offers {offered}, not {placement.market.value}"))
    if fleet.rollout.keep_failed and not cloud.capabilities.mutable_labels:
        notes.append(f"{cloud.name} can't change labels: an instance that fails is ended, not kept for inspection")
    inputs = naming.inputs(service, fleet, placement, chosen.written)
    zones: tuple[str | None, ...] = placement.zones or cloud.zones
    if cloud.error is not None:
        notes.append(f"{cloud.name} couldn't be read: its share counts as live and not ready")
        zones = placement.zones or (None,)
    elif unknown := [zone for zone in zones if zone not in cloud.zones]:
        expected = f"expected some of {', '.join(cloud.zones)}"
        problems.append(
            Problem(f"{path}.zones", f"{cloud.name} has no zone {', '.join(map(str, unknown))}; {expected}")
        )
        zones = tuple(zone for zone in zones if zone in cloud.zones)
    slots: list[AnySlot] = []
    for zone in zones:
        types = admitted(cloud, placement, service.resources, zone) if zone is not None else ()
        kind = _chosen(cloud, types, inputs, placement, refresh)
        if zone is not None and kind is None and cloud.error is None:
            if placement.zones or placement.machine_type is None or len(zones) == 1:
                problems.append(_no_type(path, cloud, placement, service.resources, zone))
            else:
                notes.append(f"{cloud.name} offers no {placement.machine_type} in zone {zone}: left out")
            continue
        slot = PendingSlot(
            cloud=cloud.name,
            zone=zone,
            placement=number,
            machine_type=kind.name if kind else placement.machine_type,
            market=placement.market,
            revision=inputs.revision,
            inputs=inputs.text,
            image=None if isinstance(chosen.id, str) else chosen.id,
            admits=frozenset(kind.name for kind in types) | {placement.machine_type or ""} - {""},
            weight=placement.weight,
            price_per_hour=kind.price(placement.market) if kind else None,
            options=placement.options,
        )
        slots.append(slot.with_image(chosen.id) if isinstance(chosen.id, str) else slot)
    if not slots and len(problems) == known and cloud.error is None:
        problems.append(_no_type(path, cloud, placement, service.resources, ""))
    return slots


def _check_balancers(fleet: Fleet, observation: Observation, problems: list[Problem]) -> None:
    path, numbers = f"fleets.{fleet.name}", limits(fleet)
    for name in fleet.balancer:
        cloud = observation.clouds.get(name)
        if cloud is not None and not cloud.capabilities.balancer:
            problems.append(Problem(f"{path}.balancer.{name}", f"the driver of {name} knows no balancers"))
    if fleet.balancer and numbers.most == fleet.size and 1 in _behind_balancers(fleet):
        message = "an instance that may be the only one behind a balancer needs a second one first: set max_surge to 1"
        problems.append(Problem(f"{path}.rollout.max_surge", message))


def _behind_balancers(fleet: Fleet) -> list[int]:
    """How many instances each balancer may come down to, one a cloud, when the fleet is as asked for."""
    places = fleet.placements
    if fleet.place is not Place.SPREAD:
        return [fleet.size if len({place.cloud for place in places}) == 1 else min(1, fleet.size)]
    weights, free = [place.weight for place in places], [None] * len(places)
    least = []
    for cloud in fleet.balancer:
        # Ties go to those who have more already: everybody else, at worst.
        elsewhere = [0 if place.cloud == cloud else fleet.size for place in places]
        shares = apportion(fleet.size, weights, free, elsewhere)
        least.append(sum(share for share, place in zip(shares, places, strict=True) if place.cloud == cloud))
    return least


def admitted(cloud: CloudObservation, placement: Placement, need: Resources, zone: str) -> tuple[MachineType, ...]:
    """Return the machine types that the placement admits in a zone, the smallest first."""
    offered = [kind for kind in cloud.machine_types if zone in kind.zones]
    if placement.machine_type is not None:
        return tuple(kind for kind in offered if kind.name == placement.machine_type)
    disk_gib = 0 if _sizes_disks(cloud, placement) else need.disk_gib
    fitting = [kind for kind in offered if _fits(kind, need, disk_gib)]

    def size(kind: MachineType) -> tuple[int, int, float, int, int, str]:
        price = kind.price(placement.market)
        known = float("inf") if price is None else price
        return (kind.vcpus, kind.memory_mib, known, len(kind.specs), kind.disk_gib, kind.name)

    return tuple(sorted(fitting, key=size))


def _sizes_disks(cloud: CloudObservation, placement: Placement) -> bool:
    """Whether a launch gets a disk as large as it asks for, whatever the machine type comes with."""
    option = cloud.capabilities.disk_option
    return bool(option) and option in placement.options


def _fits(kind: MachineType, need: Resources, disk_gib: int) -> bool:
    has_room = not kind.disk_gib or kind.disk_gib >= disk_gib
    return kind.vcpus >= need.vcpus and kind.memory_mib >= need.memory_mib and has_room


def _chosen(
    cloud: CloudObservation,
    types: tuple[MachineType, ...],
    inputs: naming.Inputs,
    placement: Placement,
    refresh: bool,
) -> MachineType | None:
    used = {
        instance.machine_type
        for instance in cloud.instances
        if instance.revision == inputs.revision and instance.market is placement.market and instance.phase.is_live
    }
    shown = [kind for kind in types if kind.name in used]
    return next(iter(shown if shown and not refresh else types), None)


def _image(
    service: Service,
    fleet: Fleet,
    cloud: CloudObservation,
    contents: Contents,
    problems: list[Problem],
    refresh: bool,
) -> Chosen:
    """Choose the image.

    In a cloud that couldn't be read, what was baked isn't known, nor what a name stands for where names are resolved.
    """
    try:
        chosen = choose(service, cloud, contents, fleet=fleet, refresh=refresh)
    except NoImage as none:
        if none.problem not in problems:
            problems.append(none.problem)
        return Chosen(written="", id=None)
    unknown = cloud.error is not None and (chosen.to_bake or cloud.capabilities.baker)
    return attrs.evolve(chosen, id=None) if unknown else chosen


def _no_type(path: str, cloud: CloudObservation, placement: Placement, need: Resources, zone: str) -> Problem:
    """Tell that no type fits in a zone, or, where it has no name, in any."""
    where = f"in zone {zone}" if zone else "in any zone"
    if placement.machine_type is not None:
        names = sorted({kind.name for kind in cloud.machine_types if not zone or zone in kind.zones})
        expected = f"expected one of {', '.join(names)}" if names else "it offers nothing at all there"
        return Problem(f"{path}.machine_type", f"{cloud.name} offers no {placement.machine_type} {where}; {expected}")
    wanted = f"{need.vcpus} vCPUs and {need.memory_mib} MiB"
    if need.disk_gib and not _sizes_disks(cloud, placement) and any(kind.disk_gib for kind in cloud.machine_types):
        wanted = f"{need.vcpus} vCPUs, {need.memory_mib} MiB and a disk of {need.disk_gib} GiB"
        if option := cloud.capabilities.disk_option:
            wanted += f"; the placement's option `{option}` gives a disk of any size"
    return Problem(path, f"no machine type of {cloud.name} {where} has {wanted}")


def _ranked(slots: list[AnySlot], place: Place) -> list[AnySlot]:
    """Rank the slots: by placement under ORDERED, by price under CHEAPEST (unknown last), all alike under SPREAD."""
    if place is Place.SPREAD:
        return slots
    if place is Place.ORDERED:
        return [attrs.evolve(slot, rank=slot.placement) for slot in slots]
    prices = sorted({_price(slot) for slot in slots})
    return [attrs.evolve(slot, rank=prices.index(_price(slot))) for slot in slots]


def _price(slot: AnySlot) -> float:
    return float("inf") if slot.price_per_hour is None else slot.price_per_hour
