"""The names that vmpattern gives: labels, revisions and launch keys. Values in, strings out.

Labels are the state, so their form is a contract: keys of at most 63 characters, values of `[a-z0-9_-]{1,63}`, at most
ten of them, so that every cloud takes them as they are.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from operator import attrgetter

import attrs

from vmpattern.model import Fleet, ImageId, InstanceId, LaunchKey, Placement, Revision, Secret, Service

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
    text = "-".join(letter + digest(part, size=6) for letter, part in parts.items())
    return Inputs(Revision(digest(fleet.name, parts)), text)


def changed_inputs(before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    """Compare two `Inputs.text`: (field, digest before, digest after) of each part that differs.

    A part that one side lacks (labels of another version) counts as different, with an empty digest.
    """
    was, now = (_digests(text) for text in (before, after))
    letters = [letter for letter in _INPUTS if was.get(letter) != now.get(letter)]
    return tuple((_INPUTS[letter], was.get(letter, ""), now.get(letter, "")) for letter in letters)


def _digests(text: str) -> dict[str, str]:
    return {part[0]: part[1:] for part in text.split("-") if part}


@attrs.frozen(kw_only=True)
class KeyScope:
    """What a launch key depends on, apart from the instances that are visible and the attempt.

    `written` is the form of all of it, found once: so many keys follow from it.
    """

    deployment: str
    fleet: str
    revision: Revision
    cloud: str
    zone: str
    machine_type: str
    market: str
    image: ImageId
    written: str = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(lambda scope: _written(scope), takes_self=True)
    )


def _written(scope: KeyScope) -> str:
    return _FORM.encode(_PARTS(scope))[:-1]


def launch_key(scope: KeyScope, *, count: int, visible: int, attempt: int) -> LaunchKey:
    """Return the key of a launch: who sees the same instances asks under the same key.

    `visible` is the sum of the visible instances' `id_digest`; `attempt` counts spent keys and like launches in flight.
    """
    form = f'{scope.written},{count},"{visible:x}",{attempt}]'
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


def base_label(base: ImageId) -> str:
    """Return how a label tells an image's base: by its id, or by a digest of an id that fits into no label."""
    return base if re.fullmatch("[a-z0-9_-]{1,63}", base) else "h" + digest(base)


def image_labels(*, deployment: str, service: str, digest: str, base: ImageId) -> dict[str, str]:
    """Return the labels that a driver gives to an image."""
    return {DEPLOYMENT: deployment, SERVICE: service, DIGEST: digest, BASE: base_label(base)}


def instance_id(key: LaunchKey, ordinal: int) -> InstanceId:
    """Return the id of a simulated instance: the same key and ordinal give the same id."""
    return InstanceId("i-" + hashlib.blake2b(f"{key}/{ordinal}".encode(), digest_size=6).hexdigest())
