"""A simulated cloud for tests, rehearsals and forecasts: deterministic, in virtual time, with faults on request."""

from vmpattern.simulation.cloud import SimulatedCloud
from vmpattern.simulation.faults import FaultKind, Faults, Window, draw, parse_rates
from vmpattern.simulation.spec import EC2_BUDGETS, EC2_LIKE, EPOCH, CloudSpec, machine_types

__all__ = [
    "EC2_BUDGETS",
    "EC2_LIKE",
    "EPOCH",
    "CloudSpec",
    "FaultKind",
    "Faults",
    "SimulatedCloud",
    "Window",
    "draw",
    "machine_types",
    "parse_rates",
]
