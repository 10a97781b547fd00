"""A driver works in one region of a project: what the project has in others is none of its business."""

from collections.abc import Generator
from pathlib import Path

import attrs
import pytest
from gce.clouds import driver, request
from gce.emulator import Emulator
from gce.fronts import furnish_front
from gce.world import ELSEWHERE, fingerprint
from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.errors import Invalid
from vmpattern.model import ImageId, Instance, InstanceId, LaunchKey, Membership, Mislabelled
from vmpattern_gcp import GcpDriver, GcpOptions
from vmpattern_gcp.balancing import DRAINING_UNTIL
from vmpattern_gcp.names import place

SHOP = Selector("shop")
THERE = {"zone": f"{ELSEWHERE}-b", "key": LaunchKey("kfedcba9876543210")}
BUILDER = {"fleet": naming.BUILDERS, "script": "#!/bin/sh\necho done\npoweroff\n"}


@pytest.fixture
def us(emulator: Emulator, url: str) -> Generator[GcpDriver]:
    """Connect to the same project's other region."""
    made = driver(emulator, url, cloud="us", region=ELSEWHERE)
    yield made
    made.close()


def ids(driver: GcpDriver) -> list[InstanceId]:
    return [row.id for row in driver.instances(SHOP)]


def relabelled(emulator: Emulator, id: InstanceId, **labels: str) -> None:
    """Change labels by hand; underscores stand for hyphens, and an empty value takes one away."""
    _, vm = emulator.world.find(f"projects/{emulator.world.project}/{place(id).path}")
    named = {name.replace("_", "-"): value for name, value in labels.items()}
    vm["labels"] = {name: value for name, value in {**vm["labels"], **named}.items() if value}
    vm["labelFingerprint"] = fingerprint(vm["labels"])


def test_a_list_shows_the_region_alone(gcp: GcpDriver, us: GcpDriver) -> None:
    (here,), (there,) = gcp.launch(request()).created, us.launch(request(**THERE)).created

    assert ([here.id], [there.id]) == (ids(gcp), ids(us))


def test_the_same_launch_in_two_regions_is_two(gcp: GcpDriver, us: GcpDriver) -> None:
    gcp.launch(request(2))
    report = us.launch(request(2, zone=f"{ELSEWHERE}-b"))

    assert (2, 0) == (len(report.created), len(report.adopted))


