"""The driver `local`: real VMs on this machine, run by QEMU, without root and without a daemon."""

from vmpattern_local.driver import LocalDriver
from vmpattern_local.settings import Acceleration, LocalOptions, MachineTypeOptions

__all__ = ["Acceleration", "LocalDriver", "LocalOptions", "MachineTypeOptions"]
