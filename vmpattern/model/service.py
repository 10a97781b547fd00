"""What runs: the service, the resources it needs, how its health is asked for, and where its image comes from."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.model.words import LONGEST_S, Secret, at_most, checked_name, not_negative, positive

MOST_ANSWERS = 1000
"""The largest `unhealthy_after`."""


@attrs.frozen(kw_only=True)
class Resources:
    """The least that one instance needs; memory in MiB, disk in GiB (0: the image's own size)."""

    vcpus: int = attrs.field(default=1, validator=positive)
    memory_mib: int = attrs.field(default=512, validator=positive)
    disk_gib: int = attrs.field(default=0, validator=not_negative)


@attrs.frozen(kw_only=True)
class HealthCheck:
    """How to ask an instance whether it serves: an HTTP path, or a TCP connection when `http` is None.

    `unhealthy_after` bad answers in a row make an instance unhealthy; one good answer makes it healthy.
    """

    http: str | None = None
    interval_s: float = attrs.field(default=5.0, validator=[positive, at_most(LONGEST_S)])
    timeout_s: float = attrs.field(default=2.0, validator=[positive, at_most(LONGEST_S)])
    unhealthy_after: int = attrs.field(default=3, validator=[positive, at_most(MOST_ANSWERS)])

    @property
    def patience_s(self) -> float:
        """Seconds of continuous bad answers after which an instance counts as unhealthy."""
        return self.interval_s * self.unhealthy_after


@attrs.frozen(kw_only=True)
class RemoteFile:
    """A file fetched by URL while baking, checked against its SHA-256."""

    url: str
    sha256: str


@attrs.frozen(kw_only=True)
class Recipe:
    """How to bake the service: a base image, files by their path in the image, a script, the start command.

    `base` maps cloud names to images; the empty name stands for every other cloud. `variables` are the script's
    environment: part of what the image is known by, and no place for secrets.
    """

    base: Mapping[str, str] = attrs.field(converter=immutabledict)
    run: str
    provision: str | None = None
    variables: Mapping[str, str] = attrs.field(factory=immutabledict, converter=immutabledict)
    files: Mapping[str, str | RemoteFile] = attrs.field(factory=immutabledict, converter=immutabledict)


@attrs.frozen
class Existing:
    """Images made elsewhere, by cloud name."""

    ids: Mapping[str, str] = attrs.field(converter=immutabledict)


@attrs.frozen
class PackerManifest:
    """A manifest file that Packer wrote; its artifacts are the images."""

    path: str


ImageSource = Recipe | Existing | PackerManifest


@attrs.frozen(kw_only=True)
class Service:
    """What runs in every instance of a fleet."""

    name: str = attrs.field(validator=checked_name)
    image: ImageSource
    port: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.in_(range(1, 65536)))
    )
    health: HealthCheck | None = None
    resources: Resources = Resources()
    env: Mapping[str, str | Secret] = attrs.field(factory=immutabledict, converter=immutabledict)

    def __attrs_post_init__(self) -> None:
        if self.health is not None and self.port is None:
            raise ValueError(f"service {self.name} has a health check but no port to ask")
