"""Someone who looks on at every decision: it must not depend on how the index came about, nor on being asked twice."""

from collections.abc import Callable

from vmpattern.model import Fleet
from vmpattern.planner import Decision, FleetIndex, decide


class Onlooker:
    """Decides as `decide` does; `broken` lists where an index counted anew, or asking again, decides otherwise."""

    def __init__(self, decides: Callable[[Fleet, FleetIndex, float], Decision] = decide) -> None:
        self._decides = decides
        self.broken: list[str] = []
        self.decisions = 0

    def __call__(self, fleet: Fleet, index: FleetIndex, now: float) -> Decision:
        self.decisions += 1
        decision, version = self._decides(fleet, index, now), index.version
        anew = self._decides(fleet, index.rebuilt(now), now)
        if anew != decision:
            self.broken.append(f"index law: {decision} became {anew} with the index rebuilt")
        if self._decides(fleet, index, now) != decision or index.version != version:
            self.broken.append(f"purity: {decision} isn't what a second asking gives")
        return decision
