"""Draws what run.py recorded: `python timeline.py recording.json timeline.svg`.

A line for each VM from its launch to its end, coloured by what it does; below it the requests, by who answered them.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TypedDict

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 900, 160, 20, 50, 24, 14
STATES = {
    "baking": ("#5b8bd0", "bakes"),
    "launched": ("#c9c9c9", "starts"),
    "ready": ("#2e9e5b", "serves"),
    "draining": ("#e8a33d", "drains"),
}
ENDS = ("terminated", "gone")
ANSWERS = ("#8a63c9", "#111111", "#d00000")
TICK_S = 10


class Told(TypedDict):
    """An event of the recording."""

    at: float
    kind: str
    instances: list[str]


class Recording(TypedDict):
    """What run.py wrote."""

    events: list[Told]
    answers: list[tuple[float, float, str]]


def spans(events: Sequence[Told]) -> Iterator[tuple[str, str, float, float]]:
    """Yield each VM with a state that it was in, and from when to when; that an image is there ends its builder."""
    at: dict[str, tuple[str, float]] = {}
    for event in events:
        bakes = [id for id, (kind, _) in at.items() if kind == "baking"] if event["kind"] == "baked" else []
        for id in (*event["instances"], *bakes):
            if id in at and (event["kind"] in (*ENDS, "baked") or event["kind"] in STATES):
                yield id, at[id][0], at[id][1], event["at"]
                del at[id]
            if event["kind"] in STATES:
                at[id] = (event["kind"], event["at"])


def legend(entries: Sequence[tuple[str, str]], y: int) -> Iterator[str]:
    """Yield what the colours mean, side by side."""
    for number, (colour, word) in enumerate(entries):
        x = LEFT + number * 150
        yield f'<rect x="{x}" y="{y}" width="14" height="14" fill="{colour}"/>'
        yield f'<text x="{x + 20}" y="{y + 12}">{escape(word)}</text>'


def axis(x: Callable[[float], float], length_s: float, bottom: int) -> Iterator[str]:
    """Yield a line with its second at every tick."""
    for second in range(0, int(length_s) + 1, TICK_S):
        yield f'<path d="M{x(second)} {TOP - 8}V{bottom}" stroke="#e4e4e4"/>'
        yield f'<text x="{x(second)}" y="{bottom + 16}" text-anchor="middle" fill="#555">{second}</text>'
    yield f'<text x="8" y="{bottom + 16}" fill="#555">seconds</text>'


def draw(recording: Recording) -> Iterator[str]:
    """Yield the lines of the picture."""
    events, answers = recording["events"], recording["answers"]
    start, length_s = events[0]["at"], events[-1]["at"] - events[0]["at"]
    ids = list(dict.fromkeys(id for event in events for id in event["instances"]))
    counts = Counter(what for _, _, what in answers)
    words = sorted(counts)
    requests = TOP + len(ids) * ROW
    bottom = requests + 34

    def x(second: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * second / length_s, 1)

    form = f'viewBox="0 0 {WIDTH} {bottom + 58}" font-family="sans-serif" font-size="12"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {form}>'
    yield f'<rect width="{WIDTH}" height="{bottom + 58}" fill="#fff"/>'
    yield from legend(list(STATES.values()), 14)
    yield from axis(x, length_s, bottom)
    for row, id in enumerate(ids):
        yield f'<text x="8" y="{TOP + row * ROW + BAR - 2}">{escape(id)}</text>'
    for id, kind, since, until in spans(events):
        left, width = x(since - start), max(1.0, round(x(until - start) - x(since - start), 1))
        y, colour = TOP + ids.index(id) * ROW, STATES[kind][0]
        yield f'<rect x="{left}" y="{y}" width="{width}" height="{BAR}" fill="{colour}"/>'
    yield f'<text x="8" y="{requests + 20}">requests</text>'
    for at, _, what in answers:
        colour = ANSWERS[min(words.index(what), len(ANSWERS) - 1)]
        yield f'<rect x="{x(at - start)}" y="{requests + 4}" width="1.5" height="24" fill="{colour}"/>'
    shown = [(ANSWERS[min(number, 2)], f"{counts[word]} by {word}") for number, word in enumerate(words)]
    yield from legend(shown, bottom + 32)
    yield "</svg>"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text("\n".join(draw(json.loads(source.read_text()))) + "\n")
