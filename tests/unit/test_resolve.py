from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict
from situations import NOW, deployment, fleet, instance

from vmpattern import naming
from vmpattern.errors import SpecError
from vmpattern.model import (
    Capabilities,
    CloudObservation,
    Fleet,
    Instance,
    MachineType,
    Market,
    Observation,
    PackerManifest,
    PendingSlot,
    Phase,
    Place,
    Placement,
    Recipe,
    Resources,
    Rollout,
    Service,
    Slot,
)
from vmpattern.planner import Resolution, resolve
from vmpattern.simulation import EC2_LIKE

ABC = ("a", "b", "c")


def kind(
    name: str,
    vcpus: int = 2,
    memory_mib: int = 4096,
    zones: Iterable[str] = ABC,
    price: float | None = 0.1,
    **more: Any,
) -> MachineType:
    prices = {} if price is None else {Market.ON_DEMAND: price, Market.SPOT: price / 10}
    return MachineType(name=name, vcpus=vcpus, memory_mib=memory_mib, zones=tuple(zones), prices=prices, **more)


TYPES = (kind("large", 4, 16384, price=0.2), kind("medium"), kind("small", 1, 2048, price=0.05))


def cloud(name: str = "demo", types: Iterable[MachineType] = TYPES, **facts: Any) -> CloudObservation:
    usual = CloudObservation(name=name, at=NOW, capabilities=EC2_LIKE, machine_types=tuple(types))
    return attrs.evolve(usual, **facts)


def placed(*placements: Placement, place: Place = Place.SPREAD) -> Fleet:
    return attrs.evolve(fleet(6), placements=placements, place=place)


def service(**changes: Any) -> dict[str, Any]:
    """Return changes of the service that needs what `medium` has."""
    return {"resources": Resources(vcpus=2, memory_mib=4096), **changes}


def resolved(
    wanted: Fleet, *clouds: CloudObservation, refresh: bool = False, changes: Mapping[str, Any] | None = None
) -> Resolution:
    seen = clouds or (cloud(),)
    whole = deployment(wanted, clouds=tuple(one.name for one in seen))
    one: Service = attrs.evolve(whole.services["shop"], **service(**(changes or {})))
    whole = attrs.evolve(whole, services={"shop": one})
    observation = Observation(at=NOW, clouds={one.name: one for one in seen})
    return resolve(whole, wanted, observation, refresh=refresh)


def types(resolution: Resolution) -> list[str]:
    return [slot.machine_type for slot in resolution.slots]


def places(resolution: Resolution) -> list[tuple[str, str]]:
    return [(slot.cloud, slot.zone) for slot in resolution.slots]


HERE = Placement(cloud="demo", zones=("a",))
EVERYWHERE = Placement(cloud="demo")


# -- zones


@pytest.mark.parametrize(
    ("zones", "placement"),
    [
        pytest.param(["a", "b", "c"], EVERYWHERE, id="every zone of the cloud where none is written"),
        pytest.param(["c", "a"], Placement(cloud="demo", zones=("c", "a")), id="those that are written, in order"),
    ],
)
def test_a_placement_has_a_slot_for(zones: list[str], placement: Placement) -> None:
    assert zones == [slot.zone for slot in resolved(placed(placement)).slots]


def test_slots_come_in_the_order_of_placements() -> None:
    wanted = placed(Placement(cloud="lab", zones=("b",)), Placement(cloud="eu", zones=("a",)))

    assert [("lab", "b"), ("eu", "a")] == places(resolved(wanted, cloud("eu"), cloud("lab")))


# -- machine types


