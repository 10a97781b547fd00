"""The local driver keeps every clause of the contract."""

from vmpattern.testing import DriverSuite
from vmpattern_local.checks import LocalKit


class TestLocal(LocalKit, DriverSuite):
    pass
