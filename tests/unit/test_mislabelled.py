"""VMs whose labels somebody changed: read in one place, named everywhere, counted and touched nowhere."""

import attrs
import pytest
from hands import Listed
from situations import fleet, instance
from stage import Stage

from vmpattern import naming
from vmpattern.access.observing import read_clouds
from vmpattern.access.requests import checked_rows
from vmpattern.driver import Selector
from vmpattern.errors import NotFound
from vmpattern.model import Event, EventKind, Idempotency, Instance, LaunchKey, Mislabelled, Revision
from vmpattern.simulation import EC2_LIKE, SimulatedCloud

LABELS = {
    naming.DEPLOYMENT: "shop",
    naming.FLEET: "web",
    naming.REVISION: "3f2a",
    naming.INPUTS: "i1-e2",
    naming.KEY: "k1",
    naming.PREVIOUS: "2e1f",
    naming.KEPT_UNTIL: "1234567890",
}
OURS = Selector("shop")


def test_labels_are_read_as_they_were_written() -> None:
    written = naming.launch_labels(
        deployment="shop",
        fleet="web",
        revision=Revision("3f2a"),
        inputs="i1-e2",
        key=LaunchKey("k1"),
        previous=Revision("2e1f"),
    )
    read = naming.read_labels({**written, naming.KEPT_UNTIL: "1234567890", "of": "somebody"})

    assert (
        naming.LaunchLabels(
            deployment="shop",
            fleet="web",
            revision=Revision("3f2a"),
            key=LaunchKey("k1"),
            inputs="i1-e2",
            previous=Revision("2e1f"),
            kept_until=1234567890.0,
        )
        == read
    )


@pytest.mark.parametrize("name", [naming.INPUTS, naming.PREVIOUS, naming.KEPT_UNTIL])
def test_a_label_that_not_every_launch_has_may_be_missing(name: str) -> None:
    read = naming.read_labels({key: value for key, value in LABELS.items() if key != name})

    assert isinstance(read, naming.LaunchLabels)


def test_a_builder_s_labels_are_read() -> None:
    assert isinstance(naming.read_labels({**LABELS, naming.FLEET: naming.BUILDERS}), naming.LaunchLabels)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({naming.DEPLOYMENT: ""}, "it has no label vmpattern-deployment", id="no deployment"),
        pytest.param({naming.FLEET: ""}, "it has no label vmpattern-fleet", id="no fleet"),
        pytest.param({naming.REVISION: ""}, "it has no label vmpattern-revision", id="no revision"),
        pytest.param({naming.KEY: ""}, "it has no label vmpattern-key", id="no key"),
        pytest.param(
            {naming.FLEET: "Web.1"},
            "its label vmpattern-fleet is 'Web.1', which is no fleet's name",
            id="a wrong fleet",
        ),
        pytest.param(
            {naming.FLEET: "web\n"},
            r"its label vmpattern-fleet is 'web\n', which is no fleet's name",
            id="a line's end",
        ),
        pytest.param(
            {naming.REVISION: "v 2"},
            "its label vmpattern-revision is 'v 2', which vmpattern never writes",
            id="a blank",
        ),
        pytest.param(
            {naming.KEY: "K1"}, "its label vmpattern-key is 'K1', which vmpattern never writes", id="a capital"
        ),
        pytest.param(
            {naming.INPUTS: "i" * 64},
            f"its label vmpattern-inputs is '{'i' * 40}...', which vmpattern never writes",
            id="too long",
        ),
        pytest.param(
            {naming.PREVIOUS: "é"}, "its label vmpattern-from is 'é', which vmpattern never writes", id="another letter"
        ),
        pytest.param(
            {naming.KEPT_UNTIL: "soon"},
            "its label vmpattern-kept-until is 'soon', which is no time in epoch seconds",
            id="no moment",
        ),
        pytest.param(
            {naming.KEPT_UNTIL: "²"},
            "its label vmpattern-kept-until is '²', which is no time in epoch seconds",
            id="a digit that is none",
        ),
        pytest.param(
            {naming.KEPT_UNTIL: "9" * 400},
            f"its label vmpattern-kept-until is '{'9' * 40}...', which is no time in epoch seconds",
            id="a moment that never comes",
        ),
    ],
)
def test_what_vmpattern_never_wrote_can_t_be_read(changes: dict[str, str], reason: str) -> None:
    assert reason == naming.read_labels({**LABELS, **changes})


