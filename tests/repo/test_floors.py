"""The map of the house: who may import whom, read from the import statements.

FLOORS is that map. A module imports lower floors and its own package, nothing else of vmpattern.
Imports inside functions and under TYPE_CHECKING count too.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FLOORS = {
    "errors": 0,
    "model": 1,
    "files": 1,
    "naming": 2,
    "serialization": 2,
    "specfile": 2,
    "driver": 3,
    "planner": 3,
    "recipe": 3,
    "simulation": 4,
    "store": 4,
    "access": 5,
    "reconcile": 6,
    "bakery": 6,
    "forecast": 7,
    "operations": 8,
    "controller": 9,
    "report": 9,
    "testing": 9,
    "cli": 10,
    "public": 11,
    "__main__": 11,
    "__init__": 12,
}

PURE = {"errors", "model", "naming", "planner"}
IMPURE = {"asyncio", "importlib", "logging", "os", "random", "secrets", "shutil", "socket", "subprocess", "tempfile"}
IMPURE |= {"threading", "time", "uuid"}

DRIVERS_SEE = {"errors", "model", "naming", "driver"}
DRIVERS_SEE_ALSO = {"vmpattern_memory": {"simulation"}}
DRIVERS_SHARE = "vmpattern_libcloud"
KITS_SEE = {"testing"}
"""What a driver's module `checks` sees besides: nothing else of the driver imports it."""


def modules(root: Path) -> dict[str, Path]:
    """Every module of the core, of the drivers and of the example distribution, by dotted name."""
    drivers = [*root.glob("drivers/vmpattern_*"), *root.glob("drivers/*/vmpattern_*")]
    found = {}
    for folder in (root / "vmpattern", *drivers):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import; `from package import module` names the module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                yield node.lineno, inner if inner in known else package


def part_of(module: str) -> str:
    """The key in FLOORS of a module of the core."""
    return [*module.split("."), "__init__"][1]


def core_fault(module: str, imported: str) -> str | None:
    here, there, top = part_of(module), part_of(imported), imported.split(".")[0]
    if top == "libcloud" or top.startswith("vmpattern_"):
        return f"the core imports {top}"
    if here in PURE and top in IMPURE:
        return f"{here} is pure and imports {top}"
    if top != "vmpattern" or here == there:
        return None
    if there == "__init__":
        return "the core imports the package root"
    if FLOORS.get(here, 0) <= FLOORS.get(there, 0):
        return f"{here} (floor {FLOORS.get(here)}) imports {there} (floor {FLOORS.get(there)})"
    return None


def driver_fault(module: str, imported: str) -> str | None:
    own, there, top = module.split(".")[0], part_of(imported), imported.split(".")[0]
    if top.startswith("vmpattern_") and top not in (own, DRIVERS_SHARE):
        return f"{own} imports the driver {top}"
    sees = DRIVERS_SEE | DRIVERS_SEE_ALSO.get(own, set()) | (KITS_SEE if module.endswith(".checks") else set())
    if top == own and imported.endswith(".checks"):
        return f"{own} imports its own kit"
    if top == "vmpattern" and there not in sees:
        return f"{own} imports {there}, which drivers don't see"
    return None


def faults(root: Path) -> Iterator[str]:
    known = modules(root)
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        core = module.split(".")[0] == "vmpattern"
        if core and part_of(module) not in FLOORS:
            yield f"{path.relative_to(root)}: {part_of(module)} has no floor"
        graph[module] = set()
        for line, imported in imports(path, known):
            graph[module] |= {imported} & known.keys()
            relative = "a relative import" if imported.startswith(".") else None
            if sentence := relative or (core_fault if core else driver_fault)(module, imported):
                yield f"{path.relative_to(root)}:{line}: {sentence}"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield "a cycle: " + " < ".join(error.args[1])


def test_every_import_goes_down() -> None:
    found = list(faults(ROOT))

    assert [] == found


