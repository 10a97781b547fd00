"""Where random choices come from: a seed, for fast runs, or Hypothesis, for small counterexamples."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """A source of choices. What is first or smallest is the simplest, and a shrinker goes there."""

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        ...

    def number(self, least: int, most: int) -> int:
        """Return an integer from `least` to `most`, both included."""
        ...

    def chance(self, percent: int) -> bool:
        """Return True in so many of a hundred cases; False is the simpler answer."""
        ...


class Seeded:
    """Choices that follow from a seed alone."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one_of(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def chance(self, percent: int) -> bool:
        return self._random.random() * 100 < percent


class Drawn:
    """Choices that Hypothesis makes, and makes simpler."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def one_of(self, options: Sequence[T]) -> T:
        return options[self._draw(st.integers(0, len(options) - 1))]

    def number(self, least: int, most: int) -> int:
        return int(self._draw(st.integers(least, most)))

    def chance(self, percent: int) -> bool:
        return bool(self._draw(st.integers(0, 99)) >= 100 - percent)
