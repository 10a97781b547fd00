"""The region's quotas as limits of the account, and that a plan above one is refused before anything is launched."""

import json
from pathlib import Path

import pytest
from gce.clouds import BASE, driver, request
from gce.emulator import Emulator
from gce.lab import Lab, lab
from gce.quotas import allow

import vmpattern as vmp
from vmpattern.driver import LaunchRequest
from vmpattern.errors import QuotaExceeded, Scope, ScopeKind
from vmpattern.model import Limit, MachineType, Market
from vmpattern_gcp import GcpDriver
from vmpattern_gcp.answers import Quota, Region
from vmpattern_gcp.limits import of_region

TYPES = tuple(
    MachineType(name=name, vcpus=vcpus, memory_mib=4096, zones=("europe-west1-b",))
    for name, vcpus in (("e2-small", 2), ("n1-standard-4", 4), ("n2-standard-2", 2))
)


def of(**quotas: float) -> list[Limit]:
    """Return the limits that a region's quotas are, of each of which 1 is used."""
    found = tuple(Quota(metric=metric, limit=limit, usage=1.0) for metric, limit in quotas.items())
    return list(of_region(Region(name="europe-west1", quotas=found), TYPES))


def test_every_instance_counts_as_one() -> None:
    (limit,) = of(INSTANCES=24)

    assert ("the quota INSTANCES of europe-west1", 24, 1) == (limit.name, limit.most, limit.used)
    assert ({"e2-small": 1, "n1-standard-4": 1, "n2-standard-2": 1}, None) == (dict(limit.costs), limit.market)


def test_vcpus_of_the_families_that_share_a_quota_count_together() -> None:
    limits = of(CPUS=24)

    assert [{"e2-small": 2, "n1-standard-4": 4}] * 4 == [dict(limit.costs) for limit in limits]
    assert {"e2-*", "n1-*"} == {limit.scope.family for limit in limits}


def test_a_family_with_a_quota_of_its_own_counts_alone() -> None:
    assert [{"n2-standard-2": 2}] * 2 == [dict(limit.costs) for limit in of(N2_CPUS=8)]


@pytest.mark.parametrize(
    ("granted", "on_demand", "spot"),
    [
        pytest.param(0, [("CPUS", None)], [("CPUS", None)], id="none was granted"),
        pytest.param(8, [("CPUS", Market.ON_DEMAND)], [("PREEMPTIBLE_CPUS", Market.SPOT)], id="some were granted"),
    ],
)
def test_spot_counts_for_its_own_quota_once_that_was_granted(granted: float, on_demand: object, spot: object) -> None:
    limits = of(CPUS=24, PREEMPTIBLE_CPUS=granted)
    stop = {
        market: [(one.name.split()[2], one.market) for one in limits if one.stops("e2-small", market)]
        for market in Market
    }

    assert {Market.ON_DEMAND: on_demand, Market.SPOT: spot} == stop


def test_a_quota_that_the_region_does_not_list_is_no_limit() -> None:
    assert [] == of(SSD_TOTAL_GB=4096)


def test_a_limit_has_what_is_used_now(gcp: GcpDriver, emulator: Emulator) -> None:
    allow(emulator.world, "CPUS", 24, usage=6)
    gcp.launch(request(2))

    assert {(24, 10)} == {(one.most, one.used) for one in gcp.limits() if " CPUS " in one.name}


def test_machine_types_that_were_listed_are_not_listed_again(gcp: GcpDriver, emulator: Emulator) -> None:
    gcp.machine_types()
    emulator.calls.clear()
    gcp.limits()

    assert {"compute.regions.get": 1} == emulator.calls


def test_a_custom_type_counts_for_its_family(emulator: Emulator, url: str) -> None:
    limits = driver(emulator, url, custom_types=("n2-custom-4-8192",)).limits()

    assert {4} == {one.costs["n2-custom-4-8192"] for one in limits if " N2_CPUS " in one.name}


SPOT = {"market": Market.SPOT}


@pytest.mark.parametrize(
    ("quotas", "asked", "metric"),
    [
        pytest.param({"INSTANCES": 1}, request(2), "INSTANCES", id="instances"),
        pytest.param({"CPUS": 2}, request(2), "CPUS", id="vCPUs"),
        pytest.param({"CPUS": 2}, request(2, **SPOT), "CPUS", id="vCPUs, in the spot market"),
        pytest.param({"N2_CPUS": 4}, request(2, machine_type="n2-standard-4"), "N2_CPUS", id="vCPUs of a family"),
        pytest.param({"PREEMPTIBLE_CPUS": 2}, request(2, **SPOT), "PREEMPTIBLE_CPUS", id="spot vCPUs"),
        pytest.param({"PREEMPTIBLE_CPUS": 2, "CPUS": 2}, request(2), "CPUS", id="vCPUs, beside spot ones"),
    ],
)
def test_a_launch_above_a_limit_fails_with_the_limit_s_code_and_scope(
    gcp: GcpDriver, emulator: Emulator, quotas: dict[str, float], asked: LaunchRequest, metric: str
) -> None:
    for one, most in quotas.items():
        allow(emulator.world, one, most)
    (error,) = {(one.code, one.scope): one for one in gcp.launch(asked).failures}.values()
    alike = [one for one in gcp.limits() if (one.code, one.scope_of(asked.machine_type)) == (error.code, error.scope)]

    assert isinstance(error, QuotaExceeded)
    assert [True] == [limit.stops(asked.machine_type, asked.market) for limit in alike]
    assert {metric} == {limit.name.split()[2] for limit in alike}