CLEAN = {
    "vmpattern/__init__.py": "from vmpattern.access import Session",
    "vmpattern/__main__.py": "from vmpattern.cli import main",
    "vmpattern/cli/__init__.py": "from vmpattern import access\nimport os",
    "vmpattern/errors.py": "",
    "vmpattern/access.py": "from vmpattern.planner import decide\nimport time",
    "vmpattern/model/__init__.py": "from vmpattern.model.fleet import Fleet",
    "vmpattern/model/fleet.py": "import attrs\nfrom vmpattern import errors",
    "vmpattern/planner.py": "from datetime import datetime\nfrom vmpattern.model import Fleet",
    "vmpattern/simulation.py": "import vmpattern.planner",
    "drivers/vmpattern_aws/__init__.py": "import libcloud\nimport vmpattern_libcloud",
    "drivers/vmpattern_libcloud/__init__.py": "import libcloud",
    "drivers/vmpattern_memory/__init__.py": "from vmpattern import model, simulation",
    "drivers/vmpattern_memory/checks.py": "from vmpattern.testing import Kit",
    "drivers/example/vmpattern_example/__init__.py": "from vmpattern.model import Fleet",
    "drivers/example/tests/test_example.py": "import vmpattern.testing",
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def test_a_house_in_order_has_no_fault(tmp_path: Path) -> None:
    found = list(faults(plant(tmp_path, CLEAN)))

    assert [] == found


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        pytest.param("vmpattern/driver.py", "import vmpattern.planner", "driver (floor 3) imports planner", id="up"),
        pytest.param("vmpattern/naming.py", "import vmpattern.specfile", "naming (floor 2) imports", id="same-floor"),
        pytest.param(
            "vmpattern/driver.py", "from vmpattern import cli", "driver (floor 3) imports cli", id="from-root"
        ),
        pytest.param("vmpattern/cli/show.py", "import vmpattern", "imports the package root", id="root"),
        pytest.param("vmpattern/cli/show.py", "from vmpattern import load", "imports the package root", id="root-name"),
        pytest.param("vmpattern/cli/show.py", "from . import main", "a relative import", id="relative"),
        pytest.param("vmpattern/serialization.py", "import vmpattern.public", "imports public", id="public"),
        pytest.param("vmpattern/helper.py", "", "helper has no floor", id="unknown"),
        pytest.param("vmpattern/cli/show.py", "import vmpattern_aws", "the core imports vmpattern_aws", id="driver"),
        pytest.param("vmpattern/access.py", "import libcloud.compute", "the core imports libcloud", id="libcloud"),
        pytest.param("vmpattern/model/zone.py", "import time", "model is pure and imports time", id="clock"),
        pytest.param("vmpattern/naming.py", "from os.path import join", "naming is pure and imports os", id="from-os"),
        pytest.param("vmpattern/planner.py", "def f():\n    import random", "planner is pure", id="in-function"),
        pytest.param(
            "vmpattern/model/zone.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import vmpattern.planner",
            "zone.py:3: model (floor 1) imports planner",
            id="type-checking",
        ),
        pytest.param("vmpattern/model/fleet.py", "from vmpattern.model import Fleet", "a cycle", id="cycle"),
        pytest.param("drivers/vmpattern_aws/a.py", "import vmpattern.planner", "drivers don't see", id="driver-up"),
        pytest.param("drivers/vmpattern_aws/a.py", "import vmpattern.simulation", "don't see", id="driver-simulation"),
        pytest.param("drivers/vmpattern_aws/a.py", "import vmpattern", "imports __init__", id="driver-root"),
        pytest.param("drivers/vmpattern_aws/a.py", "import vmpattern_gcp", "the driver vmpattern_gcp", id="drivers"),
        pytest.param("drivers/vmpattern_aws/a.py", "import vmpattern.testing", "don't see", id="driver-kit"),
        pytest.param("drivers/vmpattern_memory/a.py", "import vmpattern_memory.checks", "its own kit", id="own-kit"),
        pytest.param("drivers/example/vmpattern_example/a.py", "import vmpattern.cli", "don't see", id="example"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    found = list(faults(plant(tmp_path, {**CLEAN, "vmpattern/specfile.py": "", name: text})))

    assert [True] == [sentence in fault for fault in found]
