import pickle
import re

import pytest

from vmpattern import errors
from vmpattern.errors import (
    DriverError,
    Invalid,
    OutOfCapacity,
    Problem,
    Refused,
    Scope,
    ScopeKind,
    SpecError,
    Throttled,
    VmpatternError,
)

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VmpatternError)]
DRIVER_ERRORS = [kind for kind in CLASSES if issubclass(kind, DriverError)]
DETAILS = {
    "code": "Oops",
    "scope": Scope(ScopeKind.MACHINE_TYPE, zone="a", machine_type="small", market="spot"),
    "retry_after_s": 2.5,
    "request_id": "req-1",
    "field": "zone",
}


def drawn_tree() -> dict[str, str]:
    """Read the parents of classes from the drawing in the module's docstring."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines()[2:]:
        if match := re.search(r"[A-Z]\w+", line):
            path = [entry for entry in path if entry[0] < match.start()]
            parents[match[0]] = path[-1][1] if path else "Exception"
            path.append((match.start(), match[0]))
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {kind.__name__: kind.__base__.__name__ for kind in CLASSES if kind.__base__}

    assert real == drawn_tree()


@pytest.mark.parametrize("kind", DRIVER_ERRORS)
def test_a_driver_error_keeps_every_field_when_pickled(kind: type[DriverError]) -> None:
    error = kind("no luck", **DETAILS)  # type: ignore[arg-type]

    again = pickle.loads(pickle.dumps(error))

    assert (kind, {**DETAILS, "message": "no luck"}) == (type(again), vars(again))


@pytest.mark.parametrize("kind", DRIVER_ERRORS)
def test_a_driver_error_keeps_its_text_when_pickled(kind: type[DriverError]) -> None:
    error = kind("no luck", **DETAILS)  # type: ignore[arg-type]

    assert str(error) == str(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize("kind", DRIVER_ERRORS)
def test_a_code_is_the_class_name_unless_the_provider_has_one(kind: type[DriverError]) -> None:
    assert kind.__name__ == kind("no luck").code


def test_a_spec_error_keeps_its_problems_when_pickled() -> None:
    error = SpecError([Problem("fleets.web.size", "expected a number", 3)], "shop.toml")

    again = pickle.loads(pickle.dumps(error))

    assert (error.problems, "shop.toml") == (again.problems, again.source)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("slow down (Throttled, cloud)", Throttled("slow down"), id="message, code and scope"),
        pytest.param(
            "no such zone (Invalid, cloud, field zone)", Invalid("no such zone", field="zone"), id="the field to blame"
        ),
        pytest.param(
            "full (Full, zone a, request r-1)",
            OutOfCapacity("full", code="Full", scope=Scope(ScopeKind.ZONE, zone="a"), request_id="r-1"),
            id="what the provider's support asks for",
        ),
    ],
)
def test_the_text_of_a_driver_error_tells(text: str, error: DriverError) -> None:
    assert text == str(error)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        pytest.param("cloud", Scope(ScopeKind.CLOUD), id="a kind without names"),
        pytest.param("zone a", Scope(ScopeKind.ZONE, zone="a"), id="a zone by name"),
        pytest.param(
            "machine-type small spot a",
            Scope(ScopeKind.MACHINE_TYPE, zone="a", machine_type="small", market="spot"),
            id="a machine type in one market of a zone",
        ),
    ],
)
def test_the_text_of_a_scope_tells(text: str, scope: Scope) -> None:
    assert text == str(scope)


@pytest.mark.parametrize(
    ("text", "source", "problem"),
    [
        pytest.param("shop.toml:3: size: wrong", "shop.toml", Problem("size", "wrong", 3), id="file, line and path"),
        pytest.param("shop.toml: size: wrong", "shop.toml", Problem("size", "wrong"), id="file and path without line"),
        pytest.param("size: wrong", "", Problem("size", "wrong", 3), id="a path alone where there is no file"),
        pytest.param("shop.toml:1: wrong", "shop.toml", Problem("", "wrong", 1), id="a place without a path"),
    ],
)
def test_a_problem_is_told_with(text: str, source: str, problem: Problem) -> None:
    assert text == str(SpecError([problem], source))


def test_every_problem_has_a_line_in_order() -> None:
    error = SpecError([Problem("a", "first"), Problem("b", "second")])

    assert "a: first\nb: second" == str(error)


@pytest.mark.parametrize("kind", [errors.StalePlan, errors.DamagedPlan, errors.Locked])
def test_what_was_refused_can_be_caught_as_refused(kind: type[VmpatternError]) -> None:
    with pytest.raises(Refused, match="moved"):
        raise kind("moved")
