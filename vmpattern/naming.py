"""The names that vmpattern gives: labels, revisions and launch keys. Values in, strings out.

Labels are the state, so their form is a contract: keys of at most 63 characters, values of `[a-z0-9_-]{1,63}`, at most
ten of them, so that every cloud takes them as they are.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter

import attrs

from vmpattern.model import (
    Contents,
    Fleet,
    ImageId,
    InstanceId,
    LaunchKey,
    Market,
    Options,
    Placement,
    Recipe,
    Revision,
    Secret,
    Service,
    is_name,
)

DEPLOYMENT = "vmpattern-deployment"
FLEET = "vmpattern-fleet"
REVISION = "vmpattern-revision"
INPUTS = "vmpattern-inputs"
KEY = "vmpattern-key"
PREVIOUS = "vmpattern-from"
KEPT_UNTIL = "vmpattern-kept-until"
SERVICE = "vmpattern-service"
DIGEST = "vmpattern-digest"
BASE = "vmpattern-base"
RECIPE = "vmpattern-recipe"
BUILDER = "vmpattern-made-of"
VERIFIED = "vmpattern-verified"
"""The label of an image that a bake has verified; it is set after everything else, and never removed."""
YES = "yes"

BUILDERS = "_builders"
"""The fleet of those that images are made of; no fleet of a file can be named so."""


def digest(*parts: object, size: int = 12) -> str:
    """Return `size` hexadecimal digits that depend on every part, in order; at most 64.

    Parts are compared by their JSON form with sorted keys.
    """
    return hashlib.sha256(_FORM.encode(parts).encode()).hexdigest()[:size]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Secret):
        return {"secret": value.ref}
    raise TypeError(f"{type(value).__name__} has no form to digest")


_FORM = json.JSONEncoder(sort_keys=True, default=_plain, separators=(",", ":"))


_INPUTS = {"i": "image", "e": "env", "r": "resources", "m": "machine_type", "p": "port", "o": "options"}
"""One letter for each part of a revision, and the field that a person changed."""
_INPUT_SIZE = 6


@attrs.frozen
class Inputs:
    """The parts of a revision: a revision digest of all, and a short digest of each for telling what changed."""

    revision: Revision
    text: str


def inputs(service: Service, fleet: Fleet, placement: Placement, image: str) -> Inputs:
    """Return the revision of one placement's inputs as written; `image` is the image id or its content digest.

    Guarantees:
        Only what is written enters: no price, no resolved machine type, no zone, size, weight or rollout policy, and no
        order of keys. Secrets enter as references.
    """
    resources = service.resources
    by_type = placement.machine_type is not None
    parts = {
        "i": image,
        "e": service.env,
        "r": [resources.disk_gib] if by_type else [resources.vcpus, resources.memory_mib, resources.disk_gib],
        "m": placement.machine_type,
        "p": service.port,
        "o": [placement.options, placement.market.value],
    }
    text = "-".join(letter + digest(part, size=_INPUT_SIZE) for letter, part in parts.items())
    return Inputs(Revision(digest(fleet.name, parts)), text)


def changed_inputs(before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    """Compare two `Inputs.text`: (field, digest before, digest after) of each part that differs.

    A part that one side lacks (labels of another version) counts as different, with an empty digest.
    """
    return _changed(_INPUTS, before, after)


def options_digest(options: Options, market: Market) -> str:
    """Return the digest in an `Inputs.text` of a placement's options and its market."""
    return digest([options, market.value], size=_INPUT_SIZE)


def image_input(inputs: str) -> str:
    """Return the digest of the image in an `Inputs.text`; empty where there is none."""
    return _digests(inputs).get("i", "")


def image_digest(image: str) -> str:
    """Return what `image_input` has of an image id or content digest."""
    return digest(image, size=_INPUT_SIZE)


