"""Whether a plan still fits: what is there now is held against what the plan was made from."""

from vmpattern.errors import Refused, StalePlan
from vmpattern.model import Action, FleetPlan, Observation, PendingSlot, Plan, Recipe, Slot
from vmpattern.planner import recipe_name, refuse_failing, refuse_overlaps


def check_fresh(plan: Plan, observation: Observation) -> None:
    """Hold a plan against what is there now.

    Raises:
        StalePlan: instances of its fleets came or went since, a cloud can be read that couldn't, a recipe's files
            changed, or an image is gone or isn't verified; the text names them.
        Refused: no cloud can be read.
        SpecError: a driver says that a launch of the plan is bound to fail, or two cloud entries are one account and
            region.
    """
    if observation.clouds and all(cloud.error for cloud in observation.clouds.values()):
        errors = "; ".join(f"{cloud.name}: {cloud.error}" for cloud in observation.clouds.values())
        raise Refused(f"no cloud can be read, so nothing was touched: {errors}")
    refuse_overlaps(observation)
    _check_recipes(plan, observation)
    unread = {name for name, cloud in observation.clouds.items() if cloud.error}
    for name, fleet in plan.fleets.items():
        pending = (slot for slot in fleet.slots if fleet.size and isinstance(slot, PendingSlot))
        blind = {slot.cloud for slot in pending if not slot.is_resolved} - unread
        if blind:
            clouds = ", ".join(sorted(blind))
            raise StalePlan(f"the plan was made while {clouds} couldn't be read, and now it can: make a new plan")
        leaves = any(step.action is Action.DEREGISTER and step.fleet == name for step in plan.steps)
        if leaves and not any(former.fleet == name for cloud in observation.clouds.values() for former in cloud.former):
            raise StalePlan(f"the balancer that fleet {name} had before isn't known any more: make a new plan")
    refuse_failing(plan.fleets, observation)
    _check_instances(plan, observation, all_read=not unread)


def _check_instances(plan: Plan, observation: Observation, *, all_read: bool) -> None:
    """Hold the instances that the plan knows against those that are there.

    What went may be in a cloud that can't be read: that is known only where all can.
    """
    live = [instance for instance in observation.instances() if instance.phase.is_live]
    moved: list[str] = []
    any_came = False
    for name in plan.fleets:
        labels = plan.deployment.fleets[name].labels
        there = {instance.id for instance in live if instance.fleet in labels}
        known = set(plan.observed.get(name, ()))
        came, went = sorted(there - known), sorted(known - there) if all_read else []
        told = [
            f"{', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''} {word}"
            for ids, word in ((came, "came"), (went, "went"))
            if ids
        ]
        if told:
            moved.append(f"fleet {name} has moved since the plan was made ({'; '.join(told)})")
        any_came = any_came or bool(came)
    if moved:
        raise StalePlan(f"{', and '.join(moved)}: make a new plan", only_went=not any_came)


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
        if cloud.error is not None or not isinstance(slot, Slot):
            continue
        image = next((image for image in cloud.images if image.id == slot.image), None)
        if image is None or not image.is_usable:
            what = "is gone from" if image is None else "can't be used yet in"
            raise StalePlan(f"the image {slot.image} {what} {slot.cloud} since the plan was made: make a new plan")
