"""Draws what run.py recorded: `python timeline.py recording.json timeline.svg`.

A line for each VM from its launch to its end, coloured by how far it was; below it the requests, by who answered.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TypedDict

WIDTH, LEFT, TOP, ROW, BAR, FLOOR = 900, 190, 60, 24, 14, 90
COLOURS = {
    "launched": ("#c9c9c9", "starts"),
    "ready": ("#2e9e5b", "ready"),
    "draining": ("#e8a33d", "drains"),
    "terminated": ("#b55", "powers off"),
    "baking": ("#5b8bd0", "bakes"),
}
ANSWERS = ("#9dc3f2", "#2b62b3", "#d00000")


class Told(TypedDict):
    """An event of the recording."""

    at: float
    kind: str
    instances: list[str]


class Recording(TypedDict):
    """What run.py wrote."""

    events: list[Told]
    answers: list[tuple[float, float, str]]


def spans(events: list[Told]) -> Iterator[tuple[str, str, float, float]]:
    """Yield each VM with a state that it was in, and from when to when."""
    at: dict[str, tuple[str, float]] = {}
    for event in events:
        for id in event["instances"]:
            if event["kind"] in (*COLOURS, "gone", "baked"):
                if id in at:
                    yield id, at[id][0], at[id][1], event["at"]
                at[id] = (event["kind"], event["at"])
    end = max(event["at"] for event in events)
    for id, (kind, since) in at.items():
        if kind in COLOURS:
            yield id, kind, since, end


def draw(recording: Recording) -> Iterator[str]:
    """Yield the lines of the picture."""
    events, answers = recording["events"], recording["answers"]
    start, end = events[0]["at"], events[-1]["at"]
    ids = list(dict.fromkeys(id for event in events for id in event["instances"]))
    height = TOP + len(ids) * ROW + FLOOR

    def x(at: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 20) * (at - start) / (end - start), 1)

    form = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {form}>'
    yield f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    for number, (colour, word) in enumerate(COLOURS.values()):
        yield f'<rect x="{LEFT + number * 110}" y="14" width="14" height="14" fill="{colour}"/>'
        yield f'<text x="{LEFT + number * 110 + 20}" y="26">{word}</text>'
    for row, id in enumerate(ids):
        yield f'<text x="8" y="{TOP + row * ROW + BAR - 2}">{escape(id)}</text>'
    for id, kind, since, until in spans(events):
        y, width = TOP + ids.index(id) * ROW, max(1.0, round(x(until) - x(since), 1))
        yield f'<rect x="{x(since)}" y="{y}" width="{width}" height="{BAR}" fill="{COLOURS[kind][0]}"/>'
    base = TOP + len(ids) * ROW + 50
    words = list(dict.fromkeys(sorted(what for _, _, what in answers)))
    for at, _, what in answers:
        colour = ANSWERS[min(words.index(what), 2)]
        yield f'<rect x="{x(at)}" y="{base - 30}" width="1" height="30" fill="{colour}"/>'
    counts = Counter(what for _, _, what in answers)
    told = ", ".join(f"{count} × {word}" for word, count in sorted(counts.items()))
    yield f'<text x="8" y="{base - 10}">requests, each answered</text>'
    yield f'<text x="{LEFT}" y="{base + 18}">{escape(told)}; {end - start:.0f} seconds in all</text>'
    yield "</svg>"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text("\n".join(draw(json.loads(source.read_text()))) + "\n")
