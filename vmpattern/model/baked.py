"""What is baked: the contents of a recipe as digests, images to bake and why, and what came of it."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

import enum
from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem
from vmpattern.model.words import ImageId, InstanceId, Options


@attrs.frozen(kw_only=True)
class Contents:
    """What a service's image is made of, as read: digests of its script and of each file by path in the image.

    `provision` is empty where there is no script. `existing` are the images by cloud that a Packer manifest names.
    `packed_bytes` is how large all of it is for a builder, 0 where no cloud has to know. `problems` are what couldn't
    be read; the rest is worth nothing then.
    """

    provision: str = ""
    files: Mapping[str, str] = attrs.field(factory=immutabledict, converter=immutabledict)
    existing: Mapping[str, str] = attrs.field(factory=immutabledict, converter=immutabledict)
    packed_bytes: int = 0
    problems: tuple[Problem, ...] = ()


@attrs.frozen(kw_only=True)
class Reason:
    """Why something changes: the field, what it was and what it will be (digests where values may be secret).

    `count` is how many instances, or images, that concerns.
    """

    field: str
    before: str | int | None
    after: str | int | None
    count: int


@attrs.frozen(kw_only=True)
class BuildSite:
    """Where a builder may run."""

    zone: str
    machine_type: str
    options: Options = immutabledict()


@attrs.frozen(kw_only=True)
class Bake:
    """An image to make: of which service, in which cloud, under which digest, from which base, and why.

    `base` is as written, `resolved` what it stands for now. `sites` are tried in order; `duration_s` is about how long
    it takes. Other services with the same digest use the same image.
    """

    service: str
    cloud: str
    digest: str
    recipe: str
    base: str
    resolved: ImageId
    sites: tuple[BuildSite, ...]
    duration_s: float
    disk_gib: int = 0
    reasons: tuple[Reason, ...] = ()


class BakeState(enum.Enum):
    """What came of a bake: the image was there, it was made, or it wasn't."""

    PRESENT = "present"
    BAKED = "baked"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@attrs.frozen(kw_only=True)
class BakeResult:
    """What came of one bake.

    `console` is the end of what the builder printed, where baking failed. `builder` is one that still runs, `image` is
    None where there is none. `code` and `message` tell what went wrong.
    """

    service: str
    cloud: str
    digest: str
    state: BakeState
    image: ImageId | None = None
    duration_s: float = 0.0
    code: str = ""
    message: str = ""
    console: str = ""
    builder: InstanceId | None = None


@attrs.frozen(kw_only=True)
class BakeOutcome:
    """The end of a bake: never raised, always returned."""

    results: tuple[BakeResult, ...]
    duration_s: float
    api_calls: int

    @property
    def ok(self) -> bool:
        """Whether every image is there."""
        return all(result.state in (BakeState.PRESENT, BakeState.BAKED) for result in self.results)
