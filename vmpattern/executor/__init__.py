"""Carrying out: the loop, its sense of time, its calls."""

from vmpattern.executor.carry import FleetOrder, carry_out, silent_probe
from vmpattern.executor.runtime import RealRuntime, Runtime, VirtualRuntime

__all__ = ["FleetOrder", "RealRuntime", "Runtime", "VirtualRuntime", "carry_out", "silent_probe"]
