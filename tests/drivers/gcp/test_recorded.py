"""What Google once answered, as libcloud keeps it, goes through the driver's own reading."""

import json
from importlib.resources import files

import attrs
import pytest

from vmpattern import naming
from vmpattern.errors import KeyConflict, NotFound, Scope, ScopeKind, Transient
from vmpattern.model import Market, Phase
from vmpattern_gcp.answers import BackendService, DiskImage, Kind, Operation, SerialOutput, Vm, Zone
from vmpattern_gcp.errors import TABLE, read_fault
from vmpattern_gcp.machines import family
from vmpattern_gcp.names import last, moment, region_of
from vmpattern_gcp.parsing import Aggregated, Listed, check_whole, in_page, parsed
from vmpattern_gcp.rows import address, is_ours, row
from vmpattern_libcloud import Fault, Reply, Subject

FOLDER = files("libcloud") / "test/compute/fixtures/gce"
OURS = {naming.DEPLOYMENT: "shop", naming.FLEET: "web", naming.REVISION: "r", naming.KEY: "k"}


def recorded(name: str) -> object:
    return json.loads((FOLDER / f"{name}.json").read_text())


def vms() -> dict[str, Vm]:
    page = parsed(Aggregated, recorded("aggregated_instances"), "list")
    return {vm.name: vm for vm in (parsed(Vm, item, "list") for item in in_page(page, "instances", "list"))}


def test_every_vm_of_an_aggregated_list_is_read() -> None:
    text = (FOLDER / "aggregated_instances.json").read_text()

    assert text.count('"compute#instance"') == len(vms())


def test_vms_without_our_labels_are_nobody_s() -> None:
    assert [] == [vm.name for vm in vms().values() if is_ours(vm, region_of(last(vm.zone)))]


def test_a_vm_s_row_is_as_it_was_recorded() -> None:
    vm = attrs.evolve(vms()["libcloud-demo-europe-multiple-nodes-000"], labels=OURS)
    found = row(vm, "eu", ending=False)

    assert ("europe-west1-a/10947706194464948790", "n1-standard-1", "192.158.28.252") == (
        found.id,
        found.machine_type,
        found.address,
    )
    assert (Phase.RUNNING, Market.ON_DEMAND, moment("2013-12-13T18:43:58.782Z")) == (
        found.phase,
        found.market,
        found.launched_at,
    )


def test_a_vm_without_a_public_address_has_its_own() -> None:
    vm = parsed(Vm, recorded("zones_us-central1-b_instances_libcloud-lb-nopubip-001"), "read")

    assert address(vm) == vm.network_interfaces[0].network_ip


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("zones", Zone),
        ("zones_us-central1-a_machineTypes", Kind),
        ("global_images", DiskImage),
        ("zones_us-central1-a_instances", Vm),
    ],
)
def test_every_item_of_a_list_is_read(name: str, kind: type) -> None:
    page = parsed(Listed, recorded(name), "list")
    check_whole(page, "list")

    assert len(page.items) == len([parsed(kind, item, "list") for item in page.items]) > 0


def test_a_list_in_pages_tells_of_the_next() -> None:
    assert parsed(Listed, recorded("global_images_paged"), "list").next_page_token


def test_a_warning_of_a_zone_that_couldn_t_be_reached_is_an_error() -> None:
    answer = {"items": {"zones/us-central1-a": {"warning": {"code": "UNREACHABLE", "message": "not now"}}}}
    page = parsed(Aggregated, answer, "list")

    with pytest.raises(Transient, match="UNREACHABLE"):
        list(in_page(page, "instances", "list"))


def test_a_list_that_names_what_it_didn_t_reach_is_an_error() -> None:
    page = parsed(Aggregated, {"items": {}, "unreachables": ["zones/us-central1-a"]}, "list")

    with pytest.raises(Transient, match="zones/us-central1-a can't be reached"):
        list(in_page(page, "instances", "list"))


def test_a_warning_of_the_whole_list_is_an_error() -> None:
    page = parsed(Listed, {"warning": {"code": "LIST_OVERHEAD_QUOTA_EXCEED", "message": "too much"}}, "list")

    with pytest.raises(Transient, match="too much"):
        check_whole(page, "list")


def test_an_operation_that_failed_after_an_answer_of_success_is_a_conflict() -> None:
    name = "operations_operation_zones_europe-west1-a_instances_post"
    operation = parsed(Operation, recorded(name), "launch")
    (fault,) = operation.faults
    told = Fault(status=operation.http_error_status_code, code=fault.code, message=fault.message)

    assert isinstance(TABLE.error(told, Subject(what="launch")), KeyConflict)


@pytest.mark.parametrize("code", ["QUOTA_EXCEEDED", "quotaExceeded"])
@pytest.mark.parametrize(
    ("metric", "scope"),
    [
        pytest.param("CPUS", Scope(ScopeKind.FAMILY, None, "e2-small", "spot", "e2-*"), id="vCPUs"),
        pytest.param("N2_CPUS", Scope(ScopeKind.FAMILY, None, "e2-small", "spot", "e2-*"), id="vCPUs of a family"),
        pytest.param("PREEMPTIBLE_CPUS", Scope(ScopeKind.REGION, market="spot"), id="spot vCPUs"),
        pytest.param("CPUS_ALL_REGIONS", Scope(ScopeKind.ACCOUNT), id="vCPUs everywhere"),
        pytest.param("SSD_TOTAL_GB", Scope(ScopeKind.REGION), id="anything else"),
    ],
)
def test_a_quota_reaches_as_far_as_what_counts_for_it(code: str, metric: str, scope: Scope) -> None:
    about = Subject(
        what="launch", mutating=True, zone="z", machine_type="e2-small", market="spot", family=family("e2-small")
    )
    told = Fault(status=403, code=code, message=f"Quota '{metric}' exceeded.  Limit: 24.0 in region us-central1.")

    assert scope == TABLE.error(told, about).scope


def test_an_operation_that_is_well_has_no_error() -> None:
    name = "operations_operation_zones_us-central1-a_instances_post"

    assert (True, ()) == ((found := parsed(Operation, recorded(name), "launch")).is_done, found.faults)


def test_a_refusal_has_google_s_reason() -> None:
    body = (FOLDER / "global_images_family_notfound.json").read_bytes()
    fault = read_fault(Reply(404, {}, body), now=0.0)

    assert ("notFound", NotFound) == (fault.code, type(TABLE.error(fault, Subject(what="find"))))


def test_a_serial_port_s_output_is_read() -> None:
    output = parsed(SerialOutput, recorded("zones_us-central1-a_instances_node_name_getSerialOutput"), "console")

    assert output.contents


def test_a_backend_service_s_groups_are_read() -> None:
    service = parsed(BackendService, recorded("global_backendServices_web_service"), "members")

    assert all(last(backend.group) for backend in service.backends)
