"""Fleets that the file doesn't name any more: what becomes of their instances, and whether one was just renamed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import attrs

from vmpattern import naming
from vmpattern.model import Deployment, Fleet, Observation, Placement


def with_retired(deployment: Deployment, observation: Observation, *, full: Deployment) -> Deployment:
    """Add a fleet of size 0 for every fleet that has instances and isn't in the file any more.

    Args:
        deployment: the fleets that are planned; if those aren't all, none is added.
        full: all fleets of the file.
    """
    if full.fleets.keys() - deployment.fleets.keys():
        return deployment
    service = next(iter(deployment.services), None)
    places = _places(full, observation)
    if not places or service is None:
        return deployment
    retired = {
        name: Fleet(
            name=name, service=service, size=0, placements=tuple(Placement(cloud=cloud) for cloud in sorted(where))
        )
        for name, where in sorted(places.items())
    }
    return attrs.evolve(deployment, fleets={**deployment.fleets, **retired})


def notes_of_leavers(name: str, deployment: Deployment, observation: Observation) -> tuple[str, ...]:
    """Say what becomes of the instances of a fleet that the file doesn't name any more.

    Args:
        deployment: as the file has it.
    """
    return (
        f"the file has no fleet {name} any more: its instances go",
        *_undrained(name, observation),
        *_renamed(name, deployment, observation),
    )


def _places(deployment: Deployment, observation: Observation) -> Mapping[str, set[str]]:
    """Return the clouds in which fleets that aren't in the file have live instances."""
    known = {*deployment.owners(), naming.BUILDERS}
    places: dict[str, set[str]] = defaultdict(set)
    for instance in observation.instances():
        if instance.fleet not in known and instance.phase.is_live:
            places[instance.fleet].add(instance.cloud)
    return places


def _undrained(name: str, observation: Observation) -> Iterator[str]:
    """Say where the instances of a fleet that goes are ended without having been drained."""
    unknown = [
        cloud.name
        for cloud in observation.clouds.values()
        if cloud.capabilities.balancer
        and any(one.fleet == name and one.phase.is_live for one in cloud.instances)
        and not any(former.fleet == name for former in cloud.former)
    ]
    if unknown:
        where = f" in {', '.join(unknown)}" if len(observation.clouds) > 1 else ""
        yield f"its instances end undrained{where}: its balancer isn't known"


def _renamed(name: str, deployment: Deployment, observation: Observation) -> Iterator[str]:
    """Propose `was` where a fleet that has no instances yet may be this one under another name."""
    live = [one for one in observation.instances() if one.phase.is_live]
    taken, clouds = {one.fleet for one in live}, {one.cloud for one in live if one.fleet == name}
    for fleet in deployment.fleets.values():
        is_new = fleet.size and fleet.was is None and fleet.name not in taken
        if is_new and clouds & {placement.cloud for placement in fleet.placements}:
            yield (
                f'if {fleet.name} is its new name, this is an outage: write was = "{name}" into '
                f"[fleets.{fleet.name}], and its instances are replaced without one"
            )
