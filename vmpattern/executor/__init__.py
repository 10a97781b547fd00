"""Carrying out: the loop, its sense of time, its calls, and the two verbs that users call, `observe` and `apply`."""

from vmpattern.executor.applying import Bakery, StopSwitch, apply, connected, observe, runtime_for
from vmpattern.executor.carry import FleetOrder, carry_out, silent_probe
from vmpattern.executor.runtime import RealRuntime, Runtime, VirtualRuntime

__all__ = [
    "Bakery",
    "FleetOrder",
    "RealRuntime",
    "Runtime",
    "StopSwitch",
    "VirtualRuntime",
    "apply",
    "carry_out",
    "connected",
    "observe",
    "runtime_for",
    "silent_probe",
]
