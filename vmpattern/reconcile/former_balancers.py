"""Keeping the record of balancers true: what an apply remembers, and what it forgets once members are gone."""

from collections.abc import Iterator, Mapping

from vmpattern.model import CloudObservation, Deployment, Fleet, Observation, Options
from vmpattern.store.record import BalancerRecord, Recorded


def recorded_balancers(
    recorded: Recorded, deployment: Deployment, observation: Observation, fleet: Fleet
) -> Mapping[str, tuple[Options, ...]]:
    """Return the balancers that a fleet was registered with and doesn't declare, by cloud, that couldn't be read.

    Where the cloud couldn't be, any of them may be the declared one under another name: only its cloud knows.
    """
    unread = {
        name: recorded.former(deployment, name).get(fleet.name, ())
        if cloud.error
        else tuple(one.balancer for one in cloud.former if one.fleet == fleet.name and one.is_unread)
        for name, cloud in observation.clouds.items()
    }
    return {name: balancers for name, balancers in unread.items() if balancers}


def former_balancers(observation: Observation, fleet: str) -> Mapping[str, tuple[Options, ...]]:
    """Return the balancers that a fleet has left and may have members in, by cloud that could be read."""
    return {
        name: tuple(one.balancer for one in cloud.former if one.fleet == fleet and one.error is None)
        for name, cloud in observation.clouds.items()
        if any(one.fleet == fleet for one in cloud.former)
    }


def settle(record: BalancerRecord, recorded: Recorded, deployment: Deployment, observation: Observation) -> None:
    """Remember the balancers in which members of ours were seen, and forget those in which none is any more.

    Args:
        recorded: what the record knows of the fleets of the deployment.
    """
    for fleet, cloud, balancer in _declared(deployment, observation):
        if not recorded.has(fleet, cloud, balancer):
            record.remember(deployment, fleet, cloud, balancer)
    record.forget(deployment, list(_empty(recorded, deployment, observation)))


def forget_ended(record: BalancerRecord, recorded: Recorded, deployment: Deployment, observation: Observation) -> None:
    """Forget every balancer of the fleets that were to vanish, and did, in clouds that could be read."""
    ended = {label for fleet in deployment.fleets.values() if not fleet.size for label in fleet.labels}
    readable = {name for name, cloud in observation.clouds.items() if cloud.error is None}
    record.forget(
        deployment,
        [
            (entry.fleet, entry.cloud, entry.balancer)
            for entry in recorded.entries
            if entry.fleet in ended and entry.cloud in readable
        ],
    )


def _declared(deployment: Deployment, observation: Observation) -> Iterator[tuple[str, str, Options]]:
    """Yield the balancers that fleets declare, and of which an instance of theirs is a member."""
    owners = deployment.owners()
    for name, cloud in observation.clouds.items():
        fleets = {owners.get(row.fleet) for row in cloud.instances if row.id in cloud.members}
        for fleet in sorted(fleets - {None} - cloud.unread_balancers.keys()):  # type: ignore[type-var]
            if fleet is not None and name in deployment.fleets[fleet].balancer:
                yield fleet, name, deployment.fleets[fleet].balancer[name]


def _empty(recorded: Recorded, deployment: Deployment, observation: Observation) -> Iterator[tuple[str, str, Options]]:
    """Yield the balancers that fleets have left, and in which no live instance of theirs is any more."""
    for name, cloud in observation.clouds.items():
        former = recorded.former(deployment, name) if cloud.error is None else {}
        for fleet, balancers in former.items():
            for balancer in balancers:
                if _has_no_member(cloud, fleet, balancer):
                    yield from ((label, name, balancer) for label in recorded.labels(deployment, fleet))


def _has_no_member(cloud: CloudObservation, fleet: str, balancer: Options) -> bool:
    """Whether it was read, or needn't be, and has no member; where no instance lives, it wasn't."""
    found = [one for one in cloud.former if (one.fleet, one.balancer) == (fleet, balancer)]
    return all(one.gone or (one.error is None and not one.members) for one in found)
