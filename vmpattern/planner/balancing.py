"""What a person should know of balancers that couldn't be read. Pure."""

from collections.abc import Iterator

from vmpattern.model import Fleet, Observation, options_text


def balancer_notes(observation: Observation, fleet: Fleet) -> Iterator[str]:
    """Say which balancers of a fleet couldn't be read, its own and those that it has left, and what follows."""
    follows = "whether its instances serve isn't known" if fleet.size else "its instances end undrained"
    for cloud in observation.clouds.values():
        if fleet.name in cloud.unread_balancers:
            yield f"its balancer in {cloud.name} can't be read, so {follows}: {cloud.unread_balancers[fleet.name]}"
        for former in cloud.former:
            if former.fleet == fleet.name and former.error is not None:
                left = f"the balancer {options_text(former.balancer)} in {cloud.name}, which it was behind,"
                if former.gone:
                    yield f"{left} isn't there any more: {former.error}"
                else:
                    yield f"{left} can't be read, so its instances stay members, or end undrained: {former.error}"
