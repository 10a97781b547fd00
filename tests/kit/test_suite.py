"""The suite under pytest: a test for each clause, nothing left out in silence, skips that say why."""

import time
from functools import cached_property
from typing import ClassVar

import attrs
import pytest
from hypothesis import given, strategies as st
from whole_driver import CAN, Place, WholeDriver, WholeKit

from vmpattern.errors import ScopeKind, Throttled, Transient
from vmpattern.testing import CLAUSES, Clause, DriverSuite, Kit, Level, Recorded, Status, execute, run, silent
from vmpattern.testing.bench import Bench, expect

BY_ID = {clause.id: clause for clause in CLAUSES}


def names(suite: type) -> set[str]:
    return {name for name in dir(suite) if name.startswith("test_")}


def test_every_clause_has_a_test_that_bears_its_id() -> None:
    expected = {clause.test_name for clause in CLAUSES} | {"test_no_clause_is_left_out"}

    assert expected == names(DriverSuite)


def test_a_suite_that_overrides_nothing_is_complete() -> None:
    class Whole(DriverSuite): ...

    assert [] == silent(Whole)


class Empties(DriverSuite):
    def test_type_3_no_price_is_zero(self) -> None:
        return


class Deletes(DriverSuite):
    test_type_3_no_price_is_zero = None


class Skips(DriverSuite):
    @pytest.mark.skip(reason="it is broken")
    def test_type_3_no_price_is_zero(self) -> None: ...


class GivesNoReason(DriverSuite):
    @pytest.mark.xfail
    def test_type_3_no_price_is_zero(self) -> None: ...


@pytest.mark.parametrize("suite", [Empties, Deletes, Skips, GivesNoReason])
def test_what_is_taken_out_in_silence_is_found(suite: type[DriverSuite]) -> None:
    assert ["test_type_3_no_price_is_zero"] == silent(suite)


def test_what_is_expected_to_fail_for_a_reason_may_be_overridden() -> None:
    class Honest(DriverSuite):
        @pytest.mark.xfail(reason="prices aren't read yet")
        def test_type_3_no_price_is_zero(self) -> None: ...

    assert [] == silent(Honest)


def test_the_guard_itself_can_not_be_overridden() -> None:
    with pytest.raises(TypeError, match="overrides test_no_clause_is_left_out"):

        class Sly(DriverSuite):
            def test_no_clause_is_left_out(self) -> None: ...


def test_a_kit_that_gives_little_skips_and_says_why() -> None:
    class Poor(WholeKit):
        connect_with = Kit.connect_with
        plant_stranger = Kit.plant_stranger
        recorded = Kit.recorded
        balancer = None

    results = {result.clause.id: result for result in run(Poor()).results}
    expected = {
        "list-5": "the kit gives no connect_with",
        "own-1": "the kit gives no plant_stranger",
        "error-3": "the kit gives no recorded answers",
        "balance-1": "the kit gives no balancer",
    }

    assert expected == {id: results[id].reason for id in expected}
    assert {Status.SKIPPED} == {results[id].status for id in expected}


def test_what_the_kit_does_not_give_is_told_once() -> None:
    class Poor(WholeKit):
        connect_with = Kit.connect_with
        recorded = Kit.recorded
        most = 3

    assert ("connect_with", "most = 4", "recorded answers") == run(Poor()).missing


class OnePage(WholeDriver):
    """A list is always one answer."""

    def instances(self, selector):
        return self.cloud.instances(selector)


class Lasting(WholeDriver):
    """Its cloud has no time that anybody could move."""

    advance: ClassVar[None] = None


class Unhurried(WholeKit):
    """A kit that says no number of examples, and moves the cloud's time by itself."""

    examples = None

    def let_pass(self, driver, seconds):
        cloud = self.place.cloud
        cloud.advance(cloud.clock.now() + seconds)


def test_a_number_of_examples_is_told_to_be_missing() -> None:
    assert "examples" == execute(BY_ID["model-1"], Unhurried(Lasting)).missing


def test_a_driver_without_pages_lists_all_there_may_be() -> None:
    class Whole(WholeKit):
        most = 5

    class LosesTheFifth(WholeDriver):
        def instances(self, selector):
            return self.cloud.instances(selector)[:4]

    endless = attrs.evolve(CAN, page_size=0)
    clauses = [BY_ID["list-2"]]

    assert [True, False] == [run(Whole(made, endless), clauses=clauses).ok for made in (OnePage, LosesTheFifth)]


class Stumbles(WholeKit):
    """A kit with a mistake of its own."""

    def plant_stranger(self, request):
        raise LookupError("no such table")


