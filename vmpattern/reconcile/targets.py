"""What a plan asks of each fleet, put together once its images are there."""

from collections.abc import Mapping

from vmpattern.access.environments import Environment
from vmpattern.model import AnySlot, BakeOutcome, ImageId, Observation, PendingSlot, Plan, Unbaked
from vmpattern.reconcile.former_balancers import former_balancers, recorded_balancers
from vmpattern.reconcile.reconcile import FleetOrder
from vmpattern.store.record import Recorded


def fleet_orders(
    plan: Plan,
    found: Mapping[str, Environment],
    observation: Observation,
    recorded: Recorded,
    baked: BakeOutcome,
) -> list[FleetOrder]:
    """Compose the orders; slots that waited for an image have the one that was baked."""
    images = {(result.cloud, result.digest): result.image for result in baked.results}
    return [
        FleetOrder(
            fleet=fleet,
            slots=tuple(_with_image(slot, images) for slot in plan.fleets[name].slots),
            named=frozenset(plan.fleets[name].terminates),
            former=former_balancers(observation, name),
            recorded=recorded_balancers(recorded, plan.deployment, observation, fleet),
            env=found[name].values,
            no_launch=found[name].lacks,
        )
        for name, fleet in plan.deployment.fleets.items()
    ]


def _with_image(slot: AnySlot, images: Mapping[tuple[str, str], ImageId | None]) -> AnySlot:
    if isinstance(slot, PendingSlot) and isinstance(slot.image, Unbaked):
        image = images.get((slot.cloud, slot.image.digest))
        return slot.with_image(image) if image is not None else slot
    return slot
