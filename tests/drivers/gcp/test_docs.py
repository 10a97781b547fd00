"""The driver's page says what the driver does: its options, its limits, and every method that it calls."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from gce.clouds import driver, request
from gce.emulator import Emulator
from gce.fronts import furnish_front
from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.driver.options import parse_options
from vmpattern_gcp import BalancerOptions, GcpDriver, GcpOptions, PlacementOptions
from vmpattern_gcp.balancing import DRAINING_UNTIL

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/gcp.md").read_text("utf-8")
TABLES = {
    "Options of the cloud": (GcpOptions, {"region": "europe-west1"}),
    "Options of a placement": (PlacementOptions, {}),
    "Options of a balancer": (BalancerOptions, {"backend_service": "front"}),
}


def rows(section: str) -> Iterator[list[str]]:
    """Yield the rows of a section's first table, without its head."""
    body = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    yield from ([cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:])


@pytest.mark.parametrize("section", TABLES)
def test_every_option_has_its_row_in_order(section: str) -> None:
    assert [field.name for field in attrs.fields(TABLES[section][0])] == [row[0] for row in rows(section)]


@pytest.mark.parametrize(
    ("section", "row"), [(section, row) for section in TABLES for row in rows(section)], ids=lambda one: one[0]
)
def test_an_option_has_the_default_that_its_row_says(section: str, row: list[str]) -> None:
    kind, needed = TABLES[section]
    name, _, default, _ = row
    field = attrs.fields_dict(kind)[name]
    if default == "required":
        assert field.default is attrs.NOTHING
    elif default == "none":
        assert field.default is None
    else:
        written = {**needed, name: tomllib.loads(f"it = {default}")["it"]}

        assert parse_options(kind, needed, path="x") == parse_options(kind, written, path="x")


def test_the_label_of_draining_instances_is_told() -> None:
    assert f"`{DRAINING_UNTIL}`" in PAGE


def test_declared_limits_are_told(gcp: GcpDriver) -> None:
    can, told = gcp.capabilities, {row[0]: row[1] for row in rows("How it launches")}

    assert (f"{can.max_batch}", f"{can.max_terminate}, in one batch", f"up to {can.staleness_s:g} s") == (
        told["instances in a launch"],
        told["instances ended at a time"],
        told["age of lists"],
    )
    assert f"up to {can.script_bytes // 1024} KiB, in the VM's metadata" == told["script"]


def every_verb(gcp: GcpDriver, emulator: Emulator) -> None:
    """Call each verb, on the ways that its calls may take."""
    world = emulator.world
    furnish_front(world, "front")
    furnish_front(world, "inside", region=world.region)
    gcp.machine_types()
    gcp.limits()
    gcp.check([request(options=immutabledict(subnetwork="fleet", network="default"))], None)
    gcp.check([request(machine_type="n2-custom-4-8192")], None)
    world.room["europe-west1-b/e2-micro"] = 1
    gcp.launch(request(2, key="kpart", machine_type="e2-micro"))
    (row,) = gcp.launch(request()).created
    for balancer in ({"backend_service": "front"}, {"backend_service": "inside", "region": world.region}):
        chosen = immutabledict(balancer)
        gcp.register(chosen, [row.id])
        world.clock.advance(10)
        gcp.members(chosen)
        gcp.deregister(chosen, [row.id])
        world.clock.advance(10)
    gcp.label([row.id], {naming.KEPT_UNTIL: "1"})
    gcp.console(row.id)
    gcp.usage([row.id])
    base = gcp.resolve("debian-12")
    (builder,) = gcp.launch(request(key="kbuild", fleet=naming.BUILDERS, script="poweroff")).created
    world.clock.advance(world.delays.script_s)
    gcp.instances(Selector("shop"))
    world.clock.advance(60)
    capture = CaptureRequest(builder=builder.id, deployment="shop", service="web", digest="d", base=base)
    image = gcp.capture(capture)
    gcp.mark_verified(image)
    gcp.terminate([row.id, builder.id])
    world.clock.advance(60)
    gcp.delete_images([image])


def test_every_method_that_is_called_is_told_and_no_other(emulator: Emulator, url: str) -> None:
    every_verb(driver(emulator, url), emulator)

    assert sorted(emulator.calls) == [row[0] for row in rows("What it calls")]
