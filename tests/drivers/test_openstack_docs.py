"""The pages of the OpenStack driver: every option has its row, with its default, and what the guide shows works."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs
import pytest
from local_vms import PATIENCE_S, cleared, needs_qemu
from oslab import driver, needs_lab, settings

from vmpattern.driver.options import parse_options
from vmpattern.specfile.writing import render
from vmpattern_openstack import BalancerOptions, OpenStackOptions, PlacementOptions

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/openstack.md").read_text("utf-8")
GUIDE = (ROOT / "docs/how-to/openstack.md").read_text("utf-8")
SECTIONS = {
    "Options of a cloud": OpenStackOptions,
    "Options of a placement": PlacementOptions,
    "Options of a balancer": BalancerOptions,
}
NEEDED = {"pool": "front", "port": 80}


def rows(section: str) -> list[tuple[str, str]]:
    """Return key and default of each row of the section's table."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| [^|]+ \| `?([^|`]+)`? \|", text, re.M)


@pytest.mark.parametrize(("section", "kind"), SECTIONS.items())
def test_every_option_is_documented(section: str, kind: type) -> None:
    assert [field.name for field in attrs.fields(kind)] == [key for key, _ in rows(section)]


@pytest.mark.parametrize(
    ("kind", "key", "default"),
    [(kind, *row) for section, kind in SECTIONS.items() for row in rows(section)],
)
def test_every_default_is_as_documented(kind: type, key: str, default: str) -> None:
    needed = NEEDED if kind is BalancerOptions else {}
    field = attrs.fields_dict(kind)[key]
    if default == "required":
        assert attrs.NOTHING is field.default
    elif default == "none":
        assert field.default is None
    else:
        written = parse_options(kind, {**needed, key: tomllib.loads(f"it = {default}")["it"]}, path="it")  # type: ignore[arg-type]

        assert parse_options(kind, needed, path="it") == written  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example of the local driver as `local.toml`, and beside it a file for the lab."""
    place = tmp_path / "here"
    shutil.copytree(ROOT / "examples/local", place, ignore=shutil.ignore_patterns(".vmpattern"))
    (place / "vmpattern.toml").rename(place / "local.toml")
    document = {
        "deployment": "uploads",
        "clouds": {"oslo": {"driver": "openstack", **settings()}},
        "services": {"hello": {"image": {"existing": {"oslo": "oslab-image"}}}},
        "fleets": {"hello": {"service": "hello", "size": 1, "placements": [{"cloud": "oslo"}]}},
    }
    (place / "vmpattern.toml").write_text(render(document))
    return place


@needs_lab
@needs_qemu
def test_the_guides_example_brings_an_image_from_here_into_the_cloud(folder: Path) -> None:
    script = re.search(r":caption: upload\.py\n\n(.*?)```", GUIDE, re.S)
    assert script is not None
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / ".state")}
    with cleared(folder / ".vmpattern"):
        command = [sys.executable, "-c", script[1]]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "" == ran.stderr
    with contextlib.closing(driver()) as cloud:
        calls = cloud.calls("look at images", mutating=True)
        disk = calls.get("image", f"/images/{ran.stdout.strip()}")
        kernel = calls.get("image", f"/images/{disk['kernel_id']}")
        for id in (disk["id"], disk["kernel_id"], disk["ramdisk_id"]):
            calls.change("image", "DELETE", f"/images/{id}")

    assert ["active", "active"] == [disk["status"], kernel["status"]]
    assert hashlib.sha512((folder / "exported/kernel").read_bytes()).hexdigest() == kernel["os_hash_value"]
