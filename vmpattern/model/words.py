"""The small words that the model shares: names, shares of a size, secrets, and the states of a VM."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

import enum
import re
from collections.abc import Callable
from typing import NewType, TypeAlias, TypeVar

import attrs
from immutabledict import immutabledict

InstanceId = NewType("InstanceId", str)
ImageId = NewType("ImageId", str)
Revision = NewType("Revision", str)
LaunchKey = NewType("LaunchKey", str)

Scalar: TypeAlias = str | int | float | bool
Option: TypeAlias = "Scalar | tuple[Option, ...] | immutabledict[str, Option]"
"""A driver's own setting, as a file can say it."""
Options: TypeAlias = immutabledict[str, Option]


def options_text(options: Options) -> str:
    """Return a driver's settings for a message, such as a balancer's name; a single one by its value alone.

    Example:
        >>> options_text(immutabledict(name="front")), options_text(immutabledict(pool="p", port=80))
        ('front', 'pool=p port=80')
    """
    if len(options) == 1:
        return str(next(iter(options.values())))
    return " ".join(f"{name}={value}" for name, value in options.items())


NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
NAME_RULE = "a lower-case letter, then at most 39 of a-z, 0-9 and -"


def is_name(text: str) -> bool:
    """Tell whether `text` may name a deployment, cloud, service or fleet."""
    return NAME.fullmatch(text) is not None


def checked_name(instance: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    """Validate an attrs field as a name."""
    if not is_name(value):
        raise ValueError(f"{attribute.name} {value!r} isn't a name: {NAME_RULE}")


Number = TypeVar("Number", bound=float)


def positive(instance: object, attribute: "attrs.Attribute[Number]", value: Number) -> None:
    """Validate an attrs field as above zero."""
    if not value > 0:
        raise ValueError(f"{attribute.name} must be above 0, not {value}")


def not_negative(instance: object, attribute: "attrs.Attribute[Number]", value: Number) -> None:
    """Validate an attrs field as zero or above."""
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be 0 or above, not {value}")


def whole(instance: object, attribute: "attrs.Attribute[Number]", value: Number) -> None:
    """Validate an attrs field as a whole number: programs may pass anything."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{attribute.name} must be a whole number, not {value!r}")


LONGEST_S = 3650 * 86400.0
"""The longest duration that anything may be given, in seconds: ten years. Beyond, sums of times lose their seconds."""


def at_most(most: float) -> "Callable[[object, attrs.Attribute[Number], Number], None]":
    """Return a validator of an attrs field that takes no more, and nothing that isn't a number."""

    def check(instance: object, attribute: "attrs.Attribute[Number]", value: Number) -> None:
        if not value <= most:
            raise ValueError(f"{attribute.name} must be at most {most:g}, not {value}")

    return check


class Word(enum.Enum):
    """An enumeration whose members hash as they compare: by identity."""

    __hash__ = object.__hash__


class Phase(Word):
    """What the provider says of a VM, in the order of its life.

    `phase.is_live` tells whether the VM still counts: in PENDING, RUNNING and STOPPED.
    """

    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    TERMINATING = "terminating"
    TERMINATED = "terminated"

    @property
    def is_live(self) -> bool:
        """Whether the VM still counts, which it does while it exists and nobody asked for its end."""
        return self in _LIVE


_LIVE = (Phase.PENDING, Phase.RUNNING, Phase.STOPPED)


class Health(Word):
    """One witness's word on a VM. UNKNOWN means not asked or no answer, and is never taken for either."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Membership(Word):
    """Where a VM stands with a balancer: absent, served (healthy or not), or on its way out.

    UNKNOWN means that the balancer couldn't be read; no driver returns it.
    """

    ABSENT = "absent"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    UNKNOWN = "unknown"


LONGEST_REASON = 200


def _one_line(text: str) -> str:
    """Return a text on one line, without what a terminal would act upon, and not long."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1].rstrip() + "…"


@attrs.frozen
class Standing:
    """Where a VM stands with a balancer, and why, in the provider's words: one line of at most 200 characters.

    The reason is for people, and decides nothing. It is empty where there is nothing to be said.

    Example:
        >>> Standing(Membership.UNHEALTHY, "Target.Timeout:\\nRequest timed out").reason
        'Target.Timeout: Request timed out'
    """

    membership: Membership
    reason: str = attrs.field(default="", converter=_one_line)


OUTSIDE = Standing(Membership.ABSENT)
"""The standing of whoever a balancer doesn't list."""


class ImageState(enum.Enum):
    """How far an image has come; only an AVAILABLE one can be launched from."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


class Market(Word):
    """How a VM is paid for."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class Place(enum.Enum):
    """How a fleet's placements share its size."""

    SPREAD = "spread"
    ORDERED = "ordered"
    CHEAPEST = "cheapest"


@attrs.frozen
class Share:
    """A number of instances, absolute or as a percentage of the size.

    Example:
        >>> Share(25, percent=True).up(6), Share(25, percent=True).down(6), Share(2).up(6)
        (2, 1, 2)
    """

    number: int = attrs.field(validator=not_negative)
    percent: bool = attrs.field(default=False, kw_only=True)

    def up(self, size: int) -> int:
        """Resolve against `size`, rounding up: 25 % of 6 is 2."""
        return -(-self.number * size // 100) if self.percent else self.number

    def down(self, size: int) -> int:
        """Resolve against `size`, rounding down: 25 % of 6 is 1."""
        return self.number * size // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


@attrs.frozen
class Secret:
    """A reference to a secret, never the secret: `env:NAME`, `file:PATH` or `command:LINE`, resolved at launch."""

    ref: str