@pytest.mark.parametrize(
    ("chosen", "offered"),
    [
        pytest.param("medium", TYPES, id="the smallest that fits, whatever the order of the offer"),
        pytest.param("lean", (kind("fat", 2, 8192), kind("lean", 2, 4096)), id="the least memory of as many vCPUs"),
        pytest.param("cheap", (kind("dear", price=0.3), kind("cheap", price=0.2)), id="the cheaper one of as large"),
        pytest.param("known", (kind("free", price=None), kind("known")), id="a known price before an unknown one"),
        pytest.param("aa", (kind("bb"), kind("aa")), id="the first by name of alike"),
        pytest.param("b", (kind("a", specs={"gpu": "1"}), kind("b")), id="nothing special before something special"),
        pytest.param("b", (kind("a", disk_gib=40), kind("b", disk_gib=20)), id="the smaller disk of alike"),
    ],
)
def test_what_is_launched_is(chosen: str, offered: tuple[MachineType, ...]) -> None:
    assert [chosen] == types(resolved(placed(HERE), cloud(types=offered)))


FLAVORS = (kind("bare", disk_gib=0), kind("half", disk_gib=20), kind("whole", disk_gib=40))


@pytest.mark.parametrize(
    ("fitting", "sized"),
    [
        pytest.param(["bare", "whole"], {}, id="one that has it, or that gets a disk at launch"),
        pytest.param(["bare", "half", "whole"], {"volume": immutabledict()}, id="any, where the placement sizes disks"),
    ],
)
def test_a_service_that_needs_a_disk_fits_into(fitting: list[str], sized: dict[str, Any]) -> None:
    able = attrs.evolve(EC2_LIKE, disk_option="volume")
    placement = attrs.evolve(HERE, options=immutabledict(sized))
    needs = {"resources": Resources(vcpus=2, memory_mib=4096, disk_gib=30)}
    slot = resolved(placed(placement), cloud(types=FLAVORS, capabilities=able), changes=needs).slots[0]

    assert frozenset(fitting) == slot.admits


def test_every_type_that_fits_is_in_date() -> None:
    assert frozenset({"medium", "large"}) == resolved(placed(HERE)).slots[0].admits


def test_a_type_that_is_named_is_the_only_one_in_date() -> None:
    slot = resolved(placed(attrs.evolve(HERE, machine_type="small"))).slots[0]

    assert ("small", frozenset({"small"})) == (slot.machine_type, slot.admits)


def test_a_slot_has_the_price_of_its_market() -> None:
    markets = (Market.ON_DEMAND, Market.SPOT)
    slots = [resolved(placed(attrs.evolve(HERE, market=market))).slots[0] for market in markets]

    assert [0.1, 0.01] == [slot.price_per_hour for slot in slots]


def running(machine_type: str, **changes: Any) -> Instance:
    """Return an instance that is in date, on some machine type."""
    slot = resolved(placed(HERE)).slots[0]
    row = instance("i1", revision=slot.revision, machine_type=machine_type)
    return attrs.evolve(row, **changes)


@pytest.mark.parametrize(
    ("chosen", "row", "refresh"),
    [
        pytest.param("large", running("large"), False, id="what instances in date show is used again"),
        pytest.param("medium", running("large"), True, id="with refresh it is chosen anew"),
        pytest.param("medium", running("small"), False, id="what doesn't fit isn't used again"),
        pytest.param("medium", running("large", revision="old"), False, id="what is out of date shows nothing"),
        pytest.param("medium", running("large", phase=Phase.TERMINATING), False, id="what is ending shows nothing"),
        pytest.param("medium", running("large", market=Market.SPOT), False, id="another market shows nothing"),
    ],
)
def test_of_what_was_chosen_before(chosen: str, row: Instance, refresh: bool) -> None:
    assert [chosen] == types(resolved(placed(HERE), cloud(instances=(row,)), refresh=refresh))


def test_a_change_of_prices_changes_no_revision() -> None:
    dearer = tuple(attrs.evolve(one, prices={Market.ON_DEMAND: 9.0}) for one in TYPES)
    before, after = (resolved(placed(HERE), cloud(types=offered)).slots[0] for offered in (TYPES, dearer))

    assert before.revision == after.revision


