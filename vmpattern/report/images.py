"""Images as people and programs read them: where, of what, how old, and what they are needed for."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from vmpattern.bakery import Pruned
from vmpattern.model import Image, ImageState, Observation
from vmpattern.planner import ImageUse
from vmpattern.report import units
from vmpattern.report.tables import Column, table
from vmpattern.serialization import to_json


def render_images(uses: Sequence[ImageUse], observation: Observation, *, width: int | None) -> RenderableType:
    """Render a row for each image, and why a cloud's aren't there."""
    lines = list(table(_columns(uses, observation.at), width=width)) if uses else [Text("  no images")]
    lines += [
        Text(f"  {name} couldn't be read: {cloud.error}", "yellow")
        for name, cloud in observation.clouds.items()
        if cloud.error is not None
    ]
    return Group(*lines)


def _columns(uses: Sequence[ImageUse], now: float) -> list[Column]:
    images = [use.image for use in uses]
    ages = tuple((units.age(now - image.created_at), "") for image in images)
    return [
        Column("image", 0, tuple((image.id, "bold") for image in images)),
        Column("service", 1, tuple((image.service, "cyan") for image in images)),
        Column("cloud", 3, tuple((image.cloud, "") for image in images)),
        Column("digest", 4, tuple((image.digest, "") for image in images)),
        Column("base", 6, tuple((image.base, "dim") for image in images)),
        Column("state", 5, tuple(_state(image) for image in images)),
        Column("age", 3, ages, right=True),
        Column("needed", 2, tuple((use.needed or "no", "green" if use.needed else "yellow") for use in uses)),
    ]


def _state(image: Image) -> tuple[str, str]:
    """Return an image's state with its style; what is available and can't be used yet is shown as not verified."""
    if image.state is ImageState.AVAILABLE:
        return (image.state.value, "green") if image.is_usable else ("not verified", "yellow")
    return image.state.value, "red" if image.state is ImageState.FAILED else "yellow"


def render_pruned(pruned: Pruned | None) -> RenderableType:
    """Render what was deleted, and what couldn't be."""
    if pruned is None:
        return Text("Nothing to delete: every image is needed.", "green")
    lines = [Text(f"Deleted {units.many(len(pruned.deleted), 'image')}.", "green" if pruned.ok else "yellow")]
    lines += [Text(f"  {image}") for image in pruned.deleted]
    lines += [Text(f"{failure.scope}: {failure.code}: {failure.message}", "red") for failure in pruned.failures]
    return Group(*lines)


def images_to_json(uses: Sequence[ImageUse], observation: Observation) -> dict[str, object]:
    """Return the document of `images --json`."""
    return {
        "images": [
            {
                "id": use.image.id,
                "service": use.image.service,
                "cloud": use.image.cloud,
                "digest": use.image.digest,
                "base": use.image.base,
                "state": use.image.state.value,
                "verified": use.image.verified,
                "created_at": units.timestamp(use.image.created_at),
                "needed": use.needed,
            }
            for use in uses
        ],
        "unreadable": {name: cloud.error for name, cloud in observation.clouds.items() if cloud.error is not None},
    }


def pruned_to_json(useless: Sequence[ImageUse], pruned: Pruned | None) -> dict[str, object]:
    """Return the document of `images prune --json`; nothing is deleted where `pruned` is None."""
    return {
        "useless": [use.image.id for use in useless],
        "deleted": list(pruned.deleted) if pruned else [],
        "errors": [to_json(failure) for failure in pruned.failures] if pruned else [],
    }
