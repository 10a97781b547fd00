"""What a schedule draws, by name: for the coverage that the long run prints and a test checks."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise

import attrs

from lawbook.schedules import CLOUDS, NEW_NAME, Change, Schedule, uses_bad_image
from vmpattern.model import Deployment, Fleet, Idempotency, Market
from vmpattern.simulation import CloudSpec, FaultKind

WORLDS = ("two clouds", "three clouds", "old instances", "strangers", "slow calls", "calls of the dead")
CLOUD = ("a quota", "little capacity", "stale lists", "tight budgets", "no native health", "preflight", "fixed labels")
WISHES = (
    "spot",
    "several placements of a cloud",
    "more than 8 instances",
    "a TCP check",
    "no health check",
    "a balancer",
    "two fleets",
    "a bad image",
    "a secret",
)
EDITS = (
    "another image",
    "another environment",
    "other resources",
    "another health check",
    "a balancer is added",
    "a balancer is changed",
    "a balancer is removed",
    "a fleet is added",
    "a fleet is removed",
    "a fleet is renamed",
    "another size",
    "a second fleet is resized",
    "other placements",
    "another rollout",
)
HAPPENINGS = (
    "a crash",
    "a stop by the user",
    "a rotated secret",
    "a clock that is ahead",
    "a clock that is behind",
    *(f"outside: {what}" for what in ("kill", "stop", "deregister", "spot", "relabel")),
    "the record is lost",
)
FEATURES = (
    *WORLDS,
    *CLOUD,
    *(f"launches of kind {kind.value}" for kind in Idempotency),
    *WISHES,
    *EDITS,
    *HAPPENINGS,
    *(f"fault: {kind.value}" for kind in FaultKind),
)
"""Everything that a schedule may draw and a law may depend on."""


def features(schedule: Schedule) -> frozenset[str]:
    """Return the names of what a schedule draws."""
    return frozenset(_features(schedule))


def _features(schedule: Schedule) -> Iterator[str]:
    yield from _when(
        {
            "two clouds": len(schedule.clouds) == 2,
            "three clouds": len(schedule.clouds) == len(CLOUDS),
            "old instances": schedule.old,
            "strangers": schedule.strangers,
            "slow calls": schedule.slowness_s,
            "calls of the dead": schedule.ghosts and any(change.crash for change in schedule.changes),
        }
    )
    for spec in schedule.clouds:
        yield from _of_cloud(spec)
    for kind in schedule.kinds:
        yield f"fault: {kind.value}"
    for change in schedule.changes:
        yield from _of_change(change)
    for before, after in pairwise(schedule.changes):
        yield from _of_edit(before.desired, after.desired)
        yield from _when({"a rotated secret": before.secret != after.secret and _has_secret(after.desired)})


def _when(cases: dict[str, object]) -> Iterator[str]:
    yield from (name for name, holds in cases.items() if holds)


def _of_cloud(spec: CloudSpec) -> Iterator[str]:
    can = spec.capabilities
    yield f"launches of kind {can.idempotency.value}"
    yield from _when(
        {
            "a quota": spec.quota is not None,
            "little capacity": spec.capacity,
            "stale lists": can.staleness_s,
            "tight budgets": can.budgets,
            "no native health": not can.native_health,
            "preflight": can.checks,
            "fixed labels": not can.mutable_labels,
        }
    )


def _of_change(change: Change) -> Iterator[str]:
    desired = change.desired
    check = desired.services["web"].health
    placements = [placement for fleet in desired.fleets.values() for placement in fleet.placements]
    yield from _when(
        {
            "spot": any(placement.market is Market.SPOT for placement in placements),
            "several placements of a cloud": any(_repeats_a_cloud(fleet) for fleet in desired.fleets.values()),
            "more than 8 instances": any(fleet.size > 8 for fleet in desired.fleets.values()),
            "a TCP check": check is not None and check.http is None,
            "no health check": check is None,
            "a balancer": any(fleet.balancer for fleet in desired.fleets.values()),
            "two fleets": len(desired.fleets) > 1,
            "a bad image": uses_bad_image(desired),
            "a secret": _has_secret(desired),
            "a crash": change.crash,
            "a stop by the user": change.stop_at_call is not None,
            "a clock that is ahead": change.clock_s > 0,
            "a clock that is behind": change.clock_s < 0,
            "the record is lost": change.forgets,
        }
    )
    yield from (f"outside: {happening.what}" for happening in change.outside)


def _repeats_a_cloud(fleet: Fleet) -> bool:
    clouds = [placement.cloud for placement in fleet.placements]
    return len(set(clouds)) < len(clouds)


def _has_secret(desired: Deployment) -> bool:
    return "TOKEN" in desired.services["web"].env


def _of_edit(before: Deployment, after: Deployment) -> Iterator[str]:
    was, now = before.services["web"], after.services["web"]
    yield from _when(
        {
            "another image": was.image != now.image,
            "another environment": was.env != now.env,
            "other resources": was.resources != now.resources,
            "another health check": was.health != now.health,
            "a fleet is added": after.fleets.keys() - before.fleets.keys(),
            "a fleet is removed": before.fleets.keys() - after.fleets.keys(),
            "a fleet is renamed": NEW_NAME in after.fleets.keys() - before.fleets.keys(),
        }
    )
    for name in before.fleets.keys() & after.fleets.keys():
        yield from _of_fleet(before.fleets[name], after.fleets[name], second=len(after.fleets) > 1)


def _of_fleet(was: Fleet, now: Fleet, *, second: bool) -> Iterator[str]:
    yield from _when(
        {
            "a balancer is added": now.balancer and not was.balancer,
            "a balancer is changed": now.balancer and was.balancer and now.balancer != was.balancer,
            "a balancer is removed": was.balancer and not now.balancer,
            "another size": was.size != now.size,
            "a second fleet is resized": second and was.size != now.size,
            "other placements": was.placements != now.placements,
            "another rollout": was.rollout != now.rollout,
        }
    )


@attrs.define
class Coverage:
    """How many schedules drew each feature, and each pair of features."""

    schedules: int = 0
    singles: Counter[str] = attrs.field(factory=Counter)
    pairs: Counter[tuple[str, str]] = attrs.field(factory=Counter)

    def add(self, drawn: frozenset[str]) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.singles.update(drawn)
        self.pairs.update(combinations(sorted(drawn), 2))

    def merge(self, other: "Coverage") -> None:
        """Count what another one counted."""
        self.schedules += other.schedules
        self.singles += other.singles
        self.pairs += other.pairs

    def missing(self) -> list[tuple[str, str]]:
        """Return the pairs of features that no schedule drew together."""
        return [pair for pair in combinations(sorted(FEATURES), 2) if pair not in self.pairs]

    def lines(self) -> Iterator[str]:
        """Yield the share of schedules of each feature, and how many of all pairs were drawn."""
        for name in FEATURES:
            yield f"  {100 * self.singles[name] / max(1, self.schedules):5.1f} %  {name}"
        every, missing = len(FEATURES) * (len(FEATURES) - 1) // 2, self.missing()
        rarest = min(self.pairs.values(), default=0)
        yield f"  {every - len(missing):,} of {every:,} pairs, the rarest drawn one in {rarest} schedules"
        yield from (f"  never together: {first} and {second}" for first, second in missing[:10])