def test_a_revision_is_that_of_what_is_written() -> None:
    slot = resolved(placed(HERE)).slots[0]
    one: Service = attrs.evolve(deployment(fleet(1)).services["shop"], **service())

    assert naming.inputs(one, placed(HERE), HERE, "img-1").revision == slot.revision


def test_options_are_handed_on() -> None:
    options = immutabledict({"subnet": "subnet-1"})

    assert options == resolved(placed(attrs.evolve(HERE, options=options))).slots[0].options


# -- what is wrong


@pytest.mark.parametrize(
    ("path", "message", "wanted", "seen", "changes"),
    [
        pytest.param(
            "fleets.web.placements[0].zones",
            "demo has no zone x; expected some of a, b, c",
            placed(Placement(cloud="demo", zones=("a", "x"))),
            cloud(),
            {},
            id="a zone that isn't there",
        ),
        pytest.param(
            "fleets.web.placements[0].machine_type",
            "demo offers no huge in zone a; expected one of large, medium, small",
            placed(attrs.evolve(HERE, machine_type="huge")),
            cloud(),
            {},
            id="a machine type that isn't there",
        ),
        pytest.param(
            "fleets.web.placements[0]",
            "no machine type of demo in zone a has 99 vCPUs and 4096 MiB",
            placed(HERE),
            cloud(),
            {"resources": Resources(vcpus=99, memory_mib=4096)},
            id="resources that no type has",
        ),
        pytest.param(
            "fleets.web.placements[0]",
            "no machine type of demo in zone a has 2 vCPUs, 4096 MiB and a disk of 99 GiB; "
            "the placement's option `volume` gives a disk of any size",
            placed(HERE),
            cloud(types=FLAVORS[1:], capabilities=attrs.evolve(EC2_LIKE, disk_option="volume")),
            {"resources": Resources(vcpus=2, memory_mib=4096, disk_gib=99)},
            id="a disk that no type has",
        ),
        pytest.param(
            "fleets.web.placements[0].market",
            "demo offers on-demand, not spot",
            placed(attrs.evolve(HERE, market=Market.SPOT)),
            cloud(capabilities=Capabilities(mutable_labels=True)),
            {},
            id="a market that the cloud hasn't",
        ),
        pytest.param(
            "services.shop.image",
            "the driver of demo can't bake: name images of that cloud in image.existing",
            placed(HERE),
            cloud(capabilities=attrs.evolve(EC2_LIKE, baker=False)),
            {"image": Recipe(base={"": "debian-12"}, run="/opt/serve")},
            id="a recipe where nothing is baked",
        ),
        pytest.param(
            "services.shop.image.base",
            "there is no debian-99",
            placed(HERE),
            cloud(unresolved={"debian-99": "there is no debian-99"}),
            {"image": Recipe(base={"": "debian-99"}, run="/opt/serve")},
            id="a base that isn't there",
        ),
        pytest.param(
            "services.shop.image.packer_manifest",
            "names no image for the cloud demo",
            placed(HERE),
            cloud(),
            {"image": PackerManifest("manifest.json")},
            id="a Packer manifest without an image for the cloud",
        ),
        pytest.param(
            "fleets.web.balancer.demo",
            "the driver of demo knows no balancers",
            attrs.evolve(placed(HERE), balancer={"demo": {"name": "front"}}),
            cloud(capabilities=attrs.evolve(EC2_LIKE, balancer=False)),
            {},
            id="a balancer where the driver knows none",
        ),
        pytest.param(
            "fleets.web.rollout.max_surge",
            "an instance that may be the only one behind a balancer needs a second one first: set max_surge to 1",
            attrs.evolve(fleet(1, surge=0, unavailable=1), balancer={"demo": {"name": "front"}}, placements=[HERE]),
            cloud(),
            {},
            id="a lone member without surge",
        ),
    ],
)
def test_is_told_with_its_place(
    path: str, message: str, wanted: Fleet, seen: CloudObservation, changes: dict[str, Any]
) -> None:
    with pytest.raises(SpecError) as caught:
        resolved(wanted, seen, changes=changes)

    assert [(path, message)] == [(problem.path, problem.message) for problem in caught.value.problems]


