"""No image that is in use, or that somebody will want, is among those that may go, whatever there is."""

import random
from collections.abc import Sequence

import attrs
from hypothesis import given, strategies as st
from situations import NOW, deployment, fleet, instance

from vmpattern.errors import Problem, SpecError
from vmpattern.model import (
    CloudObservation,
    Contents,
    Deployment,
    Existing,
    Image,
    ImageId,
    ImageState,
    Instance,
    Observation,
    Phase,
    Recipe,
)
from vmpattern.naming import BUILDERS
from vmpattern.planner import image_uses, recipe_name, resolve
from vmpattern.simulation import EC2_LIKE, machine_types

RECIPE = Recipe(base={"": "debian-12"}, run="/opt/serve", files={"/opt/serve": "serve"})
CONTENTS = {name: Contents(files={"/opt/serve": name[0] * 64}) for name in ("shop", "api")}
UNREADABLE = Contents(problems=(Problem("services.shop.image.files", "can't be read"),))
DIGESTS = {name: recipe_name(RECIPE, "demo", contents).digest for name, contents in CONTENTS.items()}
MADE = [*DIGESTS.items(), ("shop", "d" * 32), ("shop", "e" * 32), ("of-old", "d" * 32), ("of-old", DIGESTS["api"])]
"""What images are made of: services that are wanted, as they are and as they were, and one that is forgotten."""

IDS = [ImageId(f"img-{number}") for number in range(8)]

images = st.lists(
    st.builds(
        lambda id, made, age, base, state, verified: Image(
            id=id,
            cloud="demo",
            deployment="shop",
            service=made[0],
            digest=made[1],
            created_at=NOW - 100.0 * age,
            base=base,
            state=state,
            verified=verified,
        ),
        st.sampled_from(IDS),
        st.sampled_from(MADE),
        st.integers(0, 4),
        st.sampled_from(IDS),
        st.sampled_from([ImageState.AVAILABLE, ImageState.AVAILABLE, *ImageState]),
        st.sampled_from([True, True, False]),
    ),
    unique_by=lambda image: image.id,
)
instances = st.lists(
    st.builds(
        lambda number, image, phase, bakes: attrs.evolve(
            instance(f"i-{number}", fleet=BUILDERS if bakes else "web"),
            revision=bakes or "r1",
            image=image,
            phase=phase,
        ),
        st.integers(0, 99),
        st.sampled_from(IDS),
        st.sampled_from(Phase),
        st.none() | st.sampled_from([digest for _, digest in MADE]),
    ),
    max_size=5,
    unique_by=lambda one: one.id,
)


def wanted(existing: str | None) -> Deployment:
    """A deployment of two services that are baked, one of which may run an image as it is."""
    whole = deployment(fleet(2))
    shop = attrs.evolve(whole.services["shop"], image=RECIPE)
    source = Existing(ids={"demo": existing}) if existing else RECIPE
    return attrs.evolve(whole, services={"shop": shop, "api": attrs.evolve(shop, name="api", image=source)})


def seen(
    found: Sequence[Image], running: Sequence[Instance], base: ImageId, existing: str | None, contents: Contents
) -> Observation:
    cloud = CloudObservation(
        name="demo",
        at=NOW,
        capabilities=EC2_LIKE,
        machine_types=machine_types(("a", "b")),
        images=tuple(found),
        instances=tuple(running),
        resolved={"debian-12": base, **({existing: ImageId(existing)} if existing else {})},
    )
    return Observation(at=NOW, clouds={"demo": cloud}, contents={**CONTENTS, "shop": contents})


@given(
    images,
    instances,
    st.sampled_from(IDS),
    st.none() | st.sampled_from(IDS),
    st.sampled_from([CONTENTS["shop"], UNREADABLE]),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_what_may_go_is_nothing_that_anybody_needs(
    found: list[Image],
    running: list[Instance],
    base: ImageId,
    existing: str | None,
    contents: Contents,
    keep: int,
    chance: random.Random,
) -> None:
    whole, observed = wanted(existing), seen(found, running, base, existing, contents)
    go = {use.image.id for use in image_uses(whole, observed, keep=keep) if not use.needed}
    by_age = sorted(found, key=lambda image: (image.created_at, image.id), reverse=True)
    shuffled = [chance.sample(rows, len(rows)) for rows in (found, running)]
    again = image_uses(whole, seen(*shuffled, base, existing, contents), keep=keep)

    assert go <= {image.id for image in found}
    assert not go & {one.image for one in running if one.phase.is_live}
    assert not go & {image.id for image in found if image.state is ImageState.PENDING}
    assert not go & {base, existing}
    assert not go & launched_from(whole, observed, *whole.services)
    for service in {image.service for image in found}:
        made = [image.id for image in by_age if image.service == service and image.is_usable]
        assert not go & set(made[:keep])
    baking = {one.revision for one in running if one.fleet == BUILDERS and one.phase.is_live}
    being_verified = [image for image in found if image.digest in baking and image.state is ImageState.AVAILABLE]
    assert not go & {image.id for image in being_verified if not image.verified}
    for name, service in whole.services.items():
        if isinstance(service.image, Recipe):
            for image in launched_from(whole, observed, name):
                assert not go & had_before(image, name, found, running)
    if contents is UNREADABLE:
        assert not go & {image.id for image in found if image.service == "shop"}
    assert go == {use.image.id for use in again if not use.needed}


def launched_from(whole: Deployment, observed: Observation, *services: str) -> set[ImageId]:
    """The images that a fleet of each service would be launched from now; of one that can't be told, none."""
    chosen: set[ImageId] = set()
    for service in services:
        try:
            slots = resolve(whole, attrs.evolve(whole.fleets["web"], service=service), observed, refresh=False).slots
        except SpecError:
            continue
        chosen.update(slot.image for slot in slots)
    return chosen


def had_before(wanted: ImageId, service: str, found: Sequence[Image], running: Sequence[Instance]) -> set[ImageId]:
    """The youngest older image of the service, where no instance runs from another of its images than the wanted."""
    alike = [image for image in found if image.is_usable and image.service == service]
    others = [image for image in alike if image.id != wanted]
    one = next((image for image in alike if image.id == wanted), None)
    if one is None or {image.id for image in others} & {row.image for row in running if row.phase.is_live}:
        return set()
    older = [image for image in others if (image.created_at, image.id) < (one.created_at, one.id)]
    return {max(older, key=lambda image: (image.created_at, image.id)).id} if older else set()


@given(images, instances, st.integers(0, 3))
def test_of_a_cloud_that_cannot_be_read_nothing_may_go(found: list[Image], running: list[Instance], keep: int) -> None:
    observed = seen(found, running, IDS[0], None, CONTENTS["shop"])
    blind = attrs.evolve(observed, clouds={"demo": attrs.evolve(observed.clouds["demo"], error="no answer")})

    assert () == image_uses(wanted(None), blind, keep=keep)
