"""AWS behind the driver contract: each verb is passed on with a deadline of its own."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from vmpattern.driver import CaptureRequest, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Invalid, Problem
from vmpattern.model import (
    Capabilities,
    Image,
    ImageId,
    Instance,
    InstanceId,
    MachineType,
    Mislabelled,
    Options as OptionTable,
    Standing,
    Usage,
)
from vmpattern_aws import credentials, foresight, watching
from vmpattern_aws.api import Api
from vmpattern_aws.facts import capabilities
from vmpattern_aws.fleet import Instances
from vmpattern_aws.images import Images, Staging
from vmpattern_aws.settings import AwsOptions
from vmpattern_aws.watching import Meter, Targets
from vmpattern_libcloud import Deadline, Endpoint


class AwsDriver:
    """One account in one region. Region and credentials are looked for when they are needed first.

    Args:
        environ: where the AWS tools' own variables are looked up, when the driver is made and not later.
    """

    Options: ClassVar[type[AwsOptions]] = AwsOptions
    name = "aws"

    def __init__(
        self,
        options: AwsOptions,
        *,
        cloud: str = "aws",
        directory: Path,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.capabilities: Capabilities = capabilities(options)
        self._options = options
        self._cloud = cloud
        self._directory = directory
        self._environ = {name: value for name, value in environ.items() if name.startswith("AWS_")}
        self._now = now
        self._credentials = credentials.source(options.profile, self._environ)

    # -- the driver's verbs -------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List every selected instance that isn't gone."""
        return self._instances.listed(selector, self._deadline())

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create or adopt by the key."""
        return self._instances.launch(request, self._deadline())

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """End these instances."""
        self._instances.terminate(ids, self._deadline())

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Set the moment until which instances are kept."""
        self._instances.label(ids, labels, self._deadline())

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List the images of the deployment."""
        return self._images.listed(selector, self._deadline())

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images with their snapshots."""
        self._images.delete(ids, self._deadline())

    def machine_types(self) -> tuple[MachineType, ...]:
        """List what the region sells."""
        return self._instances.machine_types(self._deadline())

    def close(self) -> None:
        """Close every connection."""
        if "_api" in vars(self):
            self._api.close()

    # -- the optional protocols ---------------------------------------------------------------------------------------

    def scope(self) -> str:
        """Return whose credentials these are, and the region; nothing where no region is known."""
        options, environ = self._options, self._environ
        try:
            region = credentials.region(options.region, options.profile, environ)
        except Invalid:
            return ""
        account = credentials.holder(options.profile, environ)
        return f"{options.endpoint or 'AWS'} account of {account}, region {region}"

    def check(self, requests: Sequence[LaunchRequest], balancer: OptionTable | None) -> tuple[Problem, ...]:
        """Tell what is bound to fail."""
        return foresight.check(self._api, requests, balancer, self._deadline())

    def members(self, balancer: OptionTable) -> Mapping[InstanceId, Standing]:
        """List a target group's targets."""
        return self._targets.members(balancer, self._deadline())

    def shares(self, balancer: OptionTable, other: OptionTable) -> bool:
        """Tell whether two balancers are one target group."""
        return self._targets.shares(balancer, other)

    def register(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Add targets."""
        self._targets.register(balancer, ids, self._deadline())

    def deregister(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Start draining targets."""
        self._targets.deregister(balancer, ids, self._deadline())

    def console(self, instance: InstanceId) -> str:
        """Return what the instance printed; EC2 keeps 64 KB, on older machines as of the last change of state."""
        return watching.console(self._api, instance, self._deadline())

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what instances used in the last five minutes that CloudWatch has."""
        return self._meter.usage(ids, self._deadline())

    def resolve(self, base: str) -> ImageId:
        """Return the image that a base stands for."""
        return self._images.resolve(base, self._deadline())

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder."""
        return self._images.capture(request, self._deadline())

    def mark_verified(self, image: ImageId) -> None:
        """Tag an image that holds what was baked."""
        self._images.mark_verified(image, self._deadline())

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Put data into the staging bucket."""
        return self._staging.stage(name, data, lifetime_s, self._deadline())

    def unstage(self, names: Sequence[str]) -> None:
        """Remove data from the staging bucket."""
        self._staging.unstage(names, self._deadline())

    # -- what they are made of ----------------------------------------------------------------------------------------

    def _deadline(self) -> Deadline:
        return Deadline(self.capabilities.call_timeout_s)

    @cached_property
    def _api(self) -> Api:
        options = self._options
        ca_file = None if options.ca_file is None else self._directory / options.ca_file
        reached = Endpoint(url=options.endpoint or "", ca_file=ca_file, proxy=options.proxy, named_by="endpoint")
        region = credentials.region(options.region, options.profile, self._environ)
        return Api(reached, region, self._credentials, now=self._now)

    @cached_property
    def _instances(self) -> Instances:
        return Instances(self._api, self._options, self._cloud)

    @cached_property
    def _images(self) -> Images:
        return Images(self._api, self._instances, self._cloud)

    @cached_property
    def _targets(self) -> Targets:
        return Targets(self._api)

    @cached_property
    def _meter(self) -> Meter:
        return Meter(self._api, self._instances, now=self._now)

    @cached_property
    def _staging(self) -> Staging:
        return Staging(self._api, self._options, self._api.region, self._credentials, now=self._now)
