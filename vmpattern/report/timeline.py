"""A fleet's rollout as a few rows: what starts when, how low the ready count goes, how many VMs there are. Pure."""

from collections.abc import Iterable, Iterator, Sequence

import attrs

from vmpattern.model import Action, FleetPlan, InstanceId, Step

NEAR = 0.03
"""Acts that start within this part of the whole are one row: an end and the launch that it makes room for."""
_NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


@attrs.frozen(kw_only=True)
class Row:
    """A stretch of the rollout: instances whose launch, registration, drain or end starts in it, and the extremes.

    `drain` counts those that are taken out of a balancer, `ready` is the lowest and `total` the highest count.
    """

    start_s: float
    launch: int
    register: int
    drain: int
    terminate: int
    ready: int
    total: int


@attrs.frozen
class _Change:
    """At `at`, the counts of ready and of existing instances change by so much."""

    at: float
    ready: int
    total: int


def timeline(fleet: FleetPlan, steps: Sequence[Step], *, rows: int) -> tuple[Row, ...]:
    """Condense the steps of one fleet into at most `rows` rows and a last one for the end.

    Where acts start at no more than `rows` moments there is a row for each, near ones taken together; else rows are
    equal stretches of time.
    """
    if not steps:
        return ()
    end = max(step.start_s + step.duration_s for step in steps)
    starts = _together({step.start_s for step in steps}, near_s=end * NEAR)
    if len(starts) > rows:
        stretch = next((size for size in _NICE_S if end / size <= rows), end / rows)
        starts = [index * stretch for index in range(int(end // stretch) + 1)]
    before = fleet.keep + fleet.replace + fleet.destroy
    changes = sorted(_changes(steps), key=lambda change: change.at)
    return tuple(_rows(starts, end, steps, _with_unready(changes, before - fleet.ready), (fleet.ready, before)))


def _together(starts: Iterable[float], *, near_s: float) -> list[float]:
    found: list[float] = []
    for start in sorted(starts):
        if not found or start > found[-1] + near_s:
            found.append(start)
    return found


def _changes(steps: Sequence[Step]) -> Iterator[_Change]:
    drained: set[InstanceId] = set()
    for step in sorted(steps, key=lambda step: step.start_s):
        end = step.start_s + step.duration_s
        if step.action is Action.LAUNCH:
            yield _Change(step.start_s, 0, step.count)
            yield _Change(end, step.count, 0)
        elif step.action is Action.WAIT:
            yield _Change(end, step.count, 0)
        elif step.action is Action.DRAIN:
            drained.update(step.instances)
            yield _Change(step.start_s, -step.count, 0)
        elif step.action is Action.TERMINATE:
            yield _Change(step.start_s, -(step.count - len(drained.intersection(step.instances))), 0)
            yield _Change(end, 0, -step.count)


def _with_unready(changes: Sequence[_Change], not_ready: int) -> Iterator[_Change]:
    """Take the first instances that go for those that weren't ready: unhealthy ones go first."""
    for change in changes:
        spared = min(not_ready, -change.ready) if change.ready < 0 else 0
        not_ready -= spared
        yield attrs.evolve(change, ready=change.ready + spared)


def _rows(
    starts: Sequence[float], end: float, steps: Sequence[Step], changes: Iterator[_Change], counts: tuple[int, int]
) -> Iterator[Row]:
    ready, total = counts
    waiting, following = list(changes)[::-1], sorted(steps, key=lambda step: step.start_s)[::-1]
    for start, until in zip(starts, [*starts[1:], float("inf")], strict=True):
        acts = dict.fromkeys(Action, 0)
        while following and following[-1].start_s < until:
            step = following.pop()
            acts[step.action] += step.count
        ready, total = _settle(waiting, start, ready, total)
        lowest, highest = ready, total
        while waiting and waiting[-1].at < min(until, end):
            ready, total = _settle(waiting, waiting[-1].at, ready, total)
            lowest, highest = min(lowest, ready), max(highest, total)
        row = Row(
            start_s=start,
            launch=acts[Action.LAUNCH],
            register=acts[Action.REGISTER],
            drain=acts[Action.DRAIN] + acts[Action.DEREGISTER],
            terminate=acts[Action.TERMINATE],
            ready=lowest,
            total=highest,
        )
        if row.launch or row.register or row.drain or row.terminate:
            yield row
    ready, total = _settle(waiting, float("inf"), ready, total)
    yield Row(start_s=end, launch=0, register=0, drain=0, terminate=0, ready=ready, total=total)


def _settle(waiting: list[_Change], at: float, ready: int, total: int) -> tuple[int, int]:
    while waiting and waiting[-1].at <= at:
        change = waiting.pop()
        ready, total = ready + change.ready, total + change.total
    return ready, total
