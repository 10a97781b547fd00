"""The smallest kit there can be: what a new author begins with."""

import tempfile
from functools import cached_property
from pathlib import Path

from immutabledict import immutabledict

from vmpattern.driver import Driver
from vmpattern.driver.options import parse_options
from vmpattern.model import ImageId, Options
from vmpattern.testing import Kit
from vmpattern_example import ExampleDriver, ExampleOptions


class FirstKit(Kit):
    """The driver, in an empty cloud."""

    zone = "here"
    machine_type = "process"
    image = ImageId("rests-1")
    settle_s = 5.0
    may_cost = False

    def connect(self) -> Driver:
        """Make a driver with a connection of its own; each time to the same cloud."""
        usual: Options = immutabledict(images=immutabledict({self.image: "exec sleep 1000"}))
        options = parse_options(ExampleOptions, usual | self.settings, path="options")
        return ExampleDriver(options, cloud=self.cloud, directory=Path(self._folder.name))

    def close(self) -> None:
        """Put the cloud away; called at the end, and under pytest after each test."""
        self._folder.cleanup()
        del self._folder

    @cached_property
    def _folder(self) -> "tempfile.TemporaryDirectory[str]":
        return tempfile.TemporaryDirectory()
