"""Running checks, and what came of them: a value for each clause, outside pytest and under it."""

import enum
from collections import Counter
from collections.abc import Callable, Iterable

import attrs

from vmpattern.errors import DriverError
from vmpattern.testing.bench import Bench, Broken
from vmpattern.testing.clauses import Clause, Level, registered
from vmpattern.testing.kit import Kit, Skipped


class Status(enum.Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen
class Result:
    """What came of one clause: `reason` says how it is broken or why it was skipped; empty if it is kept.

    `amiss` tells, a sentence each, what stayed behind and which strangers' VMs were touched. `declared` says that the
    driver declares the capability that the clause exercises.
    """

    clause: Clause
    status: Status
    reason: str = ""
    amiss: tuple[str, ...] = ()
    declared: bool = False

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
    def untried(self) -> tuple[str, ...]:
        """The capabilities that are declared, and of which no clause could be checked."""
        return untried(self.results)

    @property
    def ok(self) -> bool:
        """Whether no MUST is broken, nothing was left amiss, and nothing is declared that was never tried."""
        return all(result.ok for result in self.results) and not self.untried

    def count(self, status: Status) -> int:
        """Count the clauses with this status."""
        return Counter(result.status for result in self.results)[status]


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
    try:
        status, reason = _checked(clause, bench)
    finally:
        amiss = bench.close()
    declared = bool(clause.exercises and getattr(bench.can, clause.exercises))
    return Result(clause, status, reason, amiss, declared)


def _checked(clause: Clause, bench: Bench) -> tuple[Status, str]:
    try:
        clause.check(bench)
    except Skipped as skipped:
        return Status.SKIPPED, str(skipped)
    except Broken as broken:
        return Status.FAILED, str(broken)
    except DriverError as error:
        return Status.FAILED, f"unexpected {type(error).__name__}: {error}"
    except Exception as error:
        return Status.FAILED, f"{type(error).__name__} came out of a verb, which may raise DriverError only: {error}"
    return Status.PASSED, ""


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
