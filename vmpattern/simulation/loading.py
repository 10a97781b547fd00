"""Loading a world with what was observed, so that it goes on from there."""

from collections.abc import Collection

import attrs

from vmpattern import naming
from vmpattern.model import OUTSIDE, CloudObservation, Health, Instance, InstanceId, LaunchKey, Limit, Membership
from vmpattern.simulation.ledger import UNKNOWN, Ledger
from vmpattern.simulation.spec import CloudSpec
from vmpattern.simulation.vm import MUTE, Turn, Vm, changed
from vmpattern.simulation.world import HEALTHY, PENDING, RUNNING, TERMINATING, UNHEALTHY, World

STRANGE = 1_000_000
"""Above every ordinal of a launch: for ids that another cloud gave."""


def spec_of(observation: CloudObservation) -> CloudSpec:
    """Return a cloud as observed, which takes every image and every balancer."""
    return CloudSpec(
        name=observation.name,
        zones=tuple(sorted({*observation.zones, *(row.zone for row in observation.instances)})),
        machine_types=observation.machine_types,
        capabilities=observation.capabilities,
        limits=tuple(_without_ours(limit, observation) for limit in observation.limits),
        strict=False,
    )


def _without_ours(limit: Limit, observation: CloudObservation) -> Limit:
    """Return a limit with what is used of it beside the instances that were observed."""
    ours = sum(limit.units(row.machine_type, row.market) for row in observation.instances if row.phase.is_live)
    return attrs.evolve(limit, used=max(0, limit.used - ours))


def load(world: World, ledger: Ledger, observation: CloudObservation, mute: Collection[InstanceId] = ()) -> None:
    """Put every observed instance into the world, in the order of the observation, and its key into the ledger.

    The health of those that are `mute` never becomes known.
    """
    keys: dict[LaunchKey, list[InstanceId]] = {}
    for row in observation.instances:
        if row.id in mute:
            world.place(Vm(row, fate=MUTE), None, 0.0)
            keys.setdefault(row.key, []).append(row.id)
            continue
        shunned = observation.members.get(row.id, OUTSIDE).membership is Membership.UNHEALTHY
        _load(world, row, observation.probed.get(row.id, Health.UNKNOWN), shunned=shunned)
        keys.setdefault(row.key, []).append(row.id)
    for key, ids in keys.items():
        known = {naming.instance_id(key, ordinal): ordinal for ordinal in range(len(ids))}
        ledger.made(key, UNKNOWN, {known.get(id, STRANGE + place): id for place, id in enumerate(ids)})


def _load(world: World, row: Instance, probed: Health, *, shunned: bool) -> None:
    latencies = world.spec.capabilities.latencies
    running_at = row.launched_at + latencies.boot_s
    ready_at = running_at + latencies.ready_s
    if row.phase is PENDING:
        world.place(Vm(row), Turn.RUN, max(world.at, running_at))
    elif row.phase is TERMINATING:
        world.place(Vm(row), Turn.GONE, world.at + latencies.terminate_s)
    elif row.phase is not RUNNING:
        world.place(Vm(row), None, 0.0)
    elif _is_starting(world, row, probed) and ready_at > world.at:
        world.place(Vm(row), Turn.WELL, ready_at)
    else:
        word = row.health if probed is Health.UNKNOWN else probed
        if word is Health.UNKNOWN and shunned:
            word = UNHEALTHY
        own = UNHEALTHY if word is UNHEALTHY else HEALTHY
        shown = own if world.spec.capabilities.native_health else row.health
        if row.health is not shown:
            row = changed(row, phase=row.phase, health=shown, kept_until=row.kept_until)
        world.place(Vm(row, own=own), None, 0.0)


def _is_starting(world: World, row: Instance, probed: Health) -> bool:
    """Whether nobody calls it healthy, the provider doesn't call it sick, and somebody was in a position to tell."""
    asked = probed is not Health.UNKNOWN or world.spec.capabilities.native_health
    return asked and probed is not HEALTHY and row.health is Health.UNKNOWN
