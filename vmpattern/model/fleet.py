"""How many instances, where, and how they change: fleets, placements, rollout policies, clouds, deployments."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

from collections.abc import Iterable, Mapping
from typing import cast

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError
from vmpattern.model.service import Service
from vmpattern.model.words import (
    LONGEST_S,
    Market,
    Number,
    Option,
    Options,
    Place,
    Share,
    at_most,
    checked_name,
    not_negative,
    positive,
    whole,
)

MOST_INSTANCES = 100_000
"""The largest size of a fleet: a plan plays the life of every instance, 100,000 in about 20 seconds and 200 MiB."""

MOST_PLACEMENTS = 100
"""So many placements may a fleet have: each costs a call or more before anything is launched."""


def _zones(zones: Iterable[str]) -> tuple[str, ...]:
    return tuple(zones)


@attrs.frozen(kw_only=True)
class Placement:
    """One place where instances of a fleet may run.

    `zones` empty: every zone of the cloud. `machine_type` None: the smallest type that fits the service's resources.
    `weight` is the placement's part of the size under SPREAD.
    """

    cloud: str
    zones: tuple[str, ...] = attrs.field(default=(), converter=_zones)
    machine_type: str | None = None
    market: Market = Market.ON_DEMAND
    weight: int = attrs.field(default=1, validator=[whole, positive])
    options: Options = attrs.field(factory=immutabledict, converter=immutabledict)


@attrs.frozen(kw_only=True)
class Rollout:
    """How a fleet changes. Times are seconds; see the reference page for what each knob guarantees.

    `max_failures` None means max(1, 10 %), `blast_budget` None means max(5, 20 %) of the size.
    """

    strategy: str = attrs.field(default="rolling", validator=attrs.validators.in_(("rolling",)))
    max_surge: Share = Share(1)
    max_unavailable: Share = Share(0)
    max_in_flight: int = attrs.field(default=10, validator=[whole, positive])
    min_ready_s: float = attrs.field(default=30.0, validator=[not_negative, at_most(LONGEST_S)])
    launch_deadline_s: float = attrs.field(default=300.0, validator=[positive, at_most(LONGEST_S)])
    ready_deadline_s: float = attrs.field(default=900.0, validator=[positive, at_most(LONGEST_S)])
    progress_deadline_s: float = attrs.field(default=1200.0, validator=[positive, at_most(LONGEST_S)])
    max_failures: Share | None = None
    drain_s: float = attrs.field(default=300.0, validator=[not_negative, at_most(LONGEST_S)])
    keep_failed: int = attrs.field(default=1, validator=[whole, not_negative])
    keep_failed_s: float = attrs.field(default=3600.0, validator=[not_negative, at_most(LONGEST_S)])
    blast_budget: Share | None = None
    blast_window_s: float = attrs.field(default=600.0, validator=[positive, at_most(LONGEST_S)])

    def __attrs_post_init__(self) -> None:
        if self.max_surge.number == 0 and self.max_unavailable.number == 0:
            raise ValueError("max_surge and max_unavailable are both 0: nothing could ever be replaced")


def _frozen(value: object) -> object:
    """Return a driver's setting as the file would give it: hashable, whatever a program passes."""
    if isinstance(value, Mapping):
        return immutabledict({key: _frozen(part) for key, part in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _balancers(balancers: Mapping[str, Mapping[str, Option]]) -> immutabledict[str, Options]:
    return cast("immutabledict[str, Options]", _frozen(balancers))


def _placements(placements: Iterable[Placement]) -> tuple[Placement, ...]:
    return tuple(placements)


def _whole(fleet: object, attribute: "attrs.Attribute[Number]", value: Number) -> None:
    try:
        whole(fleet, attribute, value)
    except ValueError as error:
        raise ValueError(f"fleet {cast('Fleet', fleet).name}: {error}") from None


@attrs.frozen(kw_only=True)
class Fleet:
    """So many instances of one service in given placements, changed by a rollout policy.

    `balancer` maps cloud names to the balancer there, in the driver's own terms. `was` is the fleet's former name:
    instances with that label count as this fleet's old instances, and are replaced under its rollout policy.
    """

    name: str = attrs.field(validator=checked_name)
    service: str
    size: int = attrs.field(validator=[_whole, not_negative, at_most(MOST_INSTANCES)])
    placements: tuple[Placement, ...] = attrs.field(converter=_placements)
    place: Place = Place.SPREAD
    rollout: Rollout = Rollout()
    balancer: Mapping[str, Options] = attrs.field(factory=immutabledict, converter=_balancers)
    was: str | None = attrs.field(default=None, validator=attrs.validators.optional(checked_name))

    def __attrs_post_init__(self) -> None:
        if not self.placements:
            raise ValueError(f"fleet {self.name} has no placement")
        if len(self.placements) > MOST_PLACEMENTS:
            raise ValueError(f"fleet {self.name} has more than {MOST_PLACEMENTS} placements")

    @property
    def labels(self) -> tuple[str, ...]:
        """The fleet labels of its instances: its name, and its former name where it has one."""
        return (self.name,) if self.was is None else (self.name, self.was)


def check_renames(former_names: Mapping[str, str], fleets: Iterable[str]) -> Mapping[str, str]:
    """Return what is wrong with the former names of fleets, by the fleet that has it.

    Args:
        former_names: `was` by the name of the fleet that has it.
        fleets: the names of all fleets.
    """
    known, first, wrong = set(fleets), dict[str, str](), dict[str, str]()
    for name, was in former_names.items():
        if was == name:
            wrong[name] = "is the fleet's own name: expected the name that it had before"
        elif was in known:
            wrong[name] = f'there still is a fleet "{was}": remove that one from the file, or remove this line'
        elif was in first:
            wrong[name] = f'the fleet "{first[was]}" was "{was}", too: expected different former names'
        first.setdefault(was, name)
    return wrong


@attrs.frozen(kw_only=True)
class Cloud:
    """A configured cloud: the driver's entry point and its options. Relative paths start at `directory`."""

    name: str = attrs.field(validator=checked_name)
    driver: str
    options: Options = attrs.field(factory=immutabledict, converter=immutabledict)
    directory: str = "."


@attrs.frozen(kw_only=True)
class Deployment:
    """The named whole of one file: its name is part of every label, key and lease."""

    name: str = attrs.field(validator=checked_name)
    clouds: Mapping[str, Cloud] = attrs.field(converter=immutabledict)
    services: Mapping[str, Service] = attrs.field(converter=immutabledict)
    fleets: Mapping[str, Fleet] = attrs.field(converter=immutabledict)

    def __attrs_post_init__(self) -> None:
        for fleet in self.fleets.values():
            if fleet.service not in self.services:
                raise ValueError(f"fleet {fleet.name} names the service {fleet.service}, which isn't there")
            used = {placement.cloud for placement in fleet.placements} | set(fleet.balancer)
            if missing := sorted(used - set(self.clouds)):
                raise ValueError(f"fleet {fleet.name} names the cloud {missing[0]}, which isn't there")
        former = {name: fleet.was for name, fleet in self.fleets.items() if fleet.was is not None}
        if wrong := check_renames(former, self.fleets):
            raise SpecError([Problem(f"fleets.{name}.was", message) for name, message in wrong.items()])

    @property
    def directory(self) -> str:
        """Where the relative paths of services start: the folder of the file."""
        return next((cloud.directory for cloud in self.clouds.values()), ".")

    def owners(self) -> dict[str, str]:
        """Return the name of the fleet that each fleet label belongs to: its own name, and its former one."""
        return {label: name for name, fleet in self.fleets.items() for label in fleet.labels}

    def resized(self, sizes: Mapping[str, int]) -> "Deployment":
        """Return this deployment with other sizes for the fleets that `sizes` names.

        Raises:
            SpecError: names that no fleet of this deployment has, and sizes that none can have; all at once.
        """
        changed, problems = dict[str, Fleet](), list[Problem]()
        for name, size in sizes.items():
            if name not in self.fleets:
                known = ", ".join(self.fleets) or "none"
                problems.append(Problem(f"fleets.{name}", f"{self.name} has no fleet {name}: there are {known}"))
                continue
            try:
                changed[name] = attrs.evolve(self.fleets[name], size=size)
            except ValueError as error:
                problems.append(Problem(f"fleets.{name}.size", str(error)))
        if problems:
            raise SpecError(problems)
        return attrs.evolve(self, fleets={**self.fleets, **changed})
