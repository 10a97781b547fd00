"""What setup.cfg promises is on disk, and what is on disk is promised."""

from configparser import ConfigParser
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GROUPS = ("console_scripts", "vmpattern.drivers")

SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")

# drivers/example and its like are distributions of their own: no __init__.py of theirs lies in drivers/*.
TOP_LEVEL = [ROOT / "vmpattern", *sorted(path.parent for path in ROOT.glob("drivers/*/__init__.py"))]


def declared(group: str) -> list[EntryPoint]:
    lines = SETUP["options.entry_points"][group].strip().splitlines()
    pairs = [[side.strip() for side in line.split("=", 1)] for line in lines]
    return [EntryPoint(name, value, group) for name, value in pairs]


def test_the_packages_of_setup_cfg_are_the_folders_with_modules() -> None:
    folders = {(top, path.parent) for top in TOP_LEVEL for path in top.rglob("*.py")}
    names = sorted(".".join(folder.relative_to(top.parent).parts) for top, folder in folders)

    assert names == sorted(SETUP["options"]["packages"].split())


@pytest.mark.parametrize("name", SETUP["options"]["packages"].split())
def test_every_package_has_an_init(name: str) -> None:
    parent = ROOT if name.split(".")[0] == "vmpattern" else ROOT / "drivers"

    assert parent.joinpath(*name.split("."), "__init__.py").is_file()


@pytest.mark.parametrize("top", TOP_LEVEL, ids=lambda top: top.name)
def test_every_top_level_package_is_marked_as_typed(top: Path) -> None:
    assert (top / "py.typed").is_file()


@pytest.mark.parametrize("group", GROUPS)
def test_the_entry_points_of_setup_cfg_are_installed(group: str) -> None:
    missing = set(declared(group)) - set(entry_points(group=group))

    assert set() == missing, "run  python -m pip install -e '.[dev]'  again"


@pytest.mark.parametrize(
    "point", [point for group in GROUPS for point in declared(group)], ids=lambda point: point.name
)
def test_every_entry_point_loads(point: EntryPoint) -> None:
    assert callable(point.load())