def test_an_error_names_the_machine_type_that_a_limit_s_scope_leaves_out(gcp: GcpDriver, emulator: Emulator) -> None:
    allow(emulator.world, "CPUS", 1)
    with pytest.raises(QuotaExceeded) as caught:
        gcp.launch(request())

    assert Scope(ScopeKind.FAMILY, None, "e2-small", "on-demand", "e2-*") == caught.value.scope


# -- through the core -------------------------------------------------------------------------------------------------

FILE = """
deployment = "limited"
clouds.eu = {{ driver = "gcp", {options} }}
services.web.image.existing.eu = "{image}"
[fleets.web]
service = "web"
size = {size}
place = "ordered"
placements = [{placements}]
rollout = {{ min_ready = "0s"{rollout} }}
"""


def fleet(cloud: Lab, folder: Path, size: int, *placements: str, rollout: str = "") -> vmp.Deployment:
    options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in cloud.options.items())
    places = ", ".join(f'{{ cloud = "eu", zones = ["europe-west1-b"], {one} }}' for one in placements)
    text = FILE.format(options=options, image=BASE, size=size, placements=places, rollout=rollout)
    return vmp.loads(text, directory=str(folder))


SMALL, N2, CHEAP = 'machine_type = "e2-small"', 'machine_type = "n2-standard-2"', 'market = "spot"'


@pytest.mark.parametrize(
    ("quotas", "placements", "limit"),
    [
        pytest.param({"INSTANCES": 3}, (SMALL,), "INSTANCES of europe-west1 is 3", id="instances"),
        pytest.param({"CPUS": 6}, (SMALL,), "CPUS of europe-west1 is 6", id="vCPUs"),
        pytest.param({"CPUS": 6}, (SMALL, f"{SMALL}, {CHEAP}"), "CPUS of europe-west1 is 6", id="in both markets"),
        pytest.param({"CPUS": 2, "N2_CPUS": 4}, (SMALL, N2), "N2_CPUS of europe-west1 is 4", id="in two families"),
    ],
)
def test_a_plan_above_a_quota_of_the_region_is_refused_with_the_quota_s_name(
    tmp_path: Path, quotas: dict[str, float], placements: tuple[str, ...], limit: str
) -> None:
    with lab(tmp_path, speed=40.0) as cloud:
        for metric, most in quotas.items():
            allow(cloud.emulator.world, metric, most)
        wanted = fleet(cloud, tmp_path, 4, *placements)
        with pytest.raises(vmp.SpecError, match=rf"eu: the quota {limit}, 0 in use"):
            vmp.plan(wanted, vmp.observe(wanted))

        assert [] == cloud.emulator.world.instances()


def test_a_plan_that_needs_all_of_several_quotas_is_carried_out(tmp_path: Path) -> None:
    with lab(tmp_path, speed=40.0) as cloud:
        for metric, most in {"CPUS": 2, "PREEMPTIBLE_CPUS": 2, "N2_CPUS": 4}.items():
            allow(cloud.emulator.world, metric, most)
        wanted = fleet(cloud, tmp_path, 4, f"{SMALL}, {CHEAP}", SMALL, N2)
        plan = vmp.plan(wanted, vmp.observe(wanted))
        outcome = vmp.apply(plan, locks=tmp_path)

    assert ("complete", 4, "complete") == (plan.forecast.ends, outcome.fleets["web"].created, outcome.result.value)


def test_within_a_spent_quota_a_family_that_shares_it_can_only_replace_in_place(tmp_path: Path) -> None:
    with lab(tmp_path, speed=40.0) as cloud:
        world = cloud.emulator.world
        for zone in world.zones:
            path = f"projects/{world.project}/zones/{zone}/machineTypes/n1-standard-2"
            world.add("machineType", path, guestCpus=2, memoryMb=7680, zone=zone)
        before = fleet(cloud, tmp_path, 2, SMALL)
        vmp.apply(vmp.plan(before, vmp.observe(before)), locks=tmp_path).raise_for_failure()
        allow(world, "CPUS", 4)
        changed, in_place = 'machine_type = "n1-standard-2"', ", max_surge = 0, max_unavailable = 1"
        above, within = fleet(cloud, tmp_path, 2, changed), fleet(cloud, tmp_path, 2, changed, rollout=in_place)
        with pytest.raises(vmp.SpecError, match=r"CPUS of europe-west1 is 4, 4 in use.*max_surge = 0"):
            vmp.plan(above, vmp.observe(above))
        plan = vmp.plan(within, vmp.observe(within))

    assert "complete" == plan.forecast.ends
