"""Outages of zones: which zones are out now, and when that may change."""

import math

from vmpattern.simulation.faults import FaultKind, Faults


class Weather:
    """The outages of a world that began at `start`, from the moment `at` on."""

    def __init__(self, faults: Faults, zones: tuple[str, ...], *, start: float, at: float) -> None:
        self._faults = faults
        self._zones = zones
        self._start = start
        self.out: frozenset[str] = frozenset()
        self.next_at = math.inf
        self.pass_to(at)

    def elapsed_s(self, at: float) -> float:
        """Return seconds since the start as faults count them.

        Epoch seconds carry about a quarter of a microsecond: without rounding, an edge could be missed.
        """
        return round(at - self._start, 6)

    def pass_to(self, at: float) -> frozenset[str]:
        """Bring the outages up to `at`; return the zones that went out or came back."""
        if not self._faults.has(FaultKind.ZONE_OUTAGE):
            return frozenset()
        elapsed_s, before = self.elapsed_s(at), self.out
        strikes = self._faults.in_spell
        self.out = frozenset(zone for zone in self._zones if strikes(FaultKind.ZONE_OUTAGE, elapsed_s, zone))
        self.next_at = self._start + self._faults.next_edge(FaultKind.ZONE_OUTAGE, elapsed_s)
        return before ^ self.out
