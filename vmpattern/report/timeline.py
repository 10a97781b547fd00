"""A fleet's rollout as a few rows: what starts when, how low the ready count goes, how many VMs there are. Pure."""

from collections.abc import Iterable, Iterator, Sequence

import attrs

from vmpattern.model import Action, Count, Step

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


def timeline(steps: Sequence[Step], counts: Sequence[Count], *, rows: int) -> tuple[Row, ...]:
    """Condense the steps and counts of one fleet into at most `rows` rows and a last one for the end.

    Where acts start at no more than `rows` moments there is a row for each, near ones taken together; else rows are
    equal stretches of time. `counts` begin at the start and are in the order of time.
    """
    if not steps or not counts:
        return ()
    end = max(step.start_s + step.duration_s for step in steps)
    starts = _together({step.start_s for step in steps}, near_s=end * NEAR)
    if len(starts) > rows:
        stretch = next((size for size in _NICE_S if end / size <= rows), end / rows)
        starts = [index * stretch for index in range(int(end // stretch) + 1)]
    return tuple(_rows(starts, end, steps, counts))


def _together(starts: Iterable[float], *, near_s: float) -> list[float]:
    found: list[float] = []
    for start in sorted(starts):
        if not found or start > found[-1] + near_s:
            found.append(start)
    return found


def _rows(starts: Sequence[float], end: float, steps: Sequence[Step], counts: Sequence[Count]) -> Iterator[Row]:
    waiting, following = list(counts)[::-1], sorted(steps, key=lambda step: step.start_s)[::-1]
    now = counts[0]
    for start, until in zip(starts, [*starts[1:], float("inf")], strict=True):
        acts = dict.fromkeys(Action, 0)
        while following and following[-1].start_s < until:
            step = following.pop()
            acts[step.action] += step.count
        while waiting and waiting[-1].at_s <= start:
            now = waiting.pop()
        lowest, highest = now.ready, now.total
        while waiting and waiting[-1].at_s < min(until, end):
            now = waiting.pop()
            lowest, highest = min(lowest, now.ready), max(highest, now.total)
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
    last = counts[-1]
    yield Row(start_s=end, launch=0, register=0, drain=0, terminate=0, ready=last.ready, total=last.total)
