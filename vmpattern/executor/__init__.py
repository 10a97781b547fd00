"""Carrying out: the loop, its sense of time, its calls, and the two verbs that users call, `observe` and `apply`."""

from vmpattern.executor.applying import StopSwitch, apply, observe
from vmpattern.executor.carry import FleetOrder, carry_out, silent_probe
from vmpattern.executor.runtime import RealRuntime, Runtime, VirtualRuntime

__all__ = [
    "FleetOrder",
    "RealRuntime",
    "Runtime",
    "StopSwitch",
    "VirtualRuntime",
    "apply",
    "carry_out",
    "observe",
    "silent_probe",
]
