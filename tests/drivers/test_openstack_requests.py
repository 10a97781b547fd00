"""From a launch to Nova's request, and back from servers to instances: values in, values out."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import pytest
from immutabledict import immutabledict
from some_openstack import REQUEST

from vmpattern import naming
from vmpattern.driver import Selector
from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, OutOfCapacity, Scope, ScopeKind, SpecError
from vmpattern.model import Health, InstanceId, Mislabelled, Options, Phase, Revision
from vmpattern_openstack import PlacementOptions, VolumeOptions, images, labels, servers
from vmpattern_openstack.answers import Address, BuildFault, Flavor, GlanceImage, Server, ServerFlavor, parsed
from vmpattern_openstack.listing import Sightings
from vmpattern_openstack.servers import Found

LONGEST = "a" * 40
"""No name in a file is longer."""

PLAIN = PlacementOptions()
FOUND = Found(flavor=Flavor(id="f-1", name="small", vcpus=1, ram=2048, disk=20))
SERVER = Server(
    id="s-1",
    name="shop-web-01234567-1",
    status="ACTIVE",
    created=datetime(2026, 11, 26, 10, tzinfo=UTC),
    flavor=ServerFlavor(original_name="small"),
    metadata=labels.server_metadata(REQUEST),
    zone="north",
    addresses={
        "back": (Address(addr="10.0.0.7"),),
        "front": (Address(addr="fd00::7", version=6), Address(addr="192.0.2.7", type="floating")),
    },
)


def body(options: PlacementOptions = PLAIN, found: Found = FOUND, **changes: object) -> Mapping[str, object]:
    return servers.create_body(attrs.evolve(REQUEST, **changes), options, found)  # type: ignore[arg-type]


def server(options: PlacementOptions = PLAIN, found: Found = FOUND, **changes: object) -> dict[str, object]:
    made = body(options, found, **changes)["server"]
    assert isinstance(made, dict)
    return made


def test_all_servers_are_created_by_one_request() -> None:
    made = server()

    assert (3, 3, "north", "f-1", "img") == tuple(
        made[name] for name in ("min_count", "max_count", "availability_zone", "flavorRef", "imageRef")
    )


def test_labels_are_in_the_request_that_creates() -> None:
    made = server()

    assert ["vmpattern", "vmp.deployment=shop", "vmp.fleet=web", f"vmp.key={REQUEST.key}"] == made["tags"]
    assert {
        naming.DEPLOYMENT: "shop",
        naming.FLEET: "web",
        naming.REVISION: "r1",
        naming.INPUTS: "iaaaaaa-ebbbbbb",
        naming.KEY: REQUEST.key,
        naming.PREVIOUS: "r0",
        "vmpattern-image": "img",
    } == made["metadata"]


def test_no_tag_is_longer_than_nova_takes() -> None:
    longest = attrs.evolve(REQUEST, deployment=LONGEST, fleet=LONGEST)

    assert max(map(len, labels.server_tags(longest))) <= labels.TAG_LENGTH


def test_every_label_of_the_longest_kind_fits_into_metadata() -> None:
    made = server(revision=Revision("r" * 63), inputs="i" * 63, previous=Revision("p" * 63))

    assert max(map(len, made["metadata"].values())) <= 255  # type: ignore[attr-defined]


def test_a_launch_is_found_by_the_tags_that_it_sets() -> None:
    assert set(labels.selector_tags(Selector("shop", "web"))) <= set(labels.server_tags(REQUEST))


def test_user_data_starts_the_service_with_its_environment() -> None:
    told = base64.b64decode(str(server()["user_data"])).decode()

    assert "GREETING=hello" in told


@pytest.mark.parametrize(
    ("options", "found", "expected"),
    [
        pytest.param(PLAIN, FOUND, "auto", id="Nova chooses"),
        pytest.param(PlacementOptions(networks=("none",)), FOUND, "none", id="none"),
        pytest.param(
            PlacementOptions(networks=("back",)),
            attrs.evolve(FOUND, networks=("n-1", "n-2")),
            [{"uuid": "n-1"}, {"uuid": "n-2"}],
            id="named",
        ),
    ],
)
def test_networks_are_as_the_placement_says(options: PlacementOptions, found: Found, expected: object) -> None:
    assert expected == server(options, found)["networks"]


def test_security_groups_are_told_by_id() -> None:
    found = attrs.evolve(FOUND, security_groups=("g-1",))

    assert [{"name": "g-1"}] == server(PlacementOptions(security_groups=("web",)), found)["security_groups"]


def test_a_server_group_is_a_hint_beside_the_server() -> None:
    found = attrs.evolve(FOUND, server_group="sg-1")

    assert {"group": "sg-1"} == body(PlacementOptions(server_group="sg-1"), found)["os:scheduler_hints"]


def test_a_volume_is_made_of_the_image_and_ends_with_the_server() -> None:
    made = server(PlacementOptions(volume=VolumeOptions(type="fast")), disk_gib=30)
    (device,) = made["block_device_mapping_v2"]  # type: ignore[misc]

    assert ("img", "image", "volume", 30, True, "fast") == tuple(
        device[name]
        for name in (
            "uuid",
            "source_type",
            "destination_type",
            "volume_size",
            "delete_on_termination",
            "volume_type",
        )
    )
    assert "imageRef" not in made


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(PLAIN, "2.52", id="tags"),
        pytest.param(PlacementOptions(volume=VolumeOptions()), "2.52", id="a volume"),
        pytest.param(PlacementOptions(volume=VolumeOptions(type="fast")), "2.67", id="a volume of a type"),
    ],
)
def test_no_newer_version_of_nova_is_asked_for_than_is_needed(options: PlacementOptions, expected: str) -> None:
    assert expected == servers.microversion(options)


@pytest.mark.parametrize(
    ("changes", "options", "field"),
    [
        pytest.param({"disk_gib": 21}, PLAIN, "disk_gib", id="more disk than the flavor has"),
        pytest.param({"script": "x" * 50_000}, PLAIN, "script", id="a long script"),
        pytest.param({"env": {"A": "x" * 50_000}}, PLAIN, "env", id="a long environment"),
    ],
)
def test_what_can_not_be_asked_for_names_its_field(
    changes: dict[str, object], options: PlacementOptions, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        body(options, **changes)

    assert field == caught.value.field


def test_a_volume_without_a_size_is_refused() -> None:
    found = attrs.evolve(FOUND, flavor=attrs.evolve(FOUND.flavor, disk=0))

    with pytest.raises(Invalid) as caught:
        body(PlacementOptions(volume=VolumeOptions()), found)

    assert "disk_gib" == caught.value.field


def instance(of: Server = SERVER, network: str | None = None):
    return servers.instance_of(of, deployment="shop", cloud="eu", network=network)


def test_a_server_comes_back_as_the_instance_that_was_asked_for() -> None:
    row = instance()

    assert row is not None
    assert ("shop", "web", "r1", REQUEST.key, "north", "small", "img", "iaaaaaa-ebbbbbb", "r0") == (
        row.deployment,
        row.fleet,
        row.revision,
        row.key,
        row.zone,
        row.machine_type,
        row.image,
        row.inputs,
        row.previous,
    )
    assert (InstanceId("s-1"), "eu", Health.UNKNOWN, 1795687200.0) == (row.id, row.cloud, row.health, row.launched_at)


def test_a_server_without_our_labels_is_no_instance() -> None:
    found = instance(attrs.evolve(SERVER, metadata={"owner": "ann"}))

    assert isinstance(found, Mislabelled)
    assert ("s-1", "it has no label vmpattern-deployment") == (found.id, found.reason)


WRITTEN = labels.server_metadata(REQUEST)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({naming.FLEET: None}, "no label vmpattern-fleet", id="no fleet"),
        pytest.param({naming.FLEET: "Web.1"}, "'Web.1', which is no fleet's name", id="no name of a fleet"),
        pytest.param({naming.REVISION: None}, "no label vmpattern-revision", id="no revision"),
        pytest.param({naming.KEY: ""}, "no label vmpattern-key", id="no key"),
        pytest.param({naming.DEPLOYMENT: "store"}, "names the deployment shop, and its metadata store", id="another's"),
    ],
)
def test_a_server_whose_labels_cant_be_read_is_told_with_the_reason(
    changes: dict[str, str | None], reason: str
) -> None:
    metadata = {name: value for name, value in {**WRITTEN, **changes}.items() if value is not None}
    found = instance(attrs.evolve(SERVER, metadata=metadata))

    assert isinstance(found, Mislabelled)
    assert reason in found.reason


def test_a_moment_that_is_none_makes_a_server_unreadable() -> None:
    found = instance(attrs.evolve(SERVER, description="vmpattern-kept-until=soon"))

    assert isinstance(found, Mislabelled)
    assert "'soon', which is no time in epoch seconds" in found.reason


def test_a_server_of_another_project_isn_t_ours() -> None:
    here = attrs.evolve(SERVER, tags=("vmpattern",), project="p-1")

    assert (True, False) == (servers.is_ours(here, "p-1"), servers.is_ours(here, "p-2"))


@pytest.mark.parametrize(
    ("later", "known"),
    [
        pytest.param((), {SERVER.id}, id="another list didn't ask for it"),
        pytest.param((attrs.evolve(SERVER, tags=("vmpattern",), project="p-1"),), {SERVER.id}, id="it is ours"),
        pytest.param(
            (attrs.evolve(SERVER, metadata={}, tags=("vmpattern",), project="p-1"),), set(), id="its labels are gone"
        ),
    ],
)
def test_what_a_list_shows_not_to_be_ours_is_known_to_be_ours_no_longer(later: tuple, known: set[str]) -> None:
    seen = Sightings()
    seen.note([attrs.evolve(SERVER, tags=("vmpattern",), project="p-1")], 100.0, "p-1")
    seen.note(later, 101.0, "p-1")

    assert known == seen.at(102.0)


def glance(**changes: object) -> GlanceImage:
    properties = {naming.DEPLOYMENT: "shop", naming.SERVICE: "web", naming.DIGEST: "d1"}
    made = datetime(2026, 11, 26, tzinfo=UTC)
    return attrs.evolve(GlanceImage(id="g", status="active", created_at=made, labels=properties), **changes)


@pytest.mark.parametrize(
    ("image", "is_ours"),
    [
        pytest.param(glance(owner="p-1"), True, id="the project's own"),
        pytest.param(glance(owner="p-2"), False, id="shared by another project"),
        pytest.param(glance(owner="p-1", labels={naming.DEPLOYMENT: "shop"}), False, id="labels that can't be read"),
    ],
)
def test_an_image_is_ours_by_its_labels_and_its_project(image: GlanceImage, is_ours: bool) -> None:
    assert is_ours == (images.image_of(image, cloud="eu", project="p-1") is not None)


@pytest.mark.parametrize(
    ("status", "task", "phase"),
    [
        pytest.param("BUILD", "spawning", Phase.PENDING, id="being built"),
        pytest.param("ACTIVE", None, Phase.RUNNING, id="runs"),
        pytest.param("SHUTOFF", None, Phase.STOPPED, id="shut off"),
        pytest.param("ERROR", None, Phase.STOPPED, id="failed for good"),
        pytest.param("ACTIVE", "deleting", Phase.TERMINATING, id="being deleted"),
        pytest.param("ERROR", "deleting", Phase.TERMINATING, id="failed, and being deleted"),
        pytest.param("SOFT_DELETED", None, Phase.TERMINATED, id="deleted, and kept for a while"),
        pytest.param("NEWLY_INVENTED", None, Phase.PENDING, id="a status that nobody knows"),
    ],
)
def test_a_phase_follows_from_status_and_task(status: str, task: str | None, phase: Phase) -> None:
    assert phase is servers.phase(attrs.evolve(SERVER, status=status, task=task))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        pytest.param(None, "192.0.2.7", id="floating first"),
        pytest.param("back", "10.0.0.7", id="of one network"),
        pytest.param("side", None, id="of a network that it isn't in"),
    ],
)
def test_the_address_is_the_one_that_is_meant(network: str | None, expected: str | None) -> None:
    assert expected == servers.address(SERVER, network)


def test_a_fault_that_is_a_lack_of_room_is_about_the_type_in_its_zone() -> None:
    failed = attrs.evolve(SERVER, status="ERROR", fault=BuildFault(message="No valid host was found.", code=500))
    error = servers.build_error(failed, servers.subject_of(REQUEST))

    assert isinstance(error, OutOfCapacity)
    assert Scope(ScopeKind.MACHINE_TYPE, zone="north", machine_type="small") == error.scope
    assert "No valid host was found." in error.message


def test_what_changes_later_is_in_the_description_beside_a_person_s_own_words() -> None:
    text = labels.description({naming.KEPT_UNTIL: "1234"})

    assert {naming.KEPT_UNTIL: "1234"} == labels.mutable_labels(text)
    assert {} == labels.mutable_labels("my own words = mine")
    assert labels.description({naming.KEPT_UNTIL: ""}) is None


def test_novas_own_json_becomes_a_server() -> None:
    row = parsed(
        Server,
        {
            "id": "s-1",
            "name": "n",
            "status": "BUILD",
            "created": "2026-11-26T10:00:00Z",
            "flavor": {"original_name": "small", "vcpus": 1},
            "image": "",
            "metadata": {},
            "addresses": {"back": [{"addr": "10.0.0.7", "version": 4, "OS-EXT-IPS:type": "floating"}]},
            "OS-EXT-AZ:availability_zone": "north",
            "OS-EXT-STS:task_state": "spawning",
        },
        "list",
    )

    assert (None, "north", "spawning", "floating") == (row.image, row.zone, row.task, row.addresses["back"][0].type)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        pytest.param({"networks": ("auto", "back")}, "options.networks[0]", id="a word beside a network"),
        pytest.param({"networks": ("back", "back")}, "options.networks[1]", id="a network twice"),
        pytest.param(
            {"networks": ("none",), "security_groups": ("web",)}, "options.security_groups", id="groups of no network"
        ),
        pytest.param({"tags": ("x" * 61,)}, "options.tags[0]", id="a tag of 61"),
        pytest.param({"tags": ("a,b",)}, "options.tags[0]", id="a tag with a comma"),
        pytest.param({"tags": ("a/b",)}, "options.tags[0]", id="a tag with a slash"),
        pytest.param({"tags": ("vmp.fleet=other",)}, "options.tags[0]", id="a tag of the driver's"),
        pytest.param({"tags": tuple(f"t{n}" for n in range(47))}, "options.tags", id="47 tags"),
        pytest.param(
            {"metadata": immutabledict({"vmpattern-key": "k"})}, "options.metadata.vmpattern-key", id="a label"
        ),
        pytest.param({"metadata": immutabledict(a="x" * 256)}, "options.metadata.a", id="a long value"),
        pytest.param({"network": "back"}, "options.network", id="an option that isn't there"),
    ],
)
def test_a_placement_that_nova_would_refuse_is_told_by_its_path(options: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_options(PlacementOptions, Options(options), path="options")  # type: ignore[arg-type]

    assert [path] == [problem.path for problem in caught.value.problems]


def test_a_tag_of_60_is_taken() -> None:
    assert ["x" * 60] == server(PlacementOptions(tags=("x" * 60,)))["tags"][-1:]  # type: ignore[index]