IMAGE = {naming.DEPLOYMENT: "shop", naming.SERVICE: "web", naming.DIGEST: "d1", naming.BASE: "img-1"}


def test_an_image_s_labels_are_read() -> None:
    read = naming.read_image_labels(IMAGE)

    assert naming.ImageLabels(deployment="shop", service="web", digest="d1", base="img-1") == read


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({naming.SERVICE: ""}, "it has no label vmpattern-service", id="no service"),
        pytest.param({naming.DIGEST: ""}, "it has no label vmpattern-digest", id="no digest"),
        pytest.param(
            {naming.SERVICE: "Web"}, "its label vmpattern-service is 'Web', which is no service's name", id="no name"
        ),
        pytest.param(
            {naming.RECIPE: "b.1"}, "its label vmpattern-recipe is 'b.1', which vmpattern never writes", id="a dot"
        ),
    ],
)
def test_an_image_that_vmpattern_never_labelled_so_can_t_be_read(changes: dict[str, str], reason: str) -> None:
    assert reason == naming.read_image_labels({**IMAGE, **changes})


# -- what the core makes of them --------------------------------------------------------------------------------------


def test_a_row_with_a_name_that_no_label_has_counts_as_mislabelled_whatever_its_driver_says() -> None:
    good, bad = instance("i-1"), instance("i-2", fleet="Web.1")
    listing = checked_rows("demo", "shop", (good, bad))

    assert ((good,), ["i-2"]) == (listing.instances, [one.id for one in listing.mislabelled])


def settled(size: int = 3) -> Stage:
    stage = Stage()
    stage.apply(stage.deployment(fleet(size)))
    return stage


def damaged(stage: Stage, name: str = naming.FLEET, value: str = "Web.1") -> str:
    victim = min(row.id for row in stage.live())
    stage.cloud.relabel(victim, name, value)
    return victim


def test_a_mislabelled_vm_is_observed_apart_from_the_instances() -> None:
    stage = settled()
    victim = damaged(stage)
    seen = stage.observe(stage.deployment(fleet(3)))

    assert (2, [victim]) == (len(seen.instances()), [one.id for one in seen.mislabelled()])


@pytest.mark.parametrize(
    ("name", "value"), [(naming.FLEET, "Web.1"), (naming.FLEET, ""), (naming.REVISION, ""), (naming.KEY, "")]
)
def test_a_plan_names_it_with_the_reason_and_replaces_it(name: str, value: str) -> None:
    stage = settled()
    victim = damaged(stage, name, value)
    made = stage.plan(stage.deployment(fleet(3)))
    (note,) = made.notes

    assert (1, 0, 2) == (made.fleets["web"].create, made.fleets["web"].destroy, made.fleets["web"].keep)
    assert f"{victim} is neither counted nor touched: it" in note


def test_an_apply_leaves_it_alone() -> None:
    stage = settled()
    victim = damaged(stage)
    stage.apply(stage.deployment(fleet(0)))

    assert [victim] == [row.id for row in stage.cloud.instances(OURS) if isinstance(row, Mislabelled)]
    assert not [row for row in stage.cloud.instances(OURS) if isinstance(row, Instance) and row.phase.is_live]


