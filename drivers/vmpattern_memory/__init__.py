"""The driver `memory`: a simulated cloud, in this process or in a file, to try things out and to test with."""

from vmpattern_memory.driver import MemoryDriver
from vmpattern_memory.settings import MachineTypeOptions, MemoryOptions

__all__ = ["MachineTypeOptions", "MemoryDriver", "MemoryOptions"]
