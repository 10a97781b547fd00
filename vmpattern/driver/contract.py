"""The driver contract, version 1: what a cloud driver must offer, as protocols; its values are in `requests`.

A verb is one logical attempt: drivers never sleep, retry, print or read the environment. Any verb may raise any
`DriverError`; anything else that a driver lets through is taken for a broken contract. Drivers are called from several
threads at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from vmpattern.driver.requests import CaptureRequest, Changes, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Problem
from vmpattern.model import (
    Capabilities,
    Health,
    HealthCheck,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Limit,
    MachineType,
    Mislabelled,
    Options,
    Standing,
    Usage,
)

VERSION = 1


class Clock(Protocol):
    """Something that tells the time in epoch seconds."""

    def now(self) -> float:
        """Return the present moment in epoch seconds; never less than before."""
        ...


class Driver(Protocol):
    """What every driver offers.

    A driver works in one scope: an account or project, and in it a region. It lists, counts and touches nothing outside
    of it. Two connections to one scope see the same.
    """

    @property
    def name(self) -> str:
        """The entry point's name."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this cloud and this driver can do, as data."""
        ...

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected instance, every page, terminating ones included; order irrelevant.

        A VM with the deployment's label whose other labels `naming.read_labels` can't read is listed as `Mislabelled`;
        one that is ending, or of which a selector with a fleet can't tell whether it is of that, may be left out.

        Raises:
            DriverError: the list isn't complete. A short list is never returned.
        """
        ...

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by `request.key`; labels are set in the same call.

        Raises:
            KeySpent: the key's instances are provably gone.
            KeyConflict: the key was used for another request: with another count, revision, `inputs`, `previous`,
                zone, machine type, market or image; or, where the provider compares them, with other values of `env`.
                Or the labels of what it made were changed since, so that they can't be read.
            OutcomeUnknown: sent, and no answer came.
            DriverError: nothing was created.
        """
        ...

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """End these instances: accepted or already gone is success.

        What lacks our labels, has labels that can't be read, or is outside the driver's scope is never touched.

        Raises:
            DriverError: it isn't certain that every one of them will end.
        """
        ...

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set mutable labels, of which `naming.KEPT_UNTIL` is the only one; an empty value removes one.

        Raises:
            Invalid: a label of the launch is among them; nothing was changed.
            NotFound: an instance isn't there any more; that may be success as well.
            Unsupported: the capability `mutable_labels` isn't declared.
        """
        ...

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List every image of the deployment, complete or an error."""
        ...

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images of ours; already gone is success.

        Raises:
            Invalid: an image is in use; none was deleted.
        """
        ...

    def machine_types(self) -> tuple[MachineType, ...]:
        """List what the cloud sells, with zones, and prices where known (never zero for unknown)."""
        ...

    def close(self) -> None:
        """Let go of connections; the driver isn't used afterwards."""
        ...


@runtime_checkable
class Scoped(Protocol):
    """A driver that can tell to which account and region it is limited, without a call."""

    def scope(self) -> str:
        """Return the scope in the driver's own words: two drivers that say the same see the same VMs.

        Empty where that isn't known without a call; never raises.
        """
        ...


@runtime_checkable
class Prober(Protocol):
    """A driver that answers the service's health check itself, since its network can't be reached from outside."""

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        """Ask these instances; an id without an answer is absent or UNKNOWN."""
        ...


