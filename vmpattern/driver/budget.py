"""Token buckets: how many calls a cloud allows. Arithmetic only; the caller brings the time."""

from collections.abc import Mapping

import attrs


@attrs.define
class TokenBucket:
    """A bucket of `burst` tokens that refills by `per_second`; it starts full. Times are seconds, never going back."""

    burst: float
    per_second: float
    at: float = 0.0
    tokens: float = attrs.field(default=attrs.Factory(lambda self: self.burst, takes_self=True))

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Return the seconds from `now` until `cost` tokens are there; a cost above the burst waits for a full bucket.

        Guarantees:
            Taking at `now + wait(now, cost)` succeeds, in spite of rounding.
        """
        level = self._level(now)
        if level >= cost:
            return 0.0
        seconds = (min(cost, self.burst) - level) / self.per_second
        # Epoch seconds carry a quarter of a microsecond: less than that is no time to wait.
        return seconds if seconds > 1e-6 else 0.0

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take `cost` tokens if they are there; a cost above the burst takes a full bucket into debt."""
        if now > self.at:
            self.tokens, self.at = self._level(now), now
        if self.tokens < cost and self.wait(now, cost) > 0.0:
            return False
        self.tokens -= cost
        return True

    def slow_down(self, now: float, *, floor: float) -> None:
        """Halve the rate, not below `floor`, and empty the bucket: the provider says that it is."""
        self.tokens, self.at = min(0.0, self._level(now)), max(now, self.at)
        self.per_second = max(floor, self.per_second / 2)

    def speed_up(self, now: float, *, by: float, most: float) -> None:
        """Raise the rate by `by`, at most to `most`."""
        self.tokens, self.at = self._level(now), max(now, self.at)
        self.per_second = min(most, self.per_second + by)

    def _level(self, now: float) -> float:
        level = self.tokens + (now - self.at) * self.per_second if now > self.at else self.tokens
        return level if level < self.burst else self.burst


def wait_for(buckets: Mapping[str, TokenBucket], costs: Mapping[str, float], now: float) -> float:
    """Return the seconds until each cost is there in the bucket of its name; what has no bucket costs nothing."""
    longest = 0.0
    for name, cost in costs.items():
        bucket = buckets.get(name)
        if bucket is not None and (wait := bucket.wait(now, cost)) > longest:
            longest = wait
    return longest


def spend(buckets: Mapping[str, TokenBucket], costs: Mapping[str, float], now: float) -> float:
    """Take each cost from the bucket of its name, all or nothing; return the seconds until that can be, 0 if it was."""
    for place, (name, cost) in enumerate(costs.items()):
        if name in buckets and not buckets[name].take(now, cost):
            for before in list(costs)[:place]:
                if before in buckets:
                    buckets[before].tokens += costs[before]
            return wait_for(buckets, costs, now)
    return 0.0
