"""`vmpattern drivers check`: what it tells of a driver that keeps the contract, and of one that doesn't."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import attrs
import broken_drivers as broken
import pytest
from whole_driver import WholeDriver, WholeKit

from vmpattern.cli.engine import Engine
from vmpattern.testing import CLAUSES

WHERE = ("--zone", "a", "--machine-type", "small", "--image", "img-1")


@attrs.frozen
class NoOptions:
    """The driver has none."""


class Given(Engine):
    """An engine whose only driver is one of those that the tests make."""

    def __init__(self, made: type[WholeDriver]) -> None:
        place = WholeKit().place

        class Factory:
            Options: ClassVar[type[NoOptions]] = NoOptions

            def __new__(cls, options: NoOptions, *, cloud: str, directory: Path) -> WholeDriver:
                return made(place)

        self.factory = Factory

    def driver(self, name: str) -> type:
        return self.factory


class Interrupts(WholeDriver):
    """Somebody presses Ctrl-C at the first launch, after its effect."""

    def launch(self, request):
        super().launch(request)
        raise KeyboardInterrupt


def test_a_driver_that_keeps_the_contract(call: Callable) -> None:
    ran = call("drivers", "check", "memory", "--clause", "fact", "--clause", "own-1")

    assert (0, ["fact-1", "fact-2", "fact-3", "fact-4", "fact-5", "own-1"]) == (
        ran.status,
        re.findall(r"^✓ +(\S+)", ran.out, re.M),
    )
    assert "6 clauses of contract 1: 6 passed, 0 failed, 0 skipped" in ran.out


def test_what_is_told_of_a_driver_that_breaks_the_contract(call: Callable, golden: Callable) -> None:
    ran = call("drivers", "check", "given", *WHERE, "--clause", "type", "--yes", engine=Given(broken.PricesAtZero))

    assert 1 == ran.status
    golden("drivers-check-broken.txt", ran.out)


def test_a_should_that_is_not_kept_fails_nothing(call: Callable) -> None:
    ran = call("drivers", "check", "given", *WHERE, "--clause", "type", "--yes", engine=Given(broken.KnowsNoPrice))

    assert (0, ["type-4"]) == (ran.status, re.findall(r"^! +(\S+)", ran.out, re.M))
    assert "4 clauses of contract 1: 3 passed, 0 failed, 1 SHOULD not kept, 0 skipped." in ran.out


def test_where_every_clause_was_skipped_nothing_is_said_to_be_kept(call: Callable) -> None:
    few = ("--most", "3", "--clause", "launch-10", "--clause", "end-4", "--yes")
    ran = call("drivers", "check", "given", *WHERE, *few, engine=Given(WholeDriver))

    assert [
        "Nothing of given was checked: every clause was skipped.",
        "2 clauses of contract 1: 0 passed, 0 failed, 2 skipped.",
        "More is checked where the kit gives: most = 4.",
    ] == ran.out.splitlines()[-3:]


def test_the_document_has_every_clause(call: Callable) -> None:
    ran = call("drivers", "check", "memory", "--most", "1", "--json")
    found = ran.document

    assert [clause.id for clause in CLAUSES] == [clause["id"] for clause in found["clauses"]]
    assert len(CLAUSES) == found["passed"] + found["failed"] + found["skipped"]
    assert (True, 1, "memory") == (found["ok"], found["contract"], found["driver"])


def test_the_first_interruption_ends_what_was_launched(call: Callable) -> None:
    engine = Given(Interrupts)
    ran = call("drivers", "check", "given", *WHERE, "--clause", "list-1", "--yes", engine=engine)

    assert (130, "Interrupted; what the check had launched was ended.") == (ran.status, ran.err.strip())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("memory", "--clause", "lunch"), "there is no clause lunch; did you mean launch?"),
        (("memory", "--options", "speed"), "--options takes KEY=VALUE, found speed"),
        (("memory", "--options", "spede=1"), "options.spede: isn't an option here; did you mean speed?"),
        (("memroy",), "no installed driver is named 'memroy'; did you mean memory?"),
        (("memory", "--clause", "launch-99"), "there is no clause launch-99; did you mean launch-9?"),
        (("given",), "zone: is missing: no entry point given of the group vmpattern.drivers.checks names a kit"),
        (("given", *WHERE), "there is no terminal to ask on: --yes goes ahead without asking"),
    ],
)
def test_what_cannot_be_checked_is_told(call: Callable, words: tuple[str, ...], message: str) -> None:
    engine = Given(WholeDriver) if words[0] == "given" else None
    ran = call("drivers", "check", *words, engine=engine)

    assert (64, message) == (ran.status, ran.err.splitlines()[0][: len(message)])


def test_settings_reach_the_driver(call: Callable) -> None:
    ran = call("drivers", "check", "memory", "--clause", "fact-1", "--options", 'zones=["x"]', "--json")

    assert (0, 1) == (ran.status, ran.document["passed"])


def test_options_before_the_command_count(call: Callable) -> None:
    assert call("drivers", "--json", "check", "memory", "--clause", "fact-1").document["ok"]
