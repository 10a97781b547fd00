"""The clauses of the driver contract, each with the check that bears its id. Values only; the checks are elsewhere."""

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from vmpattern.testing.bench import Bench

Check = Callable[["Bench"], None]


class Level(enum.Enum):
    """How binding a clause is, in the words of RFC 2119."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@attrs.frozen
class Clause:
    """One promise of the contract: a stable id, its level, its text, and the check that tells whether it is kept.

    `exercises` names the capability that the check tries where it is declared; empty for what every driver has.
    """

    id: str
    level: Level
    text: str
    check: Check = attrs.field(eq=False, repr=False)
    exercises: str = ""

    @property
    def test_name(self) -> str:
        """The name of its test under pytest, such as `test_launch_3_sends_again_without_a_duplicate`."""
        return f"test_{self.id.replace('-', '_')}_{self.check.__name__}"


_CLAUSES: dict[str, Clause] = {}


def clause(id: str, text: str, *, level: Level = Level.MUST, exercises: str = "") -> Callable[[Check], Check]:
    """Register a check as that of a new clause.

    Raises:
        ValueError: the id is taken.
    """

    def register(check: Check) -> Check:
        if id in _CLAUSES:
            raise ValueError(f"two clauses are named {id}")
        _CLAUSES[id] = Clause(id, level, text, check, exercises)
        return check

    return register


def registered() -> tuple[Clause, ...]:
    """Return every clause, in the order of the page."""
    return tuple(_CLAUSES.values())