def test_several_mistakes_are_told_together() -> None:
    wanted = placed(Placement(cloud="demo", zones=("x",)), attrs.evolve(HERE, machine_type="huge"))
    with pytest.raises(SpecError) as caught:
        resolved(wanted)

    assert ["fleets.web.placements[0].zones", "fleets.web.placements[1].machine_type"] == [
        problem.path for problem in caught.value.problems
    ]


def test_a_lone_member_is_foreseen_where_a_tie_goes_to_the_others() -> None:
    wanted = attrs.evolve(
        fleet(6, surge=0, unavailable=1),
        placements=[attrs.evolve(HERE, weight=3), attrs.evolve(HERE, cloud="far")],
        balancer={"far": {"name": "front"}},
    )

    with pytest.raises(SpecError, match="max_surge: an instance that may be the only one"):
        resolved(wanted, cloud(), cloud("far"))


def test_a_zone_without_the_named_type_is_left_out_where_no_zone_is_written() -> None:
    offered = (kind("rare", zones=("a", "c")), kind("medium"))
    resolution = resolved(placed(attrs.evolve(EVERYWHERE, machine_type="rare")), cloud(types=offered))

    assert (["a", "c"], ("demo offers no rare in zone b: left out",)) == (
        [slot.zone for slot in resolution.slots],
        resolution.notes,
    )


def test_a_cloud_that_cannot_change_labels_is_noted() -> None:
    seen = cloud(capabilities=Capabilities(mutable_labels=False))

    assert ("demo can't change labels: an instance that fails is ended, not kept for inspection",) == resolved(
        placed(HERE), seen
    ).notes


def test_who_keeps_no_failures_needs_no_labels() -> None:
    wanted = attrs.evolve(placed(HERE), rollout=Rollout(keep_failed=0))

    assert () == resolved(wanted, cloud(capabilities=Capabilities())).notes


# -- a cloud that couldn't be read


BLIND = cloud(types=(), error="no answer")


def test_an_unreadable_cloud_is_noted() -> None:
    assert ("demo couldn't be read: its share counts as live and not ready",) == resolved(placed(HERE), BLIND).notes


@pytest.mark.parametrize(
    ("place", "placement"),
    [
        pytest.param(("a", "small"), attrs.evolve(HERE, machine_type="small"), id="as written, where all is written"),
        pytest.param(("a", None), HERE, id="of an unknown type, where none is named"),
        pytest.param((None, None), EVERYWHERE, id="in an unknown zone, where none is named"),
    ],
)
def test_a_slot_of_an_unreadable_cloud_is(place: tuple[str | None, str | None], placement: Placement) -> None:
    slot = resolved(placed(placement), BLIND).slots[0]

    assert place == (slot.zone, slot.machine_type)


def test_a_slot_of_an_unreadable_cloud_can_be_launched_only_where_all_is_written() -> None:
    whole, half = attrs.evolve(HERE, machine_type="small"), HERE

    blind = cloud(types=(), error="no answer", capabilities=Capabilities())

    assert [Slot, PendingSlot] == [type(resolved(placed(one), blind).slots[0]) for one in (whole, half)]


def test_what_a_name_of_an_image_stands_for_isnt_known_where_the_cloud_cant_be_read() -> None:
    blind = cloud(types=(), error="no answer", capabilities=Capabilities(baker=True))
    (slot,) = resolved(placed(attrs.evolve(HERE, machine_type="small")), blind).slots

    assert slot.image is None


# -- ranks


@pytest.mark.parametrize(
    ("ranks", "place"),
    [
        pytest.param([0, 0, 0], Place.SPREAD, id="all alike when spread"),
        pytest.param([0, 1, 2], Place.ORDERED, id="as written when ordered"),
        pytest.param([1, 2, 0], Place.CHEAPEST, id="by price, unknown ones last, when cheapest"),
    ],
)
def test_placements_are_ranked(ranks: list[int], place: Place) -> None:
    offered = (kind("dear", price=0.3), kind("odd", price=None), kind("cheap", price=0.1))
    wanted = placed(*(attrs.evolve(HERE, machine_type=name) for name in ("dear", "odd", "cheap")), place=place)

    assert ranks == [slot.rank for slot in resolved(wanted, cloud(types=offered)).slots]


