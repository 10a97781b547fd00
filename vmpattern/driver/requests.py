"""The values that pass between the reconciler and a driver: requests and reports."""

from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.errors import DriverError
from vmpattern.model import (
    Health,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    Market,
    Options,
    Revision,
    Standing,
)

_NO_ENV: immutabledict[str, str] = immutabledict()
_NO_OPTIONS: Options = immutabledict()


@attrs.frozen
class Selector:
    """Whose instances: a deployment's, or one fleet's of it."""

    deployment: str
    fleet: str | None = None

    def matches(self, instance: Instance) -> bool:
        """Tell whether the instance is selected."""
        return instance.deployment == self.deployment and self.fleet in (None, instance.fleet)


def _env(env: Mapping[str, str]) -> immutabledict[str, str]:
    return env if isinstance(env, immutabledict) else immutabledict(env)


@attrs.frozen(kw_only=True)
class LaunchRequest:
    """What to launch: `count` alike instances in one zone, bearing one key. Sent again, it is sent byte for byte.

    `env` is the service's environment with its secrets resolved: never to be logged, stored or put into an error.
    A `script` makes it a builder: the VM runs it once as root instead of a service, and when the script powers it off,
    it stays as STOPPED until it is ended.
    """

    key: LaunchKey
    count: int
    deployment: str
    fleet: str
    revision: Revision
    zone: str
    machine_type: str
    market: Market
    image: ImageId
    inputs: str = ""
    previous: Revision | None = None
    disk_gib: int = 0
    port: int | None = None
    env: Mapping[str, str] = attrs.field(default=_NO_ENV, converter=_env, repr=False)
    options: Options = _NO_OPTIONS
    script: str = attrs.field(default="", repr=False)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that each instance is to bear from the very call that creates it; immutable afterwards."""
        return naming.launch_labels(
            deployment=self.deployment,
            fleet=self.fleet,
            revision=self.revision,
            inputs=self.inputs,
            key=self.key,
            previous=self.previous,
        )


@attrs.frozen(kw_only=True)
class CaptureRequest:
    """Which stopped builder becomes an image, and what the image is.

    `recipe` tells the parts of what was baked apart: see `naming.recipe`.
    """

    builder: InstanceId
    deployment: str
    service: str
    digest: str
    base: ImageId
    recipe: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the image is to bear."""
        return naming.image_labels(
            deployment=self.deployment,
            service=self.service,
            digest=self.digest,
            base=self.base,
            builder=self.builder,
            recipe=self.recipe,
        )


@attrs.frozen(kw_only=True)
class LaunchReport:
    """What became of each instance of a launch: the four counts add up to the request's.

    `created` and `adopted` bear the request's key and aren't terminating; `failures` has an error for each that
    failed; `unknown` counts those of which nothing is known.
    """

    created: tuple[Instance, ...] = ()
    adopted: tuple[Instance, ...] = ()
    failures: tuple[DriverError, ...] = ()
    unknown: int = 0


@attrs.frozen(kw_only=True)
class Changes:
    """What changed since a cursor: rows, probes and where members stand; `total` is how many rows a list shows.

    `members` has an entry for each balancer that was asked for, in their order: where the rows that changed stand with
    it (one that isn't there is no member), or why the balancer can't be read.
    """

    cursor: int
    instances: tuple[Instance, ...]
    probed: Mapping[InstanceId, Health]
    members: tuple[Mapping[InstanceId, Standing] | DriverError, ...]
    total: int
