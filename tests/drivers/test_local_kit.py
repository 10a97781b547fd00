"""The local driver keeps every clause of the contract."""

from local_vms import needs_qemu

from vmpattern.testing import DriverSuite
from vmpattern_local.checks import LocalKit

pytestmark = needs_qemu


class TestLocal(LocalKit, DriverSuite):
    pass
