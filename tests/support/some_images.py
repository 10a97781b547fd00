"""Images as values: of one recipe in one cloud, and what is chosen, baked and needed of them."""

from typing import Any

import attrs
from situations import NOW, deployment, fleet

from vmpattern.model import (
    CloudObservation,
    Contents,
    Deployment,
    Image,
    ImageId,
    ImageSource,
    Instance,
    Observation,
    Recipe,
)
from vmpattern.planner import bakes, image_uses, recipe_name, resolve
from vmpattern.simulation import EC2_LIKE, machine_types

RECIPE = Recipe(base={"": "debian-12"}, run="/opt/serve", files={"/opt/serve": "serve"})
CONTENTS = Contents(files={"/opt/serve": "a" * 64})
DIGEST = recipe_name(RECIPE, "demo", CONTENTS).digest
OLD_BASE, NEW_BASE = ImageId("img-1"), ImageId("img-2")


def image(id: str, digest: str = DIGEST, *, age_s: float = 100.0, **facts: Any) -> Image:
    usual = Image(
        id=ImageId(id),
        cloud="demo",
        deployment="shop",
        service="shop",
        digest=digest,
        created_at=NOW - age_s,
        base=OLD_BASE,
        recipe=recipe_name(RECIPE, "demo", CONTENTS).text,
        verified=True,
    )
    return attrs.evolve(usual, **facts)


def cloud(
    *images: Image, instances: tuple[Instance, ...] = (), base: ImageId = OLD_BASE, **facts: Any
) -> CloudObservation:
    usual = CloudObservation(
        name="demo",
        at=NOW,
        capabilities=EC2_LIKE,
        machine_types=machine_types(("a", "b")),
        images=images,
        instances=instances,
        resolved={"debian-12": base, "web": base},
    )
    return attrs.evolve(usual, **facts)


def wanted(source: ImageSource = RECIPE, size: int = 2) -> Deployment:
    whole = deployment(fleet(size))
    return attrs.evolve(whole, services={"shop": attrs.evolve(whole.services["shop"], image=source)})


def seen(one: CloudObservation, contents: Contents = CONTENTS) -> Observation:
    return Observation(at=NOW, clouds={one.name: one}, contents={"shop": contents})


def slots(one: CloudObservation, *, source: ImageSource = RECIPE, refresh: bool = False, size: int = 2):
    whole = wanted(source, size)
    return resolve(whole, whole.fleets["web"], seen(one), refresh=refresh)


def planned(one: CloudObservation, *, contents: Contents = CONTENTS, refresh: bool = False):
    return bakes(wanted(), seen(one, contents), services=["shop"], refresh=refresh)


def uses(one: CloudObservation, *, keep: int = 1, contents: Contents = CONTENTS) -> dict[str, str]:
    found = image_uses(wanted(), seen(one, contents), keep=keep)
    return {use.image.id: use.needed for use in found}
