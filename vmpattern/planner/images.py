"""From what is written of an image to the image that is launched, or to the bake that makes it. Pure."""

from collections.abc import Iterator, Sequence

import attrs

from vmpattern import naming
from vmpattern.errors import Problem
from vmpattern.model import (
    AnySlot,
    CloudObservation,
    Contents,
    Existing,
    Fleet,
    Image,
    ImageId,
    ImageState,
    Instance,
    PackerManifest,
    PendingSlot,
    Reason,
    Recipe,
    Service,
    Unbaked,
)


@attrs.frozen(kw_only=True)
class Chosen:
    """The image of a service in one cloud.

    `written` enters the revision: the content digest of a recipe, or an image as written. `id` is launched; None: it
    isn't known. `recipe`, `base` and `resolved` are those of a recipe.
    """

    written: str
    id: ImageId | Unbaked | None
    recipe: str = ""
    base: str = ""
    resolved: ImageId = ImageId("")
    notes: tuple[str, ...] = ()

    @property
    def to_bake(self) -> bool:
        """Whether there is no such image yet."""
        return isinstance(self.id, Unbaked)


def as_if_baked(slot: AnySlot) -> AnySlot:
    """Return a slot that waits for its image as if that were there: to assess and to forecast, never to launch."""
    if isinstance(slot, PendingSlot) and isinstance(slot.image, Unbaked):
        return slot.with_image(ImageId(slot.image.digest))
    return slot


class NoImage(Exception):
    """There is none, and none can be baked: holds the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def choose(
    service: Service, cloud: CloudObservation, contents: Contents, *, fleet: Fleet | None = None, refresh: bool = False
) -> Chosen:
    """Choose the image of a service in a cloud.

    What a base or an existing image stands for is taken from the images, or from the fleet's instances, that show it;
    with `refresh` it is what it stands for now.

    Raises:
        NoImage: nothing is written for this cloud, it can't be read, or it isn't there.
    """
    path = f"services.{service.name}.image"
    if contents.problems:
        raise NoImage(contents.problems[0])
    match service.image:
        case Recipe() as recipe:
            return _baked(recipe, path, cloud, contents, refresh)
        case Existing() as existing:
            return _existing(existing.ids.get(cloud.name), f"{path}.existing.{cloud.name}", cloud, fleet, refresh)
        case PackerManifest():
            return _existing(contents.existing.get(cloud.name), f"{path}.packer_manifest", cloud, fleet, refresh)


def recipe_name(recipe: Recipe, cloud: str, contents: Contents) -> naming.RecipeName:
    """Return the names of what a recipe makes in a cloud."""
    return naming.recipe(recipe.base.get(cloud, recipe.base.get("", "")), recipe, contents)


def _baked(recipe: Recipe, path: str, cloud: CloudObservation, contents: Contents, refresh: bool) -> Chosen:
    base = recipe.base.get(cloud.name, recipe.base.get("", ""))
    if not base:
        raise NoImage(Problem(f"{path}.base", f"names no base for the cloud {cloud.name}"))
    name = recipe_name(recipe, cloud.name, contents)
    made = family(cloud.images, name.digest)
    resolved = cloud.resolved.get(base, ImageId(""))
    usable = [image for image in made if image.is_usable]
    # One that isn't usable yet takes the place of none that is: a bake may be under way, or was cut short.
    newest = next(reversed(usable or made), None)
    digest = newest.digest if newest else name.digest
    notes: tuple[str, ...] = ()
    if newest is not None and resolved and newest.base != naming.base_label(resolved):
        if refresh:
            digest = naming.refreshed(name.digest, resolved)
        else:
            notes = (f"the base {base} has moved from {newest.base} to {resolved}: --refresh bakes it anew",)
    ready = [image for image in usable if image.digest == digest]
    if not ready:
        notes += tuple(_unverified(made, digest))
    if not ready and cloud.error is None:
        _check_can_bake(base, path, cloud, contents)
    return Chosen(
        written=digest,
        id=ready[-1].id if ready else Unbaked(digest),
        recipe=name.text,
        base=base,
        resolved=resolved,
        notes=notes,
    )


def _unverified(made: Sequence[Image], digest: str) -> Iterator[str]:
    """Yield what a plan says of images that are there and aren't used, since no bake has verified them."""
    for image in made:
        if image.digest == digest and image.state is ImageState.AVAILABLE:
            yield f"the image {image.id} isn't verified, since its bake was cut short or goes on: nothing runs from it"


