"""Machine types as the region has them, custom ones, and what they cost."""

import pytest
from gce.clouds import driver
from gce.emulator import Emulator
from immutabledict import immutabledict

from vmpattern.errors import SpecError
from vmpattern.model import MachineType, Market
from vmpattern_gcp import GcpDriver
from vmpattern_gcp.machines import Size, listed_prices

B, C, D = (f"europe-west1-{letter}" for letter in "bcd")


def kinds(gcp: GcpDriver) -> dict[str, MachineType]:
    return {kind.name: kind for kind in gcp.machine_types()}


def test_a_type_is_offered_where_its_zone_lists_it(gcp: GcpDriver) -> None:
    found = kinds(gcp)

    assert ((B, C, D), (B,)) == (found["e2-small"].zones, found["c2-odd"].zones)


def test_zones_that_are_named_are_the_only_ones(emulator: Emulator, url: str) -> None:
    found = kinds(driver(emulator, url, zones=(C,)))

    assert (C,) == found["e2-small"].zones


def test_a_zone_that_is_down_offers_nothing(gcp: GcpDriver, emulator: Emulator) -> None:
    emulator.world.find(f"projects/{emulator.world.project}/zones/{C}")[1]["status"] = "DOWN"

    assert (B, D) == kinds(gcp)["e2-small"].zones


def test_a_type_that_is_out_of_use_isn_t_offered(gcp: GcpDriver, emulator: Emulator) -> None:
    for zone in emulator.world.zones:
        path = f"projects/{emulator.world.project}/zones/{zone}/machineTypes/e2-micro"
        emulator.world.find(path)[1]["deprecated"] = {"state": "DEPRECATED"}

    assert "e2-micro" not in kinds(gcp)


def test_a_custom_type_is_offered_where_its_family_is(emulator: Emulator, url: str) -> None:
    found = kinds(driver(emulator, url, custom_types=("n2-custom-4-8192",)))["n2-custom-4-8192"]

    assert (4, 8192, (B, C, D)) == (found.vcpus, found.memory_mib, found.zones)


def test_a_price_of_one_s_own_goes_before_the_list(emulator: Emulator, url: str) -> None:
    prices = immutabledict({"e2-small": immutabledict(on_demand=0.02)})
    found = kinds(driver(emulator, url, prices=prices))["e2-small"].prices

    assert (0.02, True) == (found[Market.ON_DEMAND], found[Market.SPOT] < 0.02)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        # By hand, from the list's prices of a vCPU and a GiB in europe-west1.
        pytest.param("n2-standard-2", Size(2, 8192), 2 * 0.034773 + 8 * 0.004661, id="by vCPU and memory"),
        pytest.param("e2-small", Size(2, 2048), 0.5 * 0.02399337 + 2 * 0.00321609, id="half a vCPU is paid for"),
        pytest.param("n2-custom-4-8192", Size(4, 8192), 4 * 0.036489 + 8 * 0.004892, id="custom"),
        pytest.param("f1-micro", Size(1, 614), 0.0086, id="as a whole"),
        pytest.param("n2-custom-4-65536-ext", Size(4, 65536), None, id="extended memory"),
        pytest.param("z9-mega-2", Size(2, 8192), None, id="a family that the list lacks"),
    ],
)
def test_a_listed_price_is_the_sum_of_its_parts(name: str, size: Size, expected: float | None) -> None:
    found = listed_prices(name, size, "europe-west1").get(Market.ON_DEMAND)

    assert (None if expected is None else round(expected, 6)) == found


def test_a_region_that_the_list_lacks_has_no_price() -> None:
    assert {} == listed_prices("n2-standard-2", Size(2, 8192), "mars-north1")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        pytest.param({"region": "europe"}, "clouds.eu.region", id="no region"),
        pytest.param({"project": "12345"}, "clouds.eu.project", id="a project's number"),
        pytest.param({"zones": ("us-east1-b",)}, "clouds.eu.zones", id="a zone of another region"),
        pytest.param({"custom_types": ("n2-4-8192",)}, "clouds.eu.custom_types", id="no custom type"),
        pytest.param(
            {"prices": immutabledict({"e2-small": immutabledict(spot=0.0)})},
            "clouds.eu.prices.e2-small.spot",
            id="a price of zero",
        ),
        pytest.param({"endpoint": "localhost"}, "clouds.eu.endpoint", id="no address"),
        pytest.param({"call_timeout": "0s"}, "clouds.eu.call_timeout", id="no time"),
        pytest.param({"regoin": "x"}, "clouds.eu.regoin", id="misspelt"),
    ],
)
def test_a_wrong_option_of_the_cloud_is_told_with_its_path(
    emulator: Emulator, url: str, changes: dict[str, object], path: str
) -> None:
    with pytest.raises(SpecError) as caught:
        driver(emulator, url, **changes)

    assert [path] == [problem.path for problem in caught.value.problems]