@runtime_checkable
class Balancer(Protocol):
    """A driver that can put instances behind a balancer; `balancer` is what the file says, in the driver's terms."""

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        """List the balancer's members; whoever isn't in it is ABSENT. Complete or an error.

        Returns:
            Where each stands, never UNKNOWN. An UNHEALTHY one has its reason in the provider's words, without secrets.

        Raises:
            NotFound: there is no such balancer.
        """
        ...

    def register(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Add members; those already there are success, and those that drain stay.

        Raises:
            NotFound: there is no such balancer, or no such instance.
        """
        ...

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Start draining members: no new requests; absent ones are success.

        Raises:
            NotFound: there is no such balancer.
        """
        ...


@runtime_checkable
class SharedBalancers(Protocol):
    """A driver that can tell whether two balancers, as written, let go of an instance together.

    It is asked when a fleet's balancer was changed: from what shares the new one, nothing may be taken out. Of a driver
    without this, balancers that have a setting in common are taken to share.
    """

    def shares(self, balancer: Options, other: Options) -> bool:
        """Tell whether an instance that is taken out of one is out of the other, too.

        They may be the same one with other settings, or have their members in common groups.

        Raises:
            DriverError: it couldn't be found out.
        """
        ...


@runtime_checkable
class Checker(Protocol):
    """A driver that can tell before a launch what is bound to fail, by reading and by trying without effect."""

    def check(self, requests: Sequence[LaunchRequest], balancer: Options | None) -> tuple[Problem, ...]:
        """Return all that is known to fail if a placement is launched; empty says only that nothing is known to.

        Args:
            requests: what would be launched, one for each zone of one placement, alike otherwise, each for a single
                instance. An empty `image` isn't known yet. In `env` stand the references of secrets, not the secrets.
            balancer: what the instances would be registered with.

        Returns:
            Problems whose path is a field of the request and what is below it, such as `image` or
            `options.subnets[1]`, or below `balancer`.

        Guarantees:
            Nothing is changed.

        Raises:
            DriverError: it couldn't be found out.
        """
        ...


@runtime_checkable
class Limiter(Protocol):
    """A driver that can read the limits of the account that launches may meet."""

    def limits(self) -> Sequence[Limit]:
        """Return the limits in the region, with what is in use of each; a forecast takes them into account.

        Limits that can't be read, or of which what is in use isn't known, are left out. Costs one read.

        Raises:
            DriverError: none can be read.
        """
        ...


@runtime_checkable
class Console(Protocol):
    """A driver that can show what an instance printed."""

    def console(self, instance: InstanceId) -> str:
        """Return the console's output as far as the cloud keeps it."""
        ...


@runtime_checkable
class Baker(Protocol):
    """A driver that can make images out of instances."""

    def resolve(self, base: str) -> ImageId:
        """Return the image that a base as written stands for now: an id, a name, or the newest of a family.

        Raises:
            NotFound: there is none.
        """
        ...

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder, with its labels in the same call; it may be PENDING for a while.

        It isn't verified until `mark_verified`, whatever it was made from.

        An image of the deployment with that digest is returned as it is, unless it has FAILED.

        Raises:
            Invalid: the builder isn't STOPPED.
            NotFound: there is no such builder.
        """
        ...

    def mark_verified(self, image: ImageId) -> None:
        """Set the label `naming.VERIFIED` of an image of ours, and change nothing else; again is success.

        Raises:
            NotFound: there is no such image of ours; nothing was changed.
        """
        ...

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Put data where a builder fetches it, and return a URL that works for `lifetime_s` seconds.

        The same name and data again is success.

        Raises:
            Unsupported: the capability `staging` isn't declared.
        """
        ...

    def unstage(self, names: Sequence[str]) -> None:
        """Remove staged data; already gone is success."""
        ...


@runtime_checkable
class Meter(Protocol):
    """A driver that can tell what instances use."""

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what these instances used of late; those of which nothing is known are absent."""
        ...


@runtime_checkable
class Watcher(Protocol):
    """A driver that can tell changes since a cursor, so that a tick costs what changed. Simulated clouds have it."""

    def changes(self, selector: Selector, cursor: int, balancers: Sequence[Options] = ()) -> Changes:
        """Return what changed after `cursor`; 0 is the beginning of the world.

        `members` has an entry for each of these balancers: where the rows that changed stand, or why it can't be read.
        """
        ...

    def next_at(self, patience_s: float = 0.0) -> float | None:
        """Return when something will next change by itself; None for never.

        What nobody waits for isn't told of, and shows with the next change: the end of what is ending, and that an
        instance begins to run, where it gets well within `patience_s` of its launch.
        """
        ...


@runtime_checkable
class Timekeeper(Protocol):
    """A driver whose cloud has a time of its own, which only moves when somebody moves it.

    `pace` is how many simulated seconds pass in a real one; 0 means at once.
    """

    @property
    def clock(self) -> Clock:
        """The cloud's clock."""
        ...

    @property
    def pace(self) -> float:
        """Simulated seconds in a real one; 0 is as fast as possible."""
        ...

    def advance(self, until: float) -> None:
        """Move the clock forward to `until`; backward is ignored. A cloud that can't be read says so at the next verb.

        Neither this nor the clock raises.
        """
        ...


OptionsT = TypeVar("OptionsT")


class DriverFactory(Protocol[OptionsT]):
    """What an entry point names: a class, or anything that is called like one.

    A class declares its `Options` as a `ClassVar`, or type checkers don't take it for a factory.
    """

    @property
    def Options(self) -> type[OptionsT]:
        """The attrs class of the driver's own settings; unknown keys and wrong types are refused by name."""
        ...

    def __call__(self, options: OptionsT, *, cloud: str, directory: Path) -> Driver:
        """Make a driver; doesn't talk to the cloud yet.

        Args:
            options: an instance of `Options`.
            cloud: the file's name for this cloud, which every row bears in its field `cloud`.
            directory: where relative paths in `options` start.
        """
        ...