def _changed(fields: Mapping[str, str], before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    was, now = (_digests(text) for text in (before, after))
    letters = [letter for letter in fields if was.get(letter) != now.get(letter)]
    return tuple((fields[letter], was.get(letter, ""), now.get(letter, "")) for letter in letters)


def _digests(text: str) -> dict[str, str]:
    return {part[0]: part[1:] for part in text.split("-") if part}


RECIPE_FORMAT = 1
"""The form of what a recipe is made into. Another one makes other digests, so every image is baked again."""

_RECIPE = {"b": "base", "p": "provision", "v": "variables", "r": "run", "f": "files"}
_FILES_TOLD = 5
"""Of so many files a label has a digest each; where there are more, it only tells that one of them changed."""


@attrs.frozen
class RecipeName:
    """A recipe's content digest, and a short digest of each of its parts for telling what changed."""

    digest: str
    text: str


def recipe(base: str, recipe: Recipe, contents: Contents) -> RecipeName:
    """Return the names of what a recipe makes in one cloud, from a base as written.

    Guarantees:
        Only what gets into the image enters: no path on this disk, no time, no order, and not what the base stands for.
    """
    parts = {"b": base, "p": contents.provision, "r": recipe.run, "f": contents.files}
    if recipe.variables:
        parts["v"] = recipe.variables
    text = "-".join(letter + digest(part, size=4) for letter, part in parts.items())
    if 0 < len(contents.files) <= _FILES_TOLD:
        files = (digest(path, size=3) + digest(part, size=3) for path, part in sorted(contents.files.items()))
        text += "-x" + "".join(files)
    return RecipeName(digest(RECIPE_FORMAT, parts), text)


def refreshed(recipe_digest: str, base: ImageId) -> str:
    """Return the digest of an image that is baked again because its base has moved."""
    return f"{recipe_digest}-{digest(base, size=6)}"


def is_of_recipe(image_digest: str, recipe_digest: str) -> bool:
    """Tell whether an image's digest is that of a recipe, refreshed or not."""
    return image_digest.partition("-")[0] == recipe_digest


def changed_recipe(before: str, after: str, paths: Iterable[str]) -> tuple[tuple[str, str, str], ...]:
    """Compare two `RecipeName.text`: (field, digest before, digest after) of each part that differs.

    `paths` are those of the files after; one that is gone is told as `files`.
    """
    told: list[tuple[str, str, str]] = []
    for field, was, now in _changed(_RECIPE, before, after):
        told += (field == "files" and _changed_files(before, after, paths)) or [(field, was, now)]
    return tuple(told)


def _changed_files(before: str, after: str, paths: Iterable[str]) -> list[tuple[str, str, str]]:
    was, now = (_file_digests(text) for text in (before, after))
    if not was or not now or was.keys() - now.keys():
        return []
    names = {digest(path, size=3): path for path in paths}
    return [
        (f'files["{names[short]}"]', was.get(short, ""), part)
        for short, part in now.items()
        if short in names and was.get(short) != part
    ]


def _file_digests(text: str) -> dict[str, str]:
    files = _digests(text).get("x", "")
    return {files[at : at + 3]: files[at + 3 : at + 6] for at in range(0, len(files), 6)}


@attrs.frozen(kw_only=True)
class KeyScope:
    """What a launch key depends on, apart from the instances that are visible and the attempt.

    `inputs` is a digest of what the request says besides and the revision doesn't cover. `written` is the form of all
    of it, found once, since a fleet needs many keys.
    """

    deployment: str
    fleet: str
    revision: Revision
    cloud: str
    zone: str
    machine_type: str
    market: str
    image: ImageId
    inputs: str = ""
    written: str = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(lambda scope: _written(scope), takes_self=True)
    )


def _written(scope: KeyScope) -> str:
    return _FORM.encode(_PARTS(scope))[:-1]


def launch_key(
    scope: KeyScope, *, count: int, visible: int, attempt: int, previous: Revision | None = None
) -> LaunchKey:
    """Return the key of a launch: who sees the same instances asks under the same key.

    Everything that is written of the request is in it, by the scope and its revision; values of secrets never are.

    `visible` is the sum of the visible instances' `id_digest`; `attempt` counts spent keys and like launches in flight.
    """
    form = f'{scope.written},{count},"{visible:x}","{previous or ""}",{attempt}]'
    return LaunchKey("k" + hashlib.sha256(form.encode()).hexdigest()[:31])


_PARTS = attrgetter(*(field.name for field in attrs.fields(KeyScope) if field.init))


def id_digest(instance: InstanceId) -> int:
    """Return one instance's part in the digest of a set: parts add up modulo 2**128, in any order."""
    return int.from_bytes(hashlib.blake2b(instance.encode(), digest_size=16).digest(), "big")


def launch_labels(
    *, deployment: str, fleet: str, revision: Revision, inputs: str, key: LaunchKey, previous: Revision | None
) -> dict[str, str]:
    """Return the labels that a driver sets in the very call that launches; immutable afterwards."""
    labels = {DEPLOYMENT: deployment, FLEET: fleet, REVISION: revision, INPUTS: inputs, KEY: key}
    return {name: value for name, value in {**labels, PREVIOUS: previous or ""}.items() if value}


@attrs.frozen(kw_only=True)
class LaunchLabels:
    """The labels of a VM of ours, as they were read; times are epoch seconds."""

    deployment: str
    fleet: str
    revision: Revision
    key: LaunchKey
    inputs: str = ""
    previous: Revision | None = None
    kept_until: float | None = None


