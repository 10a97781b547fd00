"""The driver keeps every clause of the contract on an emulator of Compute Engine."""

from gce.kit import GcpKit

from vmpattern.testing import DriverSuite


class TestGcp(GcpKit, DriverSuite):
    pass
