"""The suite for pytest: a test for each clause, and a guard against tests that were quietly taken out."""

import inspect
from collections.abc import Callable
from typing import ClassVar, cast

from vmpattern.testing.clauses import Clause, registered
from vmpattern.testing.kit import Kit
from vmpattern.testing.report import Result, Status, execute, untried

_GUARD = "test_no_clause_is_left_out"


class DriverSuite(Kit):
    """Every clause of the contract as a test. Subclass it in a test file, with what `Kit` wants to know.

    A clause that a driver can't keep yet is overridden by a test with `@pytest.mark.xfail(reason=...)`; any other
    override makes the test `test_no_clause_is_left_out` fail.
    """

    results: ClassVar[list[Result]]

    def __init_subclass__(cls) -> None:
        """Refuse a subclass without the guard, and one that pytest would leave out.

        Raises:
            TypeError: it overrides `test_no_clause_is_left_out`, or has an `__init__`, with which pytest would collect
                no test of it.
        """
        if cls.__init__ is not object.__init__:
            raise TypeError(
                f"{cls.__name__} has an __init__, so pytest collects none of its tests: use cached_property"
            )
        if inspect.getattr_static(cls, _GUARD, None) is not vars(DriverSuite)[_GUARD]:
            raise TypeError(f"{cls.__name__} overrides {_GUARD}")
        cls.results = []

    def teardown_method(self) -> None:
        """Close the kit after each test."""
        self.close()

    @classmethod
    def teardown_class(cls) -> None:
        """Fail where a capability is declared, and every test of it was run and skipped."""
        if names := untried(cls.results):
            raise AssertionError(f"declared, and never tried: {', '.join(names)}")

    def test_no_clause_is_left_out(self) -> None:
        """Fail where a subclass takes the place of a clause's test without saying why."""
        missing = silent(type(self))
        if missing:
            raise AssertionError(f"overridden without xfail(reason=...): {', '.join(missing)}")


def silent(suite: type) -> list[str]:
    """Return the names of the tests that a subclass of `DriverSuite` overrides or deletes without a reason."""
    names = [name for name in vars(DriverSuite) if name.startswith("test_")]
    found = ((name, inspect.getattr_static(suite, name, None)) for name in names)
    quiet = [name for name, test in found if test is not vars(DriverSuite)[name] and not _has_reason(test)]
    return quiet if getattr(suite, "__test__", True) else ["__test__"]


def _has_reason(test: object) -> bool:
    marks = cast("list[object]", getattr(test, "pytestmark", []))
    xfails = [mark for mark in marks if getattr(mark, "name", "") == "xfail"]
    return any(cast("dict[str, object]", getattr(mark, "kwargs", {})).get("reason") for mark in xfails)


def _test_of(clause: Clause) -> Callable[[DriverSuite], None]:
    def test(self: DriverSuite) -> None:
        import pytest

        result = execute(clause, self)
        self.results.append(result)
        amiss = "; ".join(result.amiss)
        if result.status is Status.SKIPPED and not amiss:
            pytest.skip(f"{clause.id} can't be checked, because {result.reason}")
        if result.status is Status.FAILED and result.ok:
            pytest.xfail(f"{clause.id} is a SHOULD: {result.reason}")
        if not result.ok:
            raise AssertionError(f"{clause.id} ({clause.level.value}): {clause.text}\n{result.reason} {amiss}".rstrip())

    test.__name__ = clause.test_name
    test.__qualname__ = f"DriverSuite.{clause.test_name}"
    test.__doc__ = f"{clause.id} {clause.level.value}: {clause.text}"
    return test


for _clause in registered():
    setattr(DriverSuite, _clause.test_name, _test_of(_clause))