def test_zones_of_one_price_have_one_rank() -> None:
    resolution = resolved(placed(EVERYWHERE, place=Place.CHEAPEST))

    assert [0, 0, 0] == [slot.rank for slot in resolution.slots]


# -- placements that can't be told apart


AB, BC = Placement(cloud="demo", zones=("a", "b")), Placement(cloud="demo", zones=("b", "c"))
ALL, HEAVY = Placement(cloud="demo"), Placement(cloud="demo", weight=3)


def problems(wanted: Fleet, *clouds: CloudObservation) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as error:
        resolved(wanted, *clouds)
    return [(problem.path, problem.message) for problem in error.value.problems]


def test_zones_of_two_placements_are_refused_where_both_have_a_share() -> None:
    ((path, message),) = problems(placed(AB, BC))

    assert "fleets.web.placements[1]" == path
    assert "the same VMs as fleets.web.placements[0]: on-demand in demo in zone b" in message
    assert message.endswith("name each zone in one of them only")


def test_two_placements_that_are_one_are_refused_with_the_weight_of_both() -> None:
    ((_, message),) = problems(placed(ALL, HEAVY))

    assert message.endswith("keep one of them, with weight = 4")


def test_every_pair_that_overlaps_is_told_once() -> None:
    paths = [path for path, _ in problems(placed(AB, BC, Placement(cloud="demo", zones=("c", "a"))))]

    assert ["fleets.web.placements[1]", "fleets.web.placements[2]", "fleets.web.placements[2]"] == paths


def test_overlaps_are_told_together_with_other_problems() -> None:
    nowhere = Placement(cloud="demo", zones=("z",))

    assert ["placements[2].zones", "placements[1]"] == [
        path.removeprefix("fleets.web.") for path, _ in problems(placed(AB, BC, nowhere))
    ]


def test_a_cloud_that_cant_be_read_may_have_any_zone() -> None:
    silent = cloud(types=(), error="it can't be reached")

    assert ["fleets.web.placements[1]"] == [path for path, _ in problems(placed(AB, ALL), silent)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Placement(cloud="demo", zones=("b", "c"), machine_type="medium"), id="by a machine type"),
        pytest.param(Placement(cloud="demo", zones=("b", "c"), market=Market.SPOT), id="by its market"),
        pytest.param(Placement(cloud="demo", zones=("b", "c"), options=immutabledict(disk="x")), id="by an option"),
        pytest.param(Placement(cloud="lab", zones=("a", "b")), id="by its cloud"),
        pytest.param(Placement(cloud="demo", zones=("c",)), id="by its zones"),
    ],
)
def test_placements_may_be_told_apart(other: Placement) -> None:
    assert 2 == len({slot.placement for slot in resolved(placed(AB, other), cloud(), cloud("lab")).slots})


@pytest.mark.parametrize("place", [Place.ORDERED, Place.CHEAPEST])
def test_a_place_that_comes_again_in_an_order_says_nothing_new(place: Place) -> None:
    slots = resolved(placed(AB, BC, place=place)).slots

    assert [("a", 0), ("b", 0), ("c", 1)] == [(slot.zone, slot.placement) for slot in slots]


def test_a_zone_that_is_named_twice_by_one_placement_counts_once() -> None:
    assert [("demo", "a")] == places(resolved(placed(Placement(cloud="demo", zones=("a", "a")))))


def test_a_fleet_of_size_0_has_no_slots_and_no_problems() -> None:
    gone = attrs.evolve(placed(AB, BC, Placement(cloud="demo", zones=("z",))), size=0)

    assert Resolution(()) == resolved(gone)
