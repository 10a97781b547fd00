"""The kit for driver authors: the contract's clauses as checks, under pytest and outside it.

Nothing in the core imports this; pytest and Hypothesis are imported only where they are used.
"""

import contextlib

with contextlib.suppress(ImportError):
    import pytest

    pytest.register_assert_rewrite("vmpattern.testing.checks", "vmpattern.testing.suite")

import vmpattern.testing.checks as _checks
from vmpattern.testing.clauses import Clause, Level, registered
from vmpattern.testing.finding import PlainKit, kit_for
from vmpattern.testing.kit import Fault, Kit, Recorded, Skipped
from vmpattern.testing.report import Report, Result, Status, execute, run
from vmpattern.testing.suite import DriverSuite, silent

CLAUSES = registered()
"""Every clause, in the order of the page."""

__all__ = [
    "CLAUSES",
    "Clause",
    "DriverSuite",
    "Fault",
    "Kit",
    "Level",
    "PlainKit",
    "Recorded",
    "Report",
    "Result",
    "Skipped",
    "Status",
    "execute",
    "kit_for",
    "run",
    "silent",
]

del _checks
