"""The kit catches drivers that are broken on purpose, each by the clause that it breaks."""

import broken_drivers as broken
import pytest
from whole_driver import WholeDriver, WholeKit

from vmpattern.testing import CLAUSES, Status, run

SEARCHED = {"model-1"}
"""Fails by what a short search comes upon: that it may fail is said, and proved by a longer one below."""


def failed(made: type[WholeDriver]) -> set[str]:
    results = run(WholeKit(made)).results
    return {result.clause.id for result in results if result.status is Status.FAILED}


def test_the_driver_that_is_broken_here_keeps_every_clause() -> None:
    report = run(WholeKit())

    assert [] == [(result.clause.id, result.reason, result.amiss) for result in report.results if not result.ok]


def test_what_is_skipped_of_it_is_only_what_it_declares_otherwise() -> None:
    skipped = {result.clause.id for result in run(WholeKit()).results if result.status is Status.SKIPPED}

    assert {"label-3", "probe-3", "balance-3", "console-2", "bake-8", "meter-2", "check-5", "limit-3"} == skipped


@pytest.mark.parametrize(
    ("made", "breaks", "follows"),
    [
        pytest.param(broken.LabelsAfterwards, "launch-2", "", id="labels after the creation"),
        pytest.param(broken.DropsPages, "list-2", "end-4 model-1", id="drops a page"),
        pytest.param(broken.ShortOnFailure, "list-5", "error-7", id="a short list when a page fails"),
        pytest.param(broken.SwallowsErrors, "end-3", "end-4 error-1", id="swallows an error"),
        pytest.param(broken.Retries, "error-1", "", id="retries inside"),
        pytest.param(broken.CountsAccepted, "launch-14", "list-2 launch-10 end-4", id="counts what was accepted"),
        pytest.param(broken.HidesTheEnding, "list-4", "", id="counts an accepted end as done"),
        pytest.param(broken.AdoptsStrangers, "own-2", "", id="adopts a stranger's VM"),
        pytest.param(broken.KillsStrangers, "own-1", "", id="ends what lacks our labels"),
        pytest.param(
            broken.ListsStrangers, "own-3", "model-1 balance-1 balance-2 balance-4", id="lists a stranger's VM"
        ),
        pytest.param(broken.KillsWhatItCantRead, "own-4", "", id="ends what it can't read"),
        pytest.param(broken.HidesWhatItCantRead, "own-4", "", id="hides what it can't read"),
        pytest.param(broken.KnowsNoRegion, "own-5", "", id="lists and ends VMs of another region"),
        pytest.param(broken.EndsElsewhere, "own-5", "", id="ends VMs of another region"),
        pytest.param(broken.LabelsElsewhere, "own-5", "", id="labels VMs of another region"),
        pytest.param(broken.MetersElsewhere, "own-5", "", id="measures VMs of another region"),
        pytest.param(broken.ListsImagesElsewhere, "own-6", "", id="lists images of another region"),
        pytest.param(broken.DeletesImagesElsewhere, "own-6", "", id="deletes images of another region"),
        pytest.param(broken.NamesItsAccountOnly, "own-7", "", id="takes two regions for one"),
        pytest.param(broken.HearsEverybody, "probe-4", "", id="calls healthy what doesn't listen"),
        pytest.param(broken.LacksItsConsole, "fact-4", "", id="declares a console that it lacks"),
        pytest.param(broken.DeclaresLargerBatches, "launch-10", "list-2 launch-14 end-4", id="declares larger batches"),
        pytest.param(broken.SellsNoSpot, "launch-15", "", id="declares a market that it lacks"),
        pytest.param(broken.DeclaresNoDelay, "list-6", "", id="declares fresher lists"),
        pytest.param(broken.ScopesTooWide, "error-4", "", id="a scope too wide"),
        pytest.param(broken.NamesNoZone, "error-5", "", id="a scope without its zone"),
        pytest.param(broken.TakesQuotaForStock, "error-3", "", id="another error than the answer's"),
        pytest.param(broken.LaunchesTwice, "launch-4", "model-1", id="a duplicate after a lost reply"),
        pytest.param(broken.SpendsAnotherKey, "launch-7", "", id="takes another key for a spent one"),
        pytest.param(broken.AdoptsTheEnding, "launch-6", "launch-7 model-1", id="adopts what is ending"),
        pytest.param(broken.MissesConflicts, "launch-5", "", id="misses a conflict of keys"),
        pytest.param(broken.IgnoresTheCount, "launch-5", "", id="misses another count under a key"),
        pytest.param(broken.NeverFinishes, "end-1", "bake-4", id="never comes to an end"),
        pytest.param(broken.LabelsAnything, "label-2", "", id="overwrites a label of the launch"),
        pytest.param(broken.ForbidsLabels, "label-2", "", id="refuses a label of the launch too late"),
        pytest.param(broken.RefusesAbsentImages, "image-2", "bake-8", id="refuses to delete an image that is gone"),
        pytest.param(broken.ReadsTheEnvironment, "quiet-2", "", id="reads the environment"),
        pytest.param(broken.Prints, "quiet-1", "", id="prints"),
        pytest.param(broken.Sleeps, "quiet-3", "", id="sleeps"),
        pytest.param(broken.PricesAtZero, "type-3", "", id="a price of zero for an unknown one"),
        pytest.param(broken.CutsLabels, "list-7", "", id="cuts labels"),
        pytest.param(broken.ForgetsTheFleet, "list-3", "", id="forgets the fleet of a selector"),
        pytest.param(broken.RefusesTheGone, "end-2", "", id="refuses to end what has gone"),
        pytest.param(broken.EndsTheFleet, "end-1", "end-4 model-1", id="ends more than it is told to"),
        pytest.param(broken.LetsOthersOut, "launch-11", "", id="lets another kind of error out"),
        pytest.param(broken.NamesNoField, "launch-11", "bake-6", id="names no field"),
        pytest.param(broken.TellsSecrets, "launch-13", "", id="tells a secret"),
        pytest.param(broken.RemembersOnly, "list-9", "launch-2 model-1", id="remembers in the connection"),
        pytest.param(broken.ServesUndeclared, "balance-3", "", id="a balancer that isn't declared"),
        pytest.param(broken.GivesNoReason, "balance-4", "", id="gives no reason for an unhealthy member"),
        pytest.param(broken.LabelsUndeclared, "label-3", "", id="labels that aren't declared to change"),
        pytest.param(broken.Hangs, "error-7", "", id="hangs"),
        pytest.param(broken.CapturesWhatRuns, "bake-4", "", id="makes images of what runs"),
        pytest.param(broken.BakesOnBakes, "bake-2", "", id="takes its images for bases"),
        pytest.param(broken.CapturesAnew, "bake-3", "", id="makes an image for each call"),
        pytest.param(broken.MarksWhatItCaptures, "bake-10", "", id="marks images before they are verified"),
        pytest.param(broken.MarksOnce, "bake-10", "", id="refuses to mark an image twice"),
        pytest.param(broken.MarksWhatIsGone, "bake-11", "image-4", id="marks images that are gone"),
        pytest.param(broken.MarksStrangers, "image-4", "", id="marks images that lack our labels"),
        pytest.param(broken.DeletesWhatItCan, "image-3", "", id="deletes images before it looks at all of them"),
        pytest.param(broken.DeletesStrangersImages, "image-4", "", id="deletes images that lack our labels"),
        pytest.param(
            broken.LetsBuildersGo,
            "bake-1",
            "bake-2 bake-3 bake-10 bake-11 image-2 image-3 own-6",
            id="lets builders vanish",
        ),
        pytest.param(broken.CutsScripts, "bake-6", "", id="cuts scripts"),
        pytest.param(broken.KeepsStaged, "bake-7", "", id="keeps staged data"),
        pytest.param(broken.MetersEverybody, "meter-1", "", id="tells the use of others"),
        pytest.param(broken.BakesUndeclared, "bake-8", "", id="bakes though that isn't declared"),
        pytest.param(broken.ForeseesTooMuch, "check-1", "check-2 check-3 check-4", id="foresees too much"),
        pytest.param(broken.ForeseesNothing, "check-2", "check-3", id="foresees nothing"),
        pytest.param(broken.ForeseesByLaunching, "check-1", "check-4", id="foresees by trying it out"),
        pytest.param(broken.MissesImagesToCome, "check-4", "", id="misses images that come later"),
        pytest.param(broken.ChecksUndeclared, "check-5", "", id="checks though that isn't declared"),
        pytest.param(broken.CountsBelowZero, "limit-1", "", id="counts below zero"),
        pytest.param(broken.CountsForNothing, "limit-1", "", id="counts machine types that cost nothing"),
        pytest.param(broken.LimitsTheUnsold, "limit-1", "", id="counts machine types that it doesn't list"),
        pytest.param(broken.LimitsTwice, "limit-1", "", id="returns a limit twice"),
        pytest.param(broken.CountsNothing, "limit-2", "", id="counts nothing"),
        pytest.param(broken.LimitsUndeclared, "limit-3", "", id="has limits though that isn't declared"),
        pytest.param(broken.ChangesItsMind, "fact-1", "", id="declares something else each time"),
    ],
)
def test_a_broken_driver_is_caught_by_the_clause_that_it_breaks(
    made: type[WholeDriver], breaks: str, follows: str
) -> None:
    found, expected = failed(made), {breaks, *follows.split()}

    assert (expected - SEARCHED, set()) == (found - SEARCHED, found - expected)


@pytest.mark.parametrize("made", [broken.LaunchesTwice, broken.AdoptsTheEnding])
def test_a_search_that_is_long_enough_finds_what_is_broken(made: type[WholeDriver]) -> None:
    kit = WholeKit(made)
    kit.examples = 300
    (result,) = run(kit, clauses=[one for one in CLAUSES if one.id in SEARCHED]).results

    assert Status.FAILED is result.status
