"""Carrying out: the loop, its sense of time, its calls, and the two verbs that users call, `observe` and `apply`."""

from vmpattern.executor.applying import Bakery, StopSwitch, apply, apply_in
from vmpattern.executor.carry import FleetOrder, carry_out
from vmpattern.executor.observing import observe, read_clouds
from vmpattern.executor.runtime import RealRuntime, Runtime, VirtualRuntime
from vmpattern.executor.session import Session, opened

__all__ = [
    "Bakery",
    "FleetOrder",
    "RealRuntime",
    "Runtime",
    "Session",
    "StopSwitch",
    "VirtualRuntime",
    "apply",
    "apply_in",
    "carry_out",
    "observe",
    "opened",
    "read_clouds",
]
