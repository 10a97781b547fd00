"""How the kit checks the Compute Engine driver: in a project and region that the options name; launches cost."""

import contextlib
from functools import cached_property
from pathlib import Path

from vmpattern.driver import Driver
from vmpattern.driver.options import parse_options
from vmpattern.model import ImageId
from vmpattern.testing import Kit
from vmpattern_gcp.driver import GcpDriver
from vmpattern_gcp.options import GcpOptions


class GcpKit(Kit):
    """Google as `vmpattern drivers check gcp --options region=...` tries it: small machines, the newest Debian."""

    machine_type = "e2-small"
    cloud = "checked"
    settle_s = 240.0
    most = 4
    base = "debian-12"

    def connect(self) -> Driver:
        """Make a driver of the options that were given."""
        return self._driver()

    @cached_property
    def zone(self) -> str:  # type: ignore[override]
        """The first zone that offers the machine type."""
        with contextlib.closing(self._driver()) as driver:
            return next(kind.zones[0] for kind in driver.machine_types() if kind.name == self.machine_type)

    @cached_property
    def image(self) -> ImageId:  # type: ignore[override]
        """The newest image of the base."""
        with contextlib.closing(self._driver()) as driver:
            return driver.resolve(self.base)

    def _driver(self) -> GcpDriver:
        options = parse_options(GcpOptions, self.settings, path="options")
        return GcpDriver(options, cloud=self.cloud, directory=Path())
