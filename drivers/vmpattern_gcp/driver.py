"""Google Compute Engine behind the driver contract: each verb's calls, about its subject, within its time."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from vmpattern.driver import CaptureRequest, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Invalid, Problem, Unsupported
from vmpattern.model import (
    Capabilities,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Limit,
    MachineType,
    Mislabelled,
    Options as OptionTable,
    Standing,
    Usage,
)
from vmpattern_gcp import balancing, catalog, fleet, foresight, images, launching, limits, looking
from vmpattern_gcp.api import Api
from vmpattern_gcp.credentials import Credentials, GoogleCredentials
from vmpattern_gcp.facts import capabilities
from vmpattern_gcp.machines import family
from vmpattern_gcp.options import GcpOptions
from vmpattern_libcloud import Subject


class GcpDriver:
    """Google Compute Engine as a driver, with balancers, images, consoles and meters."""

    Options: ClassVar[type[GcpOptions]] = GcpOptions
    name = "gcp"

    def __init__(
        self,
        options: GcpOptions,
        *,
        cloud: str = "gcp",
        directory: Path,
        credentials: Credentials | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make a driver; nothing is asked yet.

        Args:
            credentials: who asks, None for what the options say.
            now: tells the time in epoch seconds.
        """
        self.capabilities: Capabilities = capabilities(options.call_timeout.total_seconds())
        self._options = options
        self._cloud = cloud
        self._now = now
        self._types: tuple[MachineType, ...] = ()
        path = directory / options.credentials if options.credentials else None
        authority = directory / options.ca_file if options.ca_file else None
        self._credentials_file = path.resolve() if path is not None else None
        asker = credentials or GoogleCredentials(path, proxy=options.proxy)
        self._api = Api(attrs.evolve(options, ca_file=authority), asker, now=now)

    # -- the driver's verbs -------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected instance of every zone of the region."""
        return fleet.selected(self._api.calls("list instances"), selector, self._cloud)

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key."""
        about = Subject(
            what="launch",
            zone=request.zone,
            machine_type=request.machine_type,
            market=request.market.value,
            family=family(request.machine_type),
            secrets=tuple(request.env.values()),
        )
        what = f"launch {request.count} {request.machine_type} in {request.zone}"
        calls = self._api.calls(what, mutating=True, subject=about)
        return launching.launch(calls, request, self._cloud, self.capabilities)

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """End these instances."""
        if len(ids) > self.capabilities.max_terminate:
            text = f"expected at most {self.capabilities.max_terminate} instances to end at a time, not {len(ids)}"
            raise Invalid(text, code="TooMany", field="ids")
        if ids:
            fleet.end(self._api.calls("end instances", mutating=True), ids)

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set mutable labels."""
        if ids:
            fleet.relabel(self._api.calls("label instances", mutating=True), ids, labels)

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List the deployment's images."""
        return images.of_deployment(self._api.calls("list images"), selector, self._cloud)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images of ours."""
        if ids:
            images.delete(self._api.calls("delete images", mutating=True), ids, self._cloud)

    def machine_types(self) -> tuple[MachineType, ...]:
        """List the machine types of the region."""
        self._types = catalog.machine_types(self._api.calls("list machine types"), self._options)
        return self._types

    def close(self) -> None:
        """Let go of every connection."""
        self._api.close()

    # -- the optional protocols ---------------------------------------------------------------------------------------

    def scope(self) -> str:
        """Return project and region; without a project in the options, whose credentials say which it is."""
        options = self._options
        project = options.project or f"of {self._credentials_file or 'the default credentials'}"
        return f"{options.endpoint} project {project}, region {options.region}"

    def check(self, requests: Sequence[LaunchRequest], balancer: OptionTable | None) -> tuple[Problem, ...]:
        """Tell what is bound to fail, by reading only."""
        if not requests:
            return ()
        return foresight.problems(self._api.calls("check a placement"), requests, balancer, self._options)

    def limits(self) -> tuple[Limit, ...]:
        """Return the region's quotas; machine types keep their size, so those that were listed last will do."""
        types = self._types or self.machine_types()
        return limits.limits(self._api.calls("read the region's quotas"), types)

    def members(self, balancer: OptionTable) -> Mapping[InstanceId, Standing]:
        """List a backend service's members, and those that it lets drain."""
        return balancing.members(self._api.calls("list a balancer's members"), balancer, self._now)

    def shares(self, balancer: OptionTable, other: OptionTable) -> bool:
        """Tell whether two backend services have a group in common."""
        return balancing.shares(self._api.calls("compare two balancers"), balancer, other)

    def register(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Add members."""
        if ids:
            balancing.register(self._api.calls("register instances", mutating=True), balancer, ids)

    def deregister(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Start draining members."""
        if ids:
            balancing.deregister(self._api.calls("deregister instances", mutating=True), balancer, ids, self._now)

    def console(self, instance: InstanceId, start: int = 0) -> str:
        """Return what the instance printed, from an offset on."""
        return looking.console(self._api.calls(f"read the console of {instance}"), instance, start)

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what instances use."""
        return looking.usage(self._api.calls("measure instances"), ids, self._now()) if ids else {}

    def resolve(self, base: str) -> ImageId:
        """Return the image that a base stands for."""
        return images.resolve(self._api.calls(f"find the image {base}"), base)

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder."""
        calls = self._api.calls(f"make an image of {request.builder}", mutating=True)
        return images.capture(calls, request, self._cloud)

    def mark_verified(self, image: ImageId) -> None:
        """Label an image that holds what was baked."""
        images.mark_verified(self._api.calls(f"mark the image {image}", mutating=True), image)

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Refuse: a script of `script_bytes` is as much as can be had."""
        raise Unsupported("the driver gcp stages no files: larger ones come by URL", code="NoStaging")

    def unstage(self, names: Sequence[str]) -> None:
        """Do nothing: nothing was staged."""