def read_labels(labels: Mapping[str, str]) -> LaunchLabels | str:
    """Read a VM's labels: those of `launch_labels`, and `KEPT_UNTIL`; others aren't looked at.

    Returns:
        What they say, or why they can't be what vmpattern wrote, as in "it has no label vmpattern-fleet". Such a VM
        isn't known to be ours, and is neither counted nor touched.
    """
    deployment, kept_until = labels.get(DEPLOYMENT, ""), labels.get(KEPT_UNTIL, "")
    fleet, revision, key, inputs, previous = (labels.get(name, "") for name in (FLEET, REVISION, KEY, INPUTS, PREVIOUS))
    if not deployment:
        return f"it has no label {DEPLOYMENT}"
    if problem := unreadable(fleet, revision, key, inputs, previous):
        return problem
    if kept_until and not _MOMENT.fullmatch(kept_until):
        return f"{_shown(KEPT_UNTIL, kept_until)}, which is no time in epoch seconds"
    return LaunchLabels(
        deployment=deployment,
        fleet=fleet,
        revision=Revision(revision),
        key=LaunchKey(key),
        inputs=inputs,
        previous=Revision(previous) if previous else None,
        kept_until=float(kept_until) if kept_until else None,
    )


@lru_cache(maxsize=16384)
def unreadable(fleet: str, revision: str, key: str, inputs: str, previous: str) -> str:
    """Return why these can't be the labels of a launch, as `read_labels` says it; empty if they can."""
    for name, value in ((FLEET, fleet), (REVISION, revision), (KEY, key)):
        if not value:
            return f"it has no label {name}"
    if not is_name(fleet) and fleet != BUILDERS:
        return f"{_shown(FLEET, fleet)}, which is no fleet's name"
    for name, value in ((REVISION, revision), (KEY, key), (INPUTS, inputs), (PREVIOUS, previous)):
        if value and not _VALUE.fullmatch(value):
            return f"{_shown(name, value)}, which vmpattern never writes"
    return ""


_VALUE = re.compile("[a-z0-9_-]{1,63}")
_MOMENT = re.compile("[0-9]{1,12}")
_SHOWN = 40


def _shown(name: str, value: str) -> str:
    return f"its label {name} is {value[:_SHOWN] + ('...' if len(value) > _SHOWN else '')!r}"


def base_label(base: ImageId) -> str:
    """Return how a label tells an image's base: by its id, or by a digest of an id that fits into no label."""
    return base if _VALUE.fullmatch(base) else "h" + digest(base)


def builder_label(builder: InstanceId) -> str:
    """Return how a label names the builder that an image was made of: ids fit into no label on some clouds."""
    return digest("builder", builder)


def image_labels(
    *, deployment: str, service: str, digest: str, base: ImageId, builder: InstanceId, recipe: str = ""
) -> dict[str, str]:
    """Return the labels that a driver gives to an image."""
    labels = {DEPLOYMENT: deployment, SERVICE: service, DIGEST: digest, BASE: base_label(base), RECIPE: recipe}
    labels[BUILDER] = builder_label(builder)
    return {name: value for name, value in labels.items() if value}


@attrs.frozen(kw_only=True)
class ImageLabels:
    """The labels of an image of ours, as they were read."""

    deployment: str
    service: str
    digest: str
    base: str = ""
    recipe: str = ""
    builder: str = ""
    verified: bool = False


def read_image_labels(labels: Mapping[str, str]) -> ImageLabels | str:
    """Read an image's labels: those of `image_labels`, and `VERIFIED`; others aren't looked at.

    Returns:
        What they say, or why they can't be what vmpattern wrote. Such an image is neither listed nor deleted.
    """
    names = (DEPLOYMENT, SERVICE, DIGEST, BASE, RECIPE, BUILDER)
    deployment, service, digest, base, recipe, builder = (labels.get(name, "") for name in names)
    for name, value in ((DEPLOYMENT, deployment), (SERVICE, service), (DIGEST, digest)):
        if not value:
            return f"it has no label {name}"
    if not is_name(service):
        return f"{_shown(SERVICE, service)}, which is no service's name"
    for name, value in ((DIGEST, digest), (BASE, base), (RECIPE, recipe), (BUILDER, builder)):
        if value and not _VALUE.fullmatch(value):
            return f"{_shown(name, value)}, which vmpattern never writes"
    return ImageLabels(
        deployment=deployment,
        service=service,
        digest=digest,
        base=base,
        recipe=recipe,
        builder=builder,
        verified=labels.get(VERIFIED) == YES,
    )


def instance_id(key: LaunchKey, ordinal: int) -> InstanceId:
    """Return a name for an instance of a launch: the same key and ordinal give the same one, and no others do.

    For drivers that declare `Idempotency.INSTANCE`. Simulated clouds take it as the id too.
    """
    return InstanceId("i-" + hashlib.blake2b(f"{key}/{ordinal}".encode(), digest_size=6).hexdigest())
