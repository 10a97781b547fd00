"""Fleets that have instances and aren't in the file any more: planned, and shown, as fleets of size 0. Pure."""

from collections import defaultdict
from collections.abc import Mapping

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


def _places(deployment: Deployment, observation: Observation) -> Mapping[str, set[str]]:
    """Return the clouds in which fleets that aren't in the file have live instances."""
    known = {*deployment.owners(), naming.BUILDERS}
    places: dict[str, set[str]] = defaultdict(set)
    for instance in observation.instances():
        if instance.fleet not in known and instance.phase.is_live:
            places[instance.fleet].add(instance.cloud)
    return places
