"""The example keeps the contract: a test for each clause."""

from vmpattern.testing import DriverSuite
from vmpattern_example.checks import ExampleKit


class TestExample(ExampleKit, DriverSuite): ...