class Disconnected(WholeKit):
    """A kit that can't connect, by a mistake of its own."""

    def connect(self):
        raise TypeError("capacity has a wrong type")


def test_an_error_that_comes_out_of_a_connection_is_told_with_its_place() -> None:
    reason = execute(BY_ID["fact-1"], Disconnected()).reason

    assert reason.startswith("no connection: TypeError came out of connect (test_suite.py:")


class Misreplays(WholeKit):
    """A kit with a recorded answer of which the driver makes another kind of error."""

    def recorded(self):
        def replay():
            raise KeyError("Code")

        return (Recorded(name="an empty body", replay=replay, error=Transient, scope=ScopeKind.CLOUD),)


def test_an_answer_that_becomes_no_error_of_the_contract_is_told_by_its_name() -> None:
    reason = execute(BY_ID["error-3"], Misreplays()).reason

    assert "the answer an empty body raised KeyError, no DriverError: 'Code'" == reason


def test_an_error_that_comes_out_of_the_kit_is_told_with_its_place() -> None:
    reason = execute(BY_ID["own-3"], Stumbles()).reason

    assert reason.startswith("LookupError came out of plant_stranger (test_suite.py:")


def test_a_suite_of_which_pytest_would_collect_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="has an __init__"):

        class Made(DriverSuite):
            def __init__(self) -> None: ...


class Unbalanced(WholeKit):
    balancer = None


def test_a_capability_that_is_declared_and_never_tried_fails_the_report() -> None:
    report = run(Unbalanced())

    assert (("balancer",), False) == (report.untried, report.ok)


def test_a_capability_that_is_not_declared_needs_no_try() -> None:
    report = run(Unbalanced(can=attrs.evolve(CAN, balancer=False)))

    assert ((), {"balance-3"}) == (report.untried, {result.clause.id for result in report.results if not result.ok})


def test_a_capability_of_which_only_some_clauses_were_chosen_is_not_judged() -> None:
    assert run(Unbalanced(), clauses=[BY_ID["balance-1"]]).ok


def test_a_suite_fails_where_a_declared_capability_was_never_tried() -> None:
    class Suite(WholeKit, DriverSuite):
        __init__ = object.__init__
        balancer = None

        @cached_property
        def place(self) -> Place:
            return WholeKit().place

    for id in ("balance-1", "balance-2", "balance-4"):
        with pytest.raises(pytest.skip.Exception):
            getattr(Suite(), BY_ID[id].test_name)()

    with pytest.raises(AssertionError, match="declared, and never tried: balancer"):
        Suite.teardown_class()


class NeverEnds(WholeDriver):
    def terminate(self, ids) -> None:
        self.request(lambda: None)


def test_what_stays_behind_is_told() -> None:
    result = execute(BY_ID["list-1"], WholeKit(NeverEnds))

    assert (Status.PASSED, False, 2) == (result.status, result.ok, len(result.amiss))
    assert all("is left behind" in one for one in result.amiss)


def interrupted(bench: Bench) -> None:
    bench.launch(bench.request())
    raise KeyboardInterrupt


def test_an_interruption_ends_what_was_launched() -> None:
    kit = WholeKit()
    with pytest.raises(KeyboardInterrupt):
        execute(Clause("x-1", Level.MUST, "", interrupted), kit)
    vms = kit.place.cloud._world.vms.values()

    assert [False] == [vm.row.phase.is_live for vm in vms]


@pytest.mark.parametrize(("level", "ok"), [(Level.MUST, False), (Level.SHOULD, True)])
def test_only_a_broken_must_makes_a_report_fail(level: Level, ok: bool) -> None:
    clause = Clause("x-1", level, "", lambda bench: expect(False, "broken"))

    assert ok == run(WholeKit(), clauses=[clause]).ok


@given(st.sampled_from(CLAUSES))
def test_a_test_name_is_an_identifier_with_the_id(clause: Clause) -> None:
    assert clause.test_name.isidentifier()
    assert clause.test_name.startswith(f"test_{clause.id.replace('-', '_')}_")


class Busy(WholeDriver):
    """Is over its budget at the first question."""

    asked = False

    def machine_types(self):
        asked, Busy.asked = Busy.asked, True
        if not asked:
            raise Throttled("request limit exceeded", retry_after_s=0.01)
        return super().machine_types()


class Waits(WholeKit):
    """Lets time pass by waiting for it."""

    def let_pass(self, driver, seconds):
        time.sleep(min(seconds, 0.01))
        super().let_pass(driver, seconds)


def test_a_kit_may_wait_in_a_package_with_its_driver() -> None:
    (result,) = run(Waits(Busy), clauses=[BY_ID["quiet-3"]]).results

    assert (True, Status.PASSED) == (Busy.asked, result.status)
