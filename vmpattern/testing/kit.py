"""What an author says of a driver, so that the kit can check it: how to connect, what to launch, how time passes."""

import enum
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import attrs
from immutabledict import immutabledict

from vmpattern.driver import Driver, LaunchRequest, Timekeeper
from vmpattern.errors import DriverError, ScopeKind
from vmpattern.model import ImageId, InstanceId, Options


class Skipped(Exception):
    """A clause can't be checked here; the text says why, after the word *because*."""


class NotGiven(Skipped):
    """A clause can't be checked without `what` of the kit; `reason` says so in other words than *the kit gives no*."""

    def __init__(self, what: str, reason: str = "") -> None:
        super().__init__(reason or f"the kit gives no {what}")
        self.what = what


class Fault(enum.Enum):
    """What may befall the first request of a connection.

    SILENCE means that the request was sent: where one can't have left, as at a lock that somebody else holds, nothing
    was done for sure, which is `Transient` or `Throttled`, and no silence.
    """

    LOST_BEFORE = "lost before"  # no reply, and no effect
    LOST_AFTER = "lost after"  # no reply, but the effect
    THROTTLED = "throttled"
    SILENCE = "silence"  # no reply for as long as anybody waits, and no effect
    FAILED_PAGE = "failed page"  # a page of a list, after the first page where there are several


@attrs.frozen(kw_only=True)
class Recorded:
    """A recorded answer of the provider, and how it is to be told.

    `replay` gives the answer to the driver's own code, which raises what it makes of it; `name` says which it is.
    """

    name: str
    replay: Callable[[], object] = attrs.field(eq=False)
    error: type[DriverError]
    scope: ScopeKind


def _not_given(name: str) -> NoReturn:
    raise NotGiven(name)


class Kit:
    """What the checks need to know of one driver and one cloud. Subclass it; `zone`, `machine_type`, `image` and
    `connect` are required, every other method that is missing leaves clauses unchecked.

    `cloud` is the name that `connect` gives to the cloud. `settle_s` is how long anything may take at most, in seconds:
    from a call to when every list shows its effect, and from `terminate` to when an instance is gone or TERMINATED.
    `most` is how many instances may run at a time; clauses that need more are skipped. `examples` is how many random
    histories are tried, None for 25 on a cloud with a time of its own and none elsewhere. `may_cost` False says that
    nobody pays for what is launched. `options` are the driver's own per placement, `balancer` those of a balancer to
    register with. `deaf` is an image whose instances listen at no port. `base` is a base for `resolve`, `script` one
    that powers a builder off. `settings` are what was said of the cloud on a command line, as a file says it under
    [clouds.NAME]: `connect` makes the driver's options of them with `vmpattern.driver.options.parse_options`.
    """

    zone: str = ""
    machine_type: str = ""
    image: ImageId = ImageId("")
    cloud: str = "checked"
    settle_s: float = 300.0
    most: int = 4
    examples: int | None = None
    may_cost: bool = True
    options: Options = immutabledict()
    balancer: Options | None = None
    deaf: ImageId = ImageId("")
    base: str = ""
    script: str = "#!/bin/sh\necho baked\npoweroff\n"
    settings: Options = immutabledict()

    def connect(self) -> Driver:
        """Make a driver with a connection of its own; each time to the same cloud."""
        raise NotImplementedError("a kit says how to connect")

    def let_pass(self, driver: Driver, seconds: float) -> None:
        """Let time pass: a cloud with a time of its own is moved, any other is waited for."""
        if isinstance(driver, Timekeeper):
            driver.advance(driver.clock.now() + seconds)
        else:
            time.sleep(seconds)

    def connect_with(self, fault: Fault) -> Driver:
        """Make a driver as `connect`, the first request of which suffers the fault; later ones are well."""
        _not_given("connect_with")

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        """Start a VM that bears none of our labels, alike to what the request asks for otherwise.

        Where names of VMs are made from launch keys, it has the name that the request would give.
        """
        _not_given("plant_stranger")

    def stranger_lives(self, id: InstanceId) -> bool:
        """Tell whether a planted VM still runs, and has the labels that it had."""
        _not_given("stranger_lives")

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        """Change a label of a VM of ours by hand, behind the driver's back; an empty value takes it away."""
        _not_given("relabel")

    def elsewhere(self) -> "Kit":
        """Return a kit for another scope of the same account: another region, project or folder.

        What it says of zone, machine type and image holds there; it isn't closed, this kit is.
        """
        _not_given("elsewhere")

    def plant_image(self) -> ImageId:
        """Make an image that bears none of our labels."""
        _not_given("plant_image")

    def image_lives(self, id: ImageId) -> bool:
        """Tell whether a planted image is still there."""
        _not_given("image_lives")

    def fetch(self, url: str) -> bytes | None:
        """Return what a builder finds at the URL of staged data, None where it finds nothing."""
        from urllib.error import HTTPError
        from urllib.request import urlopen

        try:
            with urlopen(url, timeout=30) as answer:
                return bytes(answer.read())
        except HTTPError:
            return None

    def recorded(self) -> Sequence[Recorded]:
        """Return recorded answers, each with the error that is to be made of it."""
        _not_given("recorded answers")

    def close(self) -> None:
        """Let go of what the kit holds; strangers are ended here. Nothing is called afterwards."""
