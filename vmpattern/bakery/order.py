"""What a bake is told: the image to make, and how its builder's script is made. And what may go wrong with it."""

from collections.abc import Mapping

import attrs

from vmpattern import naming
from vmpattern.bakery.script import Payload, builder_script
from vmpattern.errors import VmpatternError
from vmpattern.model import Bake, HealthCheck, ImageId, Instance, LaunchKey, RemoteFile

BUILD, CHECK, SMOKE = "build-", "check-", "smoke-"
"""What the label with the inputs begins with, of those that bake: what they are for.

The service's name follows, and the name of the job that launched them.
"""
TAIL = 30
"""So many lines of a console are told."""


class BakeFailed(VmpatternError):
    """A builder didn't make what it was to make; holds the end of its console."""

    def __init__(self, message: str, *, console: str = "", code: str = "BakeFailed") -> None:
        super().__init__(message)
        self.message = message
        self.console = "\n".join(console.rstrip().splitlines()[-TAIL:])
        self.code = code


class Gone(BakeFailed):
    """What a bake waited for was ended or deleted by something else: another job may be done with it, or gave up."""


@attrs.frozen(kw_only=True)
class SmokeTest:
    """How a service is asked whether it serves, and its environment with the secrets resolved."""

    env: Mapping[str, str] = attrs.field(repr=False)
    port: int | None
    check: HealthCheck | None


@attrs.frozen(kw_only=True)
class Order:
    """One bake: the image, the recipe's parts as they go into the script, and how patient and how tidy to be.

    `script_bytes` is the longest script that the cloud takes: what doesn't fit is staged.
    """

    bake: Bake
    payload: bytes = attrs.field(repr=False)
    remote: Mapping[str, RemoteFile] = attrs.field(repr=False)
    variables: Mapping[str, str]
    run: str
    shebang: bool
    script_bytes: int
    deadline_s: float
    keep_builder: bool = False
    smoke: SmokeTest | None = None

    @property
    def staged(self) -> bool:
        """Whether the files are too large for the script."""
        return len(self.script("0" * NONCE_SIZE).encode()) > self.script_bytes

    def staged_as(self, deployment: str) -> str:
        """Return the name of the staged files: of one deployment, so that no other removes them."""
        return f"vmpattern-{deployment}-{self.bake.digest}.tar.gz"

    def script(self, nonce: str, url: str = "") -> str:
        """Return the builder's script."""
        return builder_script(
            payload=Payload(data=self.payload, url=url),
            remote=self.remote,
            variables=self.variables,
            run=self.run,
            digest=self.bake.digest,
            nonce=nonce,
            shebang=self.shebang,
        )


NONCE_SIZE = 16


def nonce_of(key: LaunchKey) -> str:
    """Return the nonce of a builder: who adopts it finds it by the key, and the provisioning script isn't told it."""
    return naming.digest("nonce", key, size=NONCE_SIZE)


def is_for(row: Instance, purpose: str) -> bool:
    """Tell what an instance is for, by the label that its launch set."""
    return row.inputs.startswith(purpose)


def label(purpose: str, service: str, job: str) -> str:
    """Return the label with the inputs of what a job launches to bake."""
    return f"{purpose}{service}-{job}"


@attrs.define
class Traces:
    """What a bake has made or found so far: the builder, and the image that it hasn't verified yet.

    `left` says what couldn't be cleaned up after an image that is good.
    """

    builder: Instance | None = None
    image: ImageId | None = None
    left: str = ""
