"""The OpenStack driver keeps every clause of the contract, against a real control plane."""

import contextlib
from collections.abc import Callable

from immutabledict import immutabledict
from oslab import driver, faulty, needs_lab, settings

from vmpattern.driver import Driver
from vmpattern.model import ImageId
from vmpattern.testing import DriverSuite, Fault
from vmpattern_openstack.checks import OpenStackKit

ADDRESSED = ("balance", "address")


@needs_lab
class TestLab(OpenStackKit, DriverSuite):
    machine_type = "oslab.nano"
    base = "debian-12"
    settle_s = 240.0
    most = 26
    examples = 1
    may_cost = False
    balancer = immutabledict(pool="oslab-pool", port=80, drain="2s")
    settings = immutabledict(settings(call_timeout="40s", prices=immutabledict({"oslab.nano": 0.01})))

    def setup_method(self, method: Callable[..., None]) -> None:
        # Ports take the lab most of its time, so servers get one only where somebody asks for an address.
        addressed = any(word in method.__name__ for word in ADDRESSED)
        self.options = immutabledict(networks=("oslab-net" if addressed else "none",))
        self.faults = contextlib.ExitStack()
        with contextlib.closing(driver()) as finder:
            self.image = ImageId(finder.resolve("oslab-image"))

    def connect_with(self, fault: Fault) -> Driver:
        return self._driver(immutabledict(proxy=self.faults.enter_context(faulty(fault))))

    def close(self) -> None:
        self.faults.close()
        super().close()
