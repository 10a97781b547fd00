"""Whether a plan still fits: what is there now is held against what the plan was made from."""

from vmpattern.errors import Refused, StalePlan
from vmpattern.model import FleetPlan, Observation, Plan, Recipe
from vmpattern.planner import UNBAKED, UNRESOLVED, recipe_name, refuse_failing


def check_fresh(plan: Plan, observation: Observation) -> None:
    """Hold a plan against what is there now.

    Raises:
        StalePlan: instances came or went since, a cloud can be read that couldn't, a recipe's files changed, or an
            image is gone; the text names them.
        Refused: no cloud can be read.
        SpecError: a driver says that a launch of the plan is bound to fail.
    """
    if observation.clouds and all(cloud.error for cloud in observation.clouds.values()):
        errors = "; ".join(f"{cloud.name}: {cloud.error}" for cloud in observation.clouds.values())
        raise Refused(f"no cloud can be read, so nothing was touched: {errors}")
    _check_recipes(plan, observation)
    unread = {name for name, cloud in observation.clouds.items() if cloud.error}
    live = {instance.id: instance for instance in observation.instances() if instance.phase.is_live}
    for name, fleet in plan.fleets.items():
        labels = plan.deployment.fleets[name].labels
        there = {i for i, instance in live.items() if instance.fleet in labels}
        known = set(plan.observed.get(name, ()))
        came = sorted(there - known)
        went = sorted(i for i in set(fleet.terminates) - there if not unread)
        moved = [
            f"{', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''} {word}"
            for ids, word in ((came, "came"), (went, "went"))
            if ids
        ]
        blind = {
            slot.cloud for slot in fleet.slots if UNRESOLVED in (slot.zone, slot.machine_type, slot.image)
        } - unread
        if blind and fleet.size:
            clouds = ", ".join(sorted(blind))
            raise StalePlan(f"the plan was made while {clouds} couldn't be read, and now it can: make a new plan")
        if moved:
            raise StalePlan(f"fleet {name} has moved since the plan was made ({'; '.join(moved)}): make a new plan")
    refuse_failing(plan.fleets, observation)


def _check_recipes(plan: Plan, observation: Observation) -> None:
    """Hold the recipes of fleets that run against their files, and their images against those that are there."""
    for name, fleet in plan.fleets.items():
        service = plan.deployment.services[plan.deployment.fleets[name].service]
        if not fleet.size or not isinstance(service.image, Recipe):
            continue
        contents = observation.contents[service.name]
        if contents.problems:
            raise StalePlan(f"the files of {service.name} can't be read any more: {contents.problems[0].message}")
        planned = plan.recipes.get(service.name, {})
        if any(recipe_name(service.image, cloud, contents).digest != digest for cloud, digest in planned.items()):
            raise StalePlan(f"the recipe or files of {service.name} have changed since the plan: make a new plan")
        _check_images(fleet, observation)


def _check_images(fleet: FleetPlan, observation: Observation) -> None:
    for slot in fleet.slots:
        cloud = observation.clouds[slot.cloud]
        known = slot.image == UNRESOLVED or slot.image.startswith(UNBAKED)
        if cloud.error is None and not known and slot.image not in {image.id for image in cloud.images}:
            raise StalePlan(
                f"the image {slot.image} is gone from {slot.cloud} since the plan was made: make a new plan"
            )
