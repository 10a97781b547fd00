"""Instances that bakes launched and that still run: which they are, and what a person should know of them. Pure."""

from collections.abc import Collection

from vmpattern import naming
from vmpattern.model import Instance, Observation


def builders(observation: Observation, *, besides: Collection[str] = ()) -> tuple[Instance, ...]:
    """Return what was launched to bake an image and still lives, but for the images whose digests are `besides`."""
    return tuple(
        one
        for one in observation.instances()
        if one.fleet == naming.BUILDERS and one.phase.is_live and one.revision not in besides
    )


def builder_note(builder: Instance) -> str:
    """Return the note about an instance that a bake launched; a bake may still be under way, which no list shows."""
    return (
        f"{builder.id} was launched to bake an image: if no bake is under way, `vmpattern bake` terminates it, at"
        " once if this machine launched it, else when it is overdue"
    )
