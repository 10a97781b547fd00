"""The plan: what an apply would do, found by letting the reconciler do it to a simulated copy of what was observed."""

from vmpattern.forecast.planning import plan

__all__ = ["plan"]
