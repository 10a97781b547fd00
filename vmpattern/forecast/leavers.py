"""Fleets that the file doesn't name any more: what becomes of their instances, and whether one was just renamed."""

from collections.abc import Iterator

from vmpattern.model import Deployment, Observation


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
