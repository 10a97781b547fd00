"""The smallest kit there can be: what a new author begins with."""

import tempfile
from functools import cached_property
from pathlib import Path

from vmpattern.driver import Driver
from vmpattern.model import ImageId
from vmpattern.testing import CLAUSES, Kit, run
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
        options = ExampleOptions(images={self.image: "exec sleep 1000"})
        return ExampleDriver(options, cloud=self.cloud, directory=Path(self._folder.name))

    def close(self) -> None:
        """Put the cloud away; called at the end, and under pytest after each test."""
        self._folder.cleanup()
        del self._folder

    @cached_property
    def _folder(self) -> "tempfile.TemporaryDirectory[str]":
        return tempfile.TemporaryDirectory()


def test_a_first_kit_is_enough_to_begin_with() -> None:
    some = [clause for clause in CLAUSES if clause.id in ("fact-1", "launch-1", "launch-3", "list-1")]

    assert [(4, True)] == [(len(report.results), report.ok) for report in [run(FirstKit(), clauses=some)]]
