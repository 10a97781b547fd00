"""Cloud entries that are one cloud are refused, whether they show it by their VMs or by what their drivers say."""

from collections.abc import Mapping

import attrs
import pytest
from hands import Listed
from situations import NOW, deployment, fleet, instance
from stage import Stage

from vmpattern.access.observing import read_clouds
from vmpattern.errors import SpecError
from vmpattern.forecast import plan
from vmpattern.model import Capabilities, CloudObservation, Instance, Observation
from vmpattern.planner import Overlap, overlaps, refuse_overlaps
from vmpattern.planner.survey import survey
from vmpattern.reconcile.staleness import check_fresh


def seen(**clouds: CloudObservation) -> Observation:
    return Observation(at=NOW, clouds=clouds)


def cloud(name: str, *rows: Instance, scope: str = "", error: str | None = None) -> CloudObservation:
    mine = tuple(attrs.evolve(row, cloud=name) for row in rows)
    return CloudObservation(name=name, at=NOW, capabilities=Capabilities(), instances=mine, scope=scope, error=error)


ONE, TWO = instance("i-1", key="k1"), instance("i-2", key="k2")


@pytest.mark.parametrize(
    ("clouds", "expected"),
    [
        pytest.param({"eu": cloud("eu", ONE), "us": cloud("us", TWO)}, (), id="VMs of their own"),
        pytest.param(
            {"eu": cloud("eu", ONE, TWO), "us": cloud("us", TWO)},
            (Overlap(first="eu", second="us", shared=("i-2",)),),  # type: ignore[arg-type]
            id="a VM in both lists",
        ),
        pytest.param(
            {"eu": cloud("eu", ONE), "us": cloud("us", attrs.evolve(ONE, key=TWO.key))},
            (),
            id="an id that two VMs have",
        ),
        pytest.param(
            {"eu": cloud("eu", scope="aws a"), "us": cloud("us", scope="aws a")},
            (Overlap(first="eu", second="us"),),
            id="the same scope and no VM",
        ),
        pytest.param({"eu": cloud("eu", scope="a"), "us": cloud("us", scope="b")}, (), id="scopes of their own"),
        pytest.param({"eu": cloud("eu"), "us": cloud("us")}, (), id="scopes that aren't known"),
        pytest.param(
            {"eu": cloud("eu", scope="a"), "us": cloud("us", scope="a", error="down")},
            (Overlap(first="eu", second="us"),),
            id="one can't be read",
        ),
        pytest.param(
            {name: cloud(name, scope="a") for name in ("eu", "us", "ap")},
            (Overlap(first="eu", second="us"), Overlap(first="eu", second="ap")),
            id="three of a kind",
        ),
    ],
)
def test_two_entries_are_one_cloud_if_they_show_a_vm_or_a_scope_in_common(
    clouds: Mapping[str, CloudObservation], expected: tuple[Overlap, ...]
) -> None:
    assert expected == overlaps(seen(**clouds))


def test_the_refusal_names_both_entries_the_vms_and_the_way_out() -> None:
    with pytest.raises(SpecError) as caught:
        refuse_overlaps(seen(eu=cloud("eu", ONE, TWO), us=cloud("us", ONE, TWO)))
    text = str(caught.value)

    assert ["clouds.us"] == [problem.path for problem in caught.value.problems]
    assert all(word in text for word in ("clouds.eu", "2 VMs (i-1, i-2)", "Keep one of the two entries", "placements"))


def doubled() -> tuple[Stage, Observation]:
    """Return a stage with two instances, and what is observed where its cloud has two entries."""
    stage = Stage()
    stage.apply(stage.deployment(fleet(2)))
    wanted = deployment(fleet(2), clouds=("demo", "twin"))
    both = {"demo": stage.cloud, "twin": Listed(stage.cloud)}
    return stage, read_clouds(wanted, stage.session(both))


def test_a_plan_is_refused() -> None:
    _, observation = doubled()
    with pytest.raises(SpecError, match=r"clouds.twin: is the same cloud as clouds.demo .*both list 2 VMs"):
        plan(deployment(fleet(2), clouds=("demo", "twin")), observation)


def test_a_plan_that_was_made_before_is_refused() -> None:
    stage, observation = doubled()
    made = stage.plan(stage.deployment(fleet(3)))
    with pytest.raises(SpecError, match="is the same cloud as"):
        check_fresh(made, observation)


def test_a_status_counts_each_vm_once() -> None:
    _, observation = doubled()
    found = survey(deployment(fleet(2), clouds=("demo", "twin")), observation)["web"]

    assert (2, 2) == (found.ready, len(found.rows))


def test_a_retired_fleet_is_counted_once_too() -> None:
    _, observation = doubled()
    found = survey(deployment(fleet(2, name="other"), clouds=("demo", "twin")), observation)["web"]

    assert 2 == len(found.rows)
