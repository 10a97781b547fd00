"""The local driver keeps every clause of the contract."""

from immutabledict import immutabledict
from local_vms import free_port, needs_qemu

from vmpattern.testing import DriverSuite
from vmpattern_local.checks import LocalKit

pytestmark = needs_qemu


class TestLocal(LocalKit, DriverSuite):
    balancer = immutabledict(port=free_port())
