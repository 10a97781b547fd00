"""Running checks, and what came of them: a value for each clause, outside pytest and under it."""

import enum
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from vmpattern.errors import DriverError, VmpatternError
from vmpattern.testing.bench import Bench, Broken
from vmpattern.testing.clauses import Clause, Level, registered
from vmpattern.testing.kit import Kit, NotGiven, Skipped


class Status(enum.Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen
class Result:
    """What came of one clause: `reason` says how it is broken or why it was skipped; empty if it is kept.

    `amiss` tells, a sentence each, what stayed behind and which strangers' VMs were touched. `declared` says that the
    driver declares the capability that the clause exercises; `missing` is what the kit would have to give.
    """

    clause: Clause
    status: Status
    reason: str = ""
    amiss: tuple[str, ...] = ()
    declared: bool = False
    missing: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; a SHOULD that isn't kept is no mistake."""
        return not self.amiss and not (self.status is Status.FAILED and self.clause.level is Level.MUST)


@attrs.frozen
class Report:
    """What came of the clauses, in the order of the page."""

    driver: str
    results: tuple[Result, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What the kit doesn't give, so that clauses were skipped, in the order of the page."""
        return tuple(dict.fromkeys(result.missing for result in self.results if result.missing))

    @property
    def untried(self) -> tuple[str, ...]:
        """The capabilities that are declared, and of which no clause could be checked."""
        return untried(self.results)

    @property
    def ok(self) -> bool:
        """Whether no MUST is broken, nothing was left amiss, and nothing is declared that was never tried."""
        return all(result.ok for result in self.results) and not self.untried

    @property
    def is_empty(self) -> bool:
        """Whether nothing was checked, since every clause was skipped."""
        return self.count(Status.SKIPPED) == len(self.results)

    def count(self, status: Status) -> int:
        """Count the clauses with this status; FAILED has those of a SHOULD too, which `lapses` counts alone."""
        return Counter(result.status for result in self.results)[status]

    @property
    def lapses(self) -> int:
        """How many SHOULDs weren't kept, which is told and is no failure."""
        return sum(one.status is Status.FAILED and one.clause.level is Level.SHOULD for one in self.results)


def untried(results: Iterable[Result]) -> tuple[str, ...]:
    """Return the capabilities that are declared, and of which every clause was skipped; nothing of those left out."""
    skipped = {result.clause for result in results if result.declared and result.status is Status.SKIPPED}
    names = dict.fromkeys(clause.exercises for clause in registered() if clause in skipped)
    return tuple(name for name in names if {one for one in registered() if one.exercises == name} <= skipped)


def execute(clause: Clause, kit: Kit) -> Result:
    """Check one clause, and put away what that launched, however it ends; KeyboardInterrupt goes on afterwards."""
    try:
        bench = Bench(kit, clause.id)
    except DriverError as error:
        return Result(clause, Status.FAILED, f"no connection: {error}")
    except VmpatternError:
        raise
    except Exception as error:
        return Result(
            clause, Status.FAILED, f"no connection: {type(error).__name__} came out of {_place(error)}: {error}"
        )
    missing = ""
    try:
        status, reason = _checked(clause, bench)
    except NotGiven as skipped:
        status, reason, missing = Status.SKIPPED, str(skipped), skipped.what
    finally:
        amiss = bench.close()
    declared = bool(clause.exercises and getattr(bench.can, clause.exercises))
    return Result(clause, status, reason, amiss, declared, missing)


def _checked(clause: Clause, bench: Bench) -> tuple[Status, str]:
    try:
        clause.check(bench)
    except NotGiven:
        raise
    except Skipped as skipped:
        return Status.SKIPPED, str(skipped)
    except Broken as broken:
        return Status.FAILED, str(broken)
    except DriverError as error:
        return Status.FAILED, f"unexpected {type(error).__name__}: {error}"
    except Exception as error:
        name, place = type(error).__name__, _place(error)
        return Status.FAILED, f"{name} came out of {place}, and a verb may raise DriverError only: {error}"
    return Status.PASSED, ""


def _place(error: Exception) -> str:
    """Return where an error left what isn't the kit's own code: a driver's verb, or a method of the author's kit."""
    own = Path(__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    others = [frame for frame in frames if own not in Path(frame.filename).parents]
    frame = (others or frames)[0]
    return f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})"


def run(
    kit: Kit,
    *,
    clauses: Iterable[Clause] | None = None,
    on_result: Callable[[Result], None] = lambda _: None,
    driver: str = "",
) -> Report:
    """Check a driver clause by clause; the kit is closed at the end.

    Args:
        clauses: which; None for all.
        on_result: is called after each.
        driver: the name for the report.
    """
    results: list[Result] = []
    try:
        for clause in registered() if clauses is None else clauses:
            results.append(execute(clause, kit))
            on_result(results[-1])
    finally:
        kit.close()
    return Report(driver, tuple(results))