def too_large(cloud: str, script_bytes: int) -> str:
    """Return what is said of files that can neither be in a builder's script nor be staged."""
    return (
        f"more than fit into a script of {script_bytes:,} bytes on {cloud}, which can't stage them: put them where"
        ' builders can fetch them, and write { url = "...", sha256 = "..." }'
    )


def _check_can_bake(base: str, path: str, cloud: CloudObservation, contents: Contents) -> None:
    if not cloud.capabilities.baker:
        message = f"the driver of {cloud.name} can't bake: name images of that cloud in image.existing"
        raise NoImage(Problem(path, message))
    if base not in cloud.resolved:
        raise NoImage(Problem(f"{path}.base", cloud.unresolved.get(base, f"{cloud.name} has no image {base}")))
    can = cloud.capabilities
    # In a script they are base64, beside what does the work: what is close to the limit is told by the bake.
    if not can.staging and -(-contents.packed_bytes // 3) * 4 > can.script_bytes:
        raise NoImage(Problem(f"{path}.files", f"are {too_large(cloud.name, can.script_bytes)}"))


def family(images: Sequence[Image], recipe_digest: str) -> list[Image]:
    """Return the images of a recipe, refreshed ones too, that are there or on their way, the newest last."""
    made = [
        image
        for image in images
        if naming.is_of_recipe(image.digest, recipe_digest) and image.state is not ImageState.FAILED
    ]
    return sorted(made, key=lambda image: (image.created_at, image.id))


def _existing(written: str | None, path: str, cloud: CloudObservation, fleet: Fleet | None, refresh: bool) -> Chosen:
    if written is None:
        raise NoImage(Problem(path.removesuffix(f".{cloud.name}"), f"names no image for the cloud {cloud.name}"))
    resolved, missing = cloud.resolved.get(written), cloud.unresolved.get(written)
    baked = next((image for image in cloud.images if image.id == (resolved or written)), None)
    if baked is not None and not baked.is_usable:
        raise NoImage(Problem(path, f"{baked.id} can't be launched from: no bake has verified it yet"))
    shown = _shown(written, cloud.instances, fleet) if resolved or missing else None
    if shown is None and missing:
        raise NoImage(Problem(path, missing))
    if shown is None:
        return Chosen(written=written, id=resolved or ImageId(written))
    if resolved is None or shown.id == resolved:
        return shown
    if refresh:
        return Chosen(written=f"{written}@{resolved}", id=resolved)
    note = f"{written} has moved from {shown.id} to {resolved}: --refresh takes the new one"
    return attrs.evolve(shown, notes=(note,))


def _shown(written: str, instances: Sequence[Instance], fleet: Fleet | None) -> Chosen | None:
    """Return what the youngest instance of the fleet that runs an image so written shows that it stands for."""
    for instance in sorted(instances, key=lambda one: (one.launched_at, one.id), reverse=True):
        if fleet is None or instance.fleet != fleet.name or not instance.phase.is_live:
            continue
        for candidate in (written, f"{written}@{instance.image}"):
            if naming.image_input(instance.inputs) == naming.image_digest(candidate):
                return Chosen(written=candidate, id=instance.image)
    return None


def image_reasons(path: str, before: Image, after_recipe: str, after_base: str, contents: Contents) -> Iterator[Reason]:
    """Tell which parts of a recipe differ from those of an image that was baked before; of a base alike, that it moved.

    `after_base` is as an image's label has it.
    """
    changes = naming.changed_recipe(before.recipe, after_recipe, contents.files)
    for field, was, now in changes:
        yield Reason(field=f"{path}.{field}", before=was or None, after=now or None, count=1)
    if not changes and before.base != after_base:
        yield Reason(field=f"{path}.base", before=before.base or None, after=after_base, count=1)
