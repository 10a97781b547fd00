"""How the kit checks the AWS driver: in an account and a region that the options name. It launches, which costs."""

import contextlib
from functools import cached_property
from pathlib import Path

from immutabledict import immutabledict

from vmpattern.driver import Driver
from vmpattern.driver.options import parse_options
from vmpattern.model import ImageId, Options
from vmpattern.testing import Kit
from vmpattern_aws.driver import AwsDriver
from vmpattern_aws.settings import AwsOptions


class AwsKit(Kit):
    """AWS as `vmpattern drivers check aws --options region=...` tries it: small machines, the newest Amazon Linux."""

    machine_type = "t3.micro"
    cloud = "checked"
    settle_s = 180.0
    most = 4
    base = "amazon-linux-2023"

    def connect(self) -> Driver:
        """Make a driver of the options that were given."""
        return self.driver(self.settings)

    def driver(self, settings: Options) -> AwsDriver:
        """Make a driver of these options."""
        options = parse_options(AwsOptions, settings, path="options")
        return AwsDriver(options, cloud=self.cloud, directory=Path())

    @cached_property
    def zone(self) -> str:  # type: ignore[override]
        """The first zone that offers the machine type."""
        only = immutabledict(machine_types=(self.machine_type,))
        with contextlib.closing(self.driver(self.settings | only)) as driver:
            return driver.machine_types()[0].zones[0]

    @cached_property
    def image(self) -> ImageId:  # type: ignore[override]
        """The newest image of the base."""
        with contextlib.closing(self.driver(self.settings)) as driver:
            return driver.resolve(self.base)