@pytest.mark.parametrize("act", ["terminate", "label", "register", "deregister"])
def test_nothing_is_done_to_a_vm_of_another_region(act: str, gcp: GcpDriver, us: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    (there,) = us.launch(request(**THERE)).created
    front = immutabledict(backend_service="front")
    acts = {
        "terminate": lambda: gcp.terminate([there.id]),
        "label": lambda: gcp.label([there.id], {naming.KEPT_UNTIL: "1"}),
        "register": lambda: gcp.register(front, [there.id]),
        "deregister": lambda: gcp.deregister(front, [there.id]),
    }
    with pytest.raises(Invalid, match="isn't in the region europe-west1"):
        acts[act]()

    assert [(there.id, None)] == [(row.id, row.kept_until) for row in us.instances(SHOP)]


def test_a_launch_in_a_zone_of_another_region_is_refused(gcp: GcpDriver, us: GcpDriver) -> None:
    with pytest.raises(Invalid, match="no zone us-central1-b in the region europe-west1") as caught:
        gcp.launch(request(**THERE))

    assert ("zone", []) == (caught.value.field, ids(us))


def test_a_zone_of_another_region_that_can_t_be_reached_is_no_matter(gcp: GcpDriver, emulator: Emulator) -> None:
    (here,) = gcp.launch(request()).created
    emulator.world.unreachable.add(f"{ELSEWHERE}-b")

    assert [here.id] == ids(gcp)


def test_members_of_a_global_balancer_are_the_region_s(gcp: GcpDriver, us: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    front = immutabledict(backend_service="front")
    (here,), (there,) = gcp.launch(request()).created, us.launch(request(**THERE)).created
    for one, row in ((gcp, here), (us, there)):
        one.register(front, [row.id])
    emulator.world.clock.advance(60.0)
    emulator.calls.clear()
    members = set(gcp.members(front))

    assert ({here.id}, {there.id}) == (members, set(us.members(front)))
    # Groups of the other region aren't asked about the health of members that are nobody's here.
    assert 2 == emulator.calls["compute.backendServices.getHealth"]


def test_use_is_measured_in_the_region_alone(gcp: GcpDriver, us: GcpDriver, emulator: Emulator) -> None:
    (there,) = us.launch(request(**THERE)).created
    emulator.world.clock.advance(900.0)

    assert ({there.id}, {}) == (set(us.usage([there.id])), dict(gcp.usage([there.id])))


# -- images -----------------------------------------------------------------------------------------------------------


def baked(driver: GcpDriver, emulator: Emulator, digest: str = "d1", **changes: object) -> ImageId:
    (builder,) = driver.launch(request(**BUILDER, **changes)).created  # type: ignore[arg-type]
    emulator.world.clock.advance(60.0)
    asked = CaptureRequest(
        builder=builder.id, deployment="shop", service="web", digest=digest, base=ImageId("debian-12")
    )
    id = driver.capture(asked)
    emulator.world.clock.advance(60.0)
    driver.terminate([builder.id])
    emulator.world.clock.advance(60.0)
    return id


def test_each_region_has_images_of_its_own(gcp: GcpDriver, us: GcpDriver, emulator: Emulator) -> None:
    here, there = baked(gcp, emulator), baked(us, emulator, **THERE)

    assert here != there
    assert ([here], [there]) == ([one.id for one in gcp.images(SHOP)], [one.id for one in us.images(SHOP)])


def test_an_image_of_another_region_is_not_deleted(gcp: GcpDriver, us: GcpDriver, emulator: Emulator) -> None:
    there = baked(us, emulator, **THERE)
    with pytest.raises(Invalid, match="wasn't made in europe-west1"):
        gcp.delete_images([there])

    assert [there] == [one.id for one in us.images(SHOP)]


def test_an_image_from_which_a_vm_of_another_region_runs_is_kept(
    gcp: GcpDriver, us: GcpDriver, emulator: Emulator
) -> None:
    here = baked(gcp, emulator)
    us.launch(request(image=here, **THERE))
    with pytest.raises(Invalid, match="is in use"):
        gcp.delete_images([here])


def test_an_image_from_which_a_vm_runs_whose_labels_can_t_be_read_is_kept(gcp: GcpDriver, emulator: Emulator) -> None:
    here = baked(gcp, emulator)
    (row,) = gcp.launch(request(image=here)).created
    relabelled(emulator, row.id, vmpattern_key="")
    with pytest.raises(Invalid, match="is in use"):
        gcp.delete_images([here])


def test_an_image_whose_labels_can_t_be_read_is_neither_listed_nor_deleted(gcp: GcpDriver, emulator: Emulator) -> None:
    here = baked(gcp, emulator)
    del emulator.world.find(here)[1]["labels"][naming.DIGEST]
    with pytest.raises(Invalid, match="lacks our labels"):
        gcp.delete_images([here])

    assert (True, ()) == (emulator.world.has(here), gcp.images(SHOP))


# -- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        pytest.param({"vmpattern_fleet": ""}, "it has no label vmpattern-fleet", id="no fleet"),
        pytest.param({"vmpattern_fleet": "1web"}, "'1web', which is no fleet's name", id="no name of a fleet"),
        pytest.param({"vmpattern_revision": ""}, "it has no label vmpattern-revision", id="no revision"),
        pytest.param({"vmpattern_key": ""}, "it has no label vmpattern-key", id="no key"),
        pytest.param({"vmpattern_kept_until": "soon"}, "'soon', which is no time in epoch seconds", id="no moment"),
        pytest.param({"vmpattern_inputs": "é"}, "'é', which vmpattern never writes", id="a letter of Google's only"),
    ],
)
def test_a_vm_whose_labels_can_t_be_read_is_told_and_left_alone(
    labels: dict[str, str], reason: str, gcp: GcpDriver, emulator: Emulator
) -> None:
    (row,) = gcp.launch(request()).created
    relabelled(emulator, row.id, **labels)
    with pytest.raises(Invalid, match="isn't ours"):
        gcp.terminate([row.id])
    (found,) = gcp.instances(SHOP)

    assert isinstance(found, Mislabelled)
    assert (row.id, "eu", "shop") == (found.id, found.cloud, found.deployment)
    assert reason in found.reason


def test_one_that_is_leaving_is_told_no_more(gcp: GcpDriver, emulator: Emulator) -> None:
    (row,) = gcp.launch(request()).created
    relabelled(emulator, row.id, vmpattern_fleet="")
    emulator.world.find(f"projects/{emulator.world.project}/{place(row.id).path}")[1]["status"] = "STOPPING"

    assert () == gcp.instances(SHOP)


def test_a_moment_of_draining_that_is_none_is_passed_over(gcp: GcpDriver, emulator: Emulator) -> None:
    furnish_front(emulator.world, "front")
    (row,) = gcp.launch(request()).created
    relabelled(emulator, row.id, **{DRAINING_UNTIL: "²"})
    front = immutabledict(backend_service="front")
    gcp.register(front, [row.id])
    emulator.world.clock.advance(60.0)

    assert Membership.DRAINING is not gcp.members(front)[row.id].membership
    assert [row.id] == [one.id for one in gcp.instances(SHOP) if isinstance(one, Instance)]


# -- what a driver says of its scope ----------------------------------------------------------------------------------


def scope(**changes: object) -> str:
    options = attrs.evolve(GcpOptions(region="europe-west1", project="acme-fleets"), **changes)  # type: ignore[arg-type]
    return GcpDriver(options, directory=Path("/tmp")).scope()


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        pytest.param({"zones": ("europe-west1-b",)}, True, id="zones are no fence"),
        pytest.param({"credentials": Path("key.json")}, True, id="another key of the project"),
        pytest.param({"region": ELSEWHERE}, False, id="another region"),
        pytest.param({"project": "acme-others"}, False, id="another project"),
    ],
)
def test_a_scope_is_a_region_of_a_project(changes: dict[str, object], is_same: bool) -> None:
    assert is_same == (scope() == scope(**changes))


def test_without_a_project_it_is_that_of_the_credentials() -> None:
    one, other = (scope(project=None, credentials=Path(name)) for name in ("one.json", "other.json"))

    assert (True, True) == (one != other, one == scope(project=None, credentials=Path("./x/../one.json")))
