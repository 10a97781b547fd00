"""What can go wrong in a simulated cloud, as a frozen value. Draws are keyed: none depends on the order of calls."""

import difflib
import enum
import hashlib
import math
from collections.abc import Iterable, Mapping

import attrs
from immutabledict import immutabledict


class FaultKind(enum.Enum):
    """A way to go wrong; what its rate is a share of stands beside it."""

    THROTTLE = "throttle"  # of calls
    ABSURD_RETRY = "absurd-retry-after"  # of calls: refused, to be sent again after fifty years
    STOCKOUT = "stockout"  # of launch calls: nothing of that machine type in that zone
    QUOTA = "quota"  # of launch calls
    LOST_BEFORE = "reply-lost-before"  # of mutating calls: no reply, no effect
    LOST_AFTER = "reply-lost-after"  # of mutating calls: no reply, but the effect
    PARTIAL_LAUNCH = "partial-launch"  # of launch calls for more than one
    SLOW_BOOT = "slow-boot"  # of instances: boots ten times as long
    NEVER_READY = "never-ready"  # of instances
    HEALTH_UNKNOWN = "health-unknown"  # of instances: their health is never known
    FLAPPING = "flapping"  # of instances: unhealthy 30 s in every 120 s, ten times
    DIES = "dies-after-ready"  # of instances: unhealthy for good within five minutes of being ready
    DELETE_HANGS = "delete-hangs"  # of instances: terminating for days
    STALE_LIST = "stale-list"  # of lists: shows the past, at most the declared staleness old
    FAILED_PAGE = "failed-page"  # of lists
    GARBLED = "garbled-answer"  # of lists: the answer isn't JSON
    ZONE_OUTAGE = "zone-outage"  # of time and zones, in spells of two minutes
    UNREADABLE = "cloud-unreadable"  # of time, in spells of two minutes
    EXPIRED = "credentials-expired"  # of time, in spells of two minutes: every call is refused


SPELL_S = 120.0


def _rounded(seconds: float) -> float:
    # As exactly as the world's clock can tell.
    return round(seconds, 6)


@attrs.frozen
class Window:
    """A fault that strikes always, from `from_s` until `until_s` after the world's start.

    `zone` and `machine_type` None mean all; what has no zone (a list) is struck only by windows without one.
    """

    kind: FaultKind
    from_s: float = attrs.field(converter=_rounded)
    until_s: float = attrs.field(converter=_rounded)
    zone: str | None = None
    machine_type: str | None = None

    def covers(self, at_s: float, zone: str | None, machine_type: str | None) -> bool:
        """Tell whether the window is open for this place at this moment."""
        here = self.zone in (None, zone) and self.machine_type in (None, machine_type)
        return here and self.from_s <= at_s < self.until_s


_NO_RATES: immutabledict[FaultKind, float] = immutabledict()


def _checked_rates(rates: Mapping[FaultKind, float]) -> immutabledict[FaultKind, float]:
    for kind, rate in rates.items():
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of {kind.value} is {rate}: expected a number from 0 to 1")
    return immutabledict({kind: rate for kind, rate in rates.items() if rate > 0})


@attrs.frozen
class Faults:
    """Which faults a world has. `Faults()` has none, and then nothing random happens at all."""

    rates: Mapping[FaultKind, float] = attrs.field(default=_NO_RATES, converter=_checked_rates)
    windows: tuple[Window, ...] = ()
    seed: int = 0

    def __bool__(self) -> bool:
        return bool(self.rates or self.windows)

    def has(self, kind: FaultKind) -> bool:
        """Tell whether this kind can strike at all."""
        return kind in self.rates or any(window.kind is kind for window in self.windows)

    def strikes(
        self, kind: FaultKind, at_s: float, *parts: str | int, zone: str | None = None, machine_type: str | None = None
    ) -> bool:
        """Tell whether the fault strikes at `at_s` seconds after the start; `parts` key the draw."""
        if self.in_window(kind, at_s, zone, machine_type):
            return True
        rate = self.rates.get(kind, 0.0)
        return rate > 0.0 and self.draw(kind, *parts) < rate

    def in_window(self, kind: FaultKind, at_s: float, zone: str | None = None, machine_type: str | None = None) -> bool:
        """Tell whether a window of this kind is open."""
        return any(window.kind is kind and window.covers(at_s, zone, machine_type) for window in self.windows)

    def in_spell(self, kind: FaultKind, at_s: float, zone: str | None = None) -> bool:
        """Tell whether a fault that lasts is on: in a window, or in one of the spells that its rate gives."""
        return self.strikes(kind, at_s, zone or "", math.floor(at_s / SPELL_S), zone=zone)

    def next_edge(self, kind: FaultKind, at_s: float) -> float:
        """Return when after `at_s` a fault that lasts may next begin or end; infinity for never."""
        edges = [edge for window in self.windows if window.kind is kind for edge in (window.from_s, window.until_s)]
        if kind in self.rates:
            edges.append((math.floor(at_s / SPELL_S) + 1) * SPELL_S)
        return min((edge for edge in edges if edge > at_s), default=math.inf)

    def draw(self, kind: FaultKind, *parts: str | int) -> float:
        """Return a number in [0, 1) that depends on the seed, the kind and the parts only."""
        return draw(self.seed, kind.value, *parts)


NONE = Faults()


def draw(seed: int, *parts: str | int) -> float:
    """Return a number in [0, 1), evenly spread, that depends on the seed and the parts only."""
    raw = hashlib.blake2b(repr((seed, parts)).encode(), digest_size=8).digest()
    # 53 bits: the most that a float holds, so that the result never rounds up to 1.
    return (int.from_bytes(raw, "big") >> 11) / (1 << 53)


def parse_rates(texts: Iterable[str]) -> immutabledict[FaultKind, float]:
    """Parse rates as people write them.

    Example:
        >>> parse_rates(["throttle=0.1"])[FaultKind.THROTTLE]
        0.1

    Raises:
        ValueError: an unknown name (says the nearest right one), no number, or not from 0 to 1.
    """
    return _checked_rates(dict(_parse_rate(text) for text in texts))


def _parse_rate(text: str) -> tuple[FaultKind, float]:
    name, _, rate = text.partition("=")
    names = [kind.value for kind in FaultKind]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        told = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
        raise ValueError(f"no fault is named {name!r}: {told}")
    try:
        return FaultKind(name), float(rate)
    except ValueError:
        raise ValueError(f"expected {name}=RATE with a rate from 0 to 1, found {text!r}") from None