@pytest.mark.parametrize("watches", [True, False])
def test_one_that_is_damaged_during_an_apply_is_given_up_and_made_up_for(watches: bool) -> None:
    stage = settled()
    victims: list[str] = []

    def damage(event: Event) -> None:
        if event.kind is EventKind.LAUNCHED and not victims:
            victims.append(damaged(stage))

    drivers = {"demo": stage.cloud if watches else Listed(stage.cloud)}
    outcome = stage.apply(stage.deployment(fleet(5)), drivers=drivers, on_event=damage)
    rows = [row for row in stage.cloud.instances(OURS) if isinstance(row, Instance) and row.phase.is_live]

    assert (True, 5) == (outcome.ok, len(rows))
    assert victims == [row.id for row in stage.cloud.instances(OURS) if isinstance(row, Mislabelled)]


def test_one_whose_label_is_put_back_is_an_instance_again() -> None:
    stage = settled()
    victim = damaged(stage)
    stage.cloud.relabel(victim, naming.FLEET, "web")  # type: ignore[arg-type]

    assert (3, ()) == (len(stage.live()), stage.observe(stage.deployment(fleet(3))).mislabelled())


# -- the simulated cloud ----------------------------------------------------------------------------------------------


def test_a_simulated_cloud_neither_ends_nor_labels_it() -> None:
    stage = settled()
    victim = damaged(stage)
    stage.cloud.terminate([victim])  # type: ignore[list-item]
    with pytest.raises(NotFound, match=r"Web\.1"):
        stage.cloud.label([victim], {naming.KEPT_UNTIL: "1"})  # type: ignore[list-item]

    assert victim in {row.id for row in stage.cloud.instances(OURS) if isinstance(row, Mislabelled)}


def test_a_saved_world_has_it_still() -> None:
    stage = settled()
    victim = damaged(stage)
    again = SimulatedCloud.from_json(stage.cloud.to_json(), stage.cloud.spec)

    assert [victim] == [row.id for row in again.instances(OURS) if isinstance(row, Mislabelled)]


@pytest.mark.parametrize("field", ["fleet", "revision", "key"])
def test_a_saved_world_may_lack_a_label(field: str) -> None:
    stage = settled()
    world = stage.cloud.to_json()
    world["vms"][0]["row"].pop(field)  # type: ignore[index]
    (found,) = (
        row for row in SimulatedCloud.from_json(world, stage.cloud.spec).instances(OURS) if isinstance(row, Mislabelled)
    )

    assert f"it has no label vmpattern-{field}" == found.reason


def test_what_follows_changes_is_told_that_one_is_gone_and_is_back() -> None:
    stage = settled()
    before = stage.cloud.changes(OURS, 0).cursor
    victim = damaged(stage)
    gone = stage.cloud.changes(OURS, before)
    stage.cloud.relabel(victim, naming.FLEET, "web")  # type: ignore[arg-type]
    back = stage.cloud.changes(OURS, gone.cursor)

    assert [(victim, "terminated")] == [(row.id, row.phase.value) for row in gone.instances]
    assert [(victim, "running")] == [(row.id, row.phase.value) for row in back.instances]


def test_what_a_driver_says_of_its_scope_is_observed() -> None:
    class Told(Listed):
        def scope(self) -> str:
            return "here"

    stage = settled()
    seen = read_clouds(stage.deployment(fleet(3)), stage.session({"demo": Told(stage.cloud)}))

    assert f"{stage.cloud.name} here" == seen.clouds["demo"].scope


@pytest.mark.parametrize("idempotency", [Idempotency.BATCH, Idempotency.INSTANCE])
@pytest.mark.parametrize(
    ("name", "value"), [(naming.FLEET, "Web.1"), (naming.FLEET, ""), (naming.REVISION, ""), (naming.KEY, "")]
)
def test_a_launch_whose_key_it_has_takes_another_key(idempotency: Idempotency, name: str, value: str) -> None:
    """With nothing else there, the next apply reckons the same key, and the cloud knows it."""
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, idempotency=idempotency))
    stage.apply(stage.deployment(fleet(1)))
    victim = damaged(stage, name, value)
    outcome = stage.apply(stage.deployment(fleet(1)))
    rows = [row for row in stage.cloud.instances(OURS) if isinstance(row, Instance) and row.phase.is_live]

    assert (True, 1) == (outcome.ok, len(rows))
    assert victim not in {row.id for row in rows}
