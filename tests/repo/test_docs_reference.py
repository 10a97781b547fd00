"""The reference pages say what the code does: every key, default, field and name, compared with the code."""

import copy
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import vmpattern as vmp
from vmpattern import errors, naming, testing
from vmpattern.bakery import Pruned
from vmpattern.cli.bakes import bakes_to_json
from vmpattern.cli.checking import report_to_json
from vmpattern.cli.table import COMMANDS, LATER
from vmpattern.driver import VERSION, Baker, Balancer, Checker, Console, Driver, Limiter, Meter, Prober
from vmpattern.driver.options import parse_options
from vmpattern.errors import DriverError
from vmpattern.model import Capabilities, CloudObservation, Failure, FleetOutcome
from vmpattern.planner import ImageUse
from vmpattern.report.images import images_to_json, pruned_to_json
from vmpattern.report.status import status_to_json
from vmpattern.simulation import FaultKind, machine_types
from vmpattern.specfile.writing import render
from vmpattern.testing import CLAUSES
from vmpattern_local import LocalOptions
from vmpattern_local.balancers import BalancerOptions
from vmpattern_memory import MemoryOptions

PAGES = Path(__file__).resolve().parents[2] / "docs/reference"
DATE = "1979-05-27"

BASE: dict[str, Any] = {
    "deployment": "d",
    "clouds": {"c": {"driver": "memory"}},
    "services": {
        "s": {
            "port": 80,
            "image": {"existing": {"c": "img-1"}},
            "health": {"http": "/"},
            "resources": {},
        }
    },
    "fleets": {"f": {"service": "s", "size": 1, "placements": [{"cloud": "c"}], "rollout": {}}},
}
TABLES: dict[str, tuple[str | int, ...]] = {
    "The top": (),
    "clouds.NAME": ("clouds", "c"),
    "services.NAME": ("services", "s"),
    "image": ("services", "s", "image"),
    "health": ("services", "s", "health"),
    "resources": ("services", "s", "resources"),
    "fleets.NAME": ("fleets", "f"),
    "placements": ("fleets", "f", "placements", 0),
    "rollout": ("fleets", "f", "rollout"),
}
EXPECTED = {
    "duration": "expected a duration",
    "share": "expected a whole number or a share",
    "size": "expected a size",
    "table": "expected a table",
    "whole number": "expected a whole number",
    "name": "expected a name",
    "array": "an array",
    "names of zones": "expected an array",
}
"""What a message says where a value should have been of that kind."""


@attrs.frozen
class Key:
    """A row of a table of keys."""

    table: str
    name: str
    kind: str
    default: str


def rows(page: str, *headings: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of a page's tables whose columns are named so, each with the heading of its section."""
    section, inside = "", False
    for line in (PAGES / page).read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if line.startswith("#"):
            section = line.lstrip("# ")
        if not cells:
            inside = False
        elif tuple(cells[: len(headings)]) == headings:
            inside = True
        elif inside and not set(cells[0]) <= {"-"}:
            yield section, cells


def keys(page: str) -> list[Key]:
    return [
        Key(section, cells[0].strip("`"), cells[1].strip("`"), cells[2].strip("`"))
        for section, cells in rows(page, "key", "kind", "default", "meaning")
    ]


def named(key: Key) -> str:
    return f"{key.table}: {key.name}"


def with_value(table: str, name: str, value: object) -> str:
    document = copy.deepcopy(BASE)
    part: Any = document
    for step in TABLES[table]:
        part = part[step]
    part.pop(name, None)
    if value is not None:
        part[name] = value
    return render(document)


def problems_of(text: str, name: str) -> list[str]:
    with pytest.raises(vmp.SpecError) as caught:
        vmp.loads(text)
    return [problem.message for problem in caught.value.problems if problem.path.split(".")[-1] == name]


FILE = keys("file.md")


@pytest.mark.parametrize("table", [table for table in TABLES if table != "clouds.NAME"])
def test_every_key_of_a_table_is_documented(table: str) -> None:
    (message,) = problems_of(with_value(table, "zzzzzzzz", 1), "zzzzzzzz")
    documented = {key.name for key in FILE if key.table == table}

    assert set(re.findall(r'"(\w+)"', message)) == documented


@pytest.mark.parametrize("key", [key for key in FILE if key.default == "required"], ids=named)
def test_what_is_called_required_is(key: Key) -> None:
    if key.name == "clouds":
        pytest.skip("needed by what names a cloud")

    assert any("is missing" in message for message in problems_of(with_value(key.table, key.name, None), key.name))


@pytest.mark.parametrize("key", [key for key in FILE if key.default not in ("required", "none")], ids=named)
def test_a_default_says_what_its_absence_does(key: Key) -> None:
    value = tomllib.loads(f"it = {key.default}")["it"]
    written, absent = with_value(key.table, key.name, value), with_value(key.table, key.name, None)

    assert vmp.loads(absent) == vmp.loads(written)


@pytest.mark.parametrize("key", [key for key in FILE if key.kind in EXPECTED], ids=named)
def test_a_value_of_another_kind_is_refused_as_the_table_says(key: Key) -> None:
    text = with_value(key.table, key.name, DATE).replace(f'"{DATE}"', DATE)

    assert any(EXPECTED[key.kind] in message for message in problems_of(text, key.name))


def test_every_option_of_the_memory_driver_is_documented() -> None:
    assert [field.name for field in attrs.fields(MemoryOptions)] == [key.name for key in keys("memory.md")]


@pytest.mark.parametrize("key", keys("memory.md"), ids=named)
def test_the_memory_driver_has_the_documented_defaults(key: Key) -> None:
    if key.default == "none":
        assert getattr(MemoryOptions(), key.name) is None
        return
    value = tomllib.loads(f"it = {key.default}")["it"]

    assert MemoryOptions() == parse_options(MemoryOptions, {key.name: value}, path="clouds.demo")


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        pytest.param("Options", LocalOptions, id="cloud"),
        pytest.param("Addresses and balancers", BalancerOptions, id="balancer"),
    ],
)
def test_every_option_of_the_local_driver_is_documented(table: str, kind: type) -> None:
    documented = [key.name for key in keys("local.md") if key.table == table]

    assert [field.name for field in attrs.fields(kind)] == documented


@pytest.mark.parametrize("key", [key for key in keys("local.md") if key.default.startswith(('"', "["))], ids=named)
def test_the_local_driver_has_the_documented_defaults(key: Key) -> None:
    kind, rest = (LocalOptions, {}) if key.table == "Options" else (BalancerOptions, {"port": 1})
    value = tomllib.loads(f"it = {key.default}")["it"]

    assert kind(**rest) == parse_options(kind, {**rest, key.name: value}, path="clouds.here")


def test_the_local_driver_offers_what_is_documented() -> None:
    units = {"MiB": 1, "GiB": 1024}
    documented = [
        (cells[0].strip("`"), int(cells[1]), int(cells[2].split()[0]) * units[cells[2].split()[1]])
        for _, cells in rows("local.md", "machine type")
    ]

    assert [(kind.name, kind.vcpus, kind.memory_mib) for kind in LocalOptions().offered()] == documented


def test_every_fault_is_documented() -> None:
    documented = [cells[0].strip("`") for _, cells in rows("memory.md", "name", "what happens")]

    assert [kind.value for kind in FaultKind] == documented


def test_the_memory_driver_sells_what_is_documented() -> None:
    documented = [
        (cells[0].strip("`"), int(cells[1]), int(cells[2].split()[0]) * 1024, float(cells[3]), float(cells[4]))
        for _, cells in rows("memory.md", "machine type")
    ]
    sold = [
        (kind.name, kind.vcpus, kind.memory_mib, kind.price(vmp.Market.ON_DEMAND), kind.price(vmp.Market.SPOT))
        for kind in machine_types(("a",))
    ]

    assert sold == documented


def paths(value: object, known: frozenset[str], opaque: frozenset[str], path: str = "") -> set[str]:
    """Return the paths of a document's leaves; keys in `known` are names, and what is `opaque` isn't looked into."""
    if path in opaque:
        return {path}
    if isinstance(value, dict):
        inner = {key: f"{path}.{'NAME' if key in known else key}".lstrip(".") for key in value}
        return {leaf for key, name in inner.items() for leaf in paths(value[key], known, opaque, name)}
    if isinstance(value, list):
        return set().union(*(paths(item, known, opaque, f"{path}[]") for item in value)) or {f"{path}[]"}
    return {path}


@pytest.fixture
def deployment(tmp_path: Path) -> vmp.Deployment:
    text = """
    deployment = "json"
    clouds.here = { driver = "memory", path = "here.json", speed = 0 }
    services.web.image.existing.here = "img-1"
    [fleets.web]
    service = "web"
    size = 2
    placements = [{ cloud = "here" }]
    """
    deployment = vmp.loads(text, directory=str(tmp_path))
    vmp.apply(vmp.plan(deployment, vmp.observe(deployment)), locks=tmp_path).raise_for_failure()
    service = attrs.evolve(deployment.services["web"], image=vmp.Existing({"here": "img-2"}))
    return attrs.evolve(deployment, services={"web": service})


def documented(command: str) -> set[str]:
    found = rows("json.md", "field", "meaning")
    return {cells[0].strip("`") for section, cells in found if section == command}


def test_every_field_of_a_plan_is_documented(deployment: vmp.Deployment) -> None:
    recipe = vmp.Service(name="api", image=vmp.Recipe(base={"": "debian-12"}, run="/bin/true"))
    fleet = attrs.evolve(deployment.fleets["web"], name="api", service="api")
    deployment = attrs.evolve(
        deployment, services={**deployment.services, "api": recipe}, fleets={**deployment.fleets, "api": fleet}
    )
    document = vmp.plan_to_json(vmp.plan(deployment, vmp.observe(deployment)))
    opaque = frozenset({"deployment", "fleets.NAME.slots[]", "bakes[].sites[]"})

    assert documented("plan --json") == paths(document, frozenset({"web", "api", "here"}), opaque)


def test_every_field_of_an_outcome_is_documented() -> None:
    outcome = vmp.Outcome(
        result=vmp.Result.FAILED,
        fleets={"web": FleetOutcome(created=1, destroyed=0, ready=1, size=2, reached=False)},
        duration_s=1.0,
        api_calls=1,
        errors=(Failure(code="Denied", scope="account", message="no"),),
    )

    document = {**vmp.outcome_to_json(outcome), "remaining": list(outcome.remaining)}  # as `apply --json` does

    assert documented("apply --json") == paths(document, frozenset({"web"}), frozenset())


def test_every_field_of_a_status_is_documented(deployment: vmp.Deployment) -> None:
    observation = vmp.observe(deployment)
    lost = attrs.evolve(observation.clouds["here"], name="lost", instances=(), error="it is out")
    odd = vmp.Mislabelled(id="i-1", cloud="lost", deployment="json", reason="no fleet")  # type: ignore[arg-type]
    lost = attrs.evolve(lost, scope="the same", mislabelled=(odd,))
    (first, *_) = observation.instances()
    builder = attrs.evolve(first, id="i-2", fleet="_builders")
    here = observation.clouds["here"]
    here = attrs.evolve(here, scope="the same", instances=(*here.instances, builder))
    twin = attrs.evolve(here, name="twin")
    observation = attrs.evolve(observation, clouds={"here": here, "twin": twin, "lost": lost})
    document = status_to_json(vmp.survey(deployment, observation), observation)

    assert documented("status --json") == paths(document, frozenset({"web", "lost"}), frozenset())


def test_every_field_of_a_bake_and_of_images_is_documented() -> None:
    result = vmp.BakeResult(service="web", cloud="here", digest="d", state=vmp.BakeState.FAILED)
    baked = bakes_to_json(vmp.BakeOutcome(results=(result,), duration_s=1.0, api_calls=1))
    image = vmp.Image(id="own-1", cloud="here", deployment="d", service="web", digest="d", created_at=0.0)  # type: ignore[arg-type]
    lost = CloudObservation(name="lost", at=0.0, capabilities=Capabilities(), error="it is out")
    listed = images_to_json([ImageUse(image, "")], vmp.Observation(at=0.0, clouds={"lost": lost}))
    failure = Failure(code="Invalid", scope="image", message="in use")
    pruned = pruned_to_json([ImageUse(image, "")], Pruned(deleted=(image.id,), failures=(failure,)))
    nothing = frozenset[str]()

    assert documented("bake --json") == paths(baked, nothing, nothing)
    assert documented("images --json") == paths(listed, frozenset({"lost"}), nothing)
    assert documented("images prune --json") == paths(pruned, nothing, nothing)


def test_every_field_of_a_check_is_documented() -> None:
    result = testing.Result(CLAUSES[0], testing.Status.FAILED, "why", ("a VM is left behind",))
    document = report_to_json(testing.Report("whole", (result,)))

    assert documented("drivers check --json") == paths(document, frozenset(), frozenset())


def test_every_public_name_is_documented() -> None:
    text = (PAGES / "python.md").read_text("utf-8").partition("## Parts of these values")[0]
    documented = re.findall(r"^\.\. auto\w+:: (\w+)", text, re.M)

    assert vmp.__all__ == sorted([*documented, "__version__"])


def test_every_error_is_documented() -> None:
    raised = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, vmp.VmpatternError)
    }
    documented = {re.split(r"`", cells[0])[1] for _, cells in rows("errors.md", "error")}

    assert raised - {"VmpatternError"} == documented


def test_every_label_is_documented() -> None:
    labels = {value for value in vars(naming).values() if isinstance(value, str) and value.startswith("vmpattern-")}

    assert labels == {cells[0].strip("`") for _, cells in rows("labels.md", "label")}


def test_every_clause_of_the_contract_is_documented() -> None:
    documented = [(cells[0].strip("`"), cells[1], cells[2]) for _, cells in rows("driver-contract.md", "clause")]

    assert [(clause.id, clause.level.value, clause.text) for clause in CLAUSES] == documented


def test_the_contract_says_when_to_raise_each_error() -> None:
    documented = {cells[0].strip("`") for _, cells in rows("driver-contract.md", "raise")}
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, DriverError)}

    assert raised - {"DriverError", "ContractBroken"} == documented


def test_every_verb_is_in_the_contract() -> None:
    documented = {name for _, cells in rows("driver-contract.md", "verb") for name in re.findall(r"`(\w+)`", cells[0])}
    kinds = (Driver, Checker, Limiter, Prober, Balancer, Console, Baker, Meter)
    verbs = {name for kind in kinds for name, verb in vars(kind).items() if callable(verb) and name[0] != "_"}

    assert verbs - {"close"} == documented


def test_every_name_of_the_kit_is_documented() -> None:
    text = (PAGES / "testing.md").read_text("utf-8")

    assert testing.__all__ == sorted(re.findall(r"^\.\. auto\w+:: (\w+)", text, re.M))


def test_the_version_of_the_contract_is_told() -> None:
    assert f"version {VERSION} of the contract" in (PAGES / "driver-contract.md").read_text("utf-8")


def test_every_command_is_documented() -> None:
    documented = [re.split(r"[ `]", cells[0])[1] for _, cells in rows("commands.md", "command")]
    later = (PAGES / "commands.md").read_text("utf-8").partition("## What comes later")[2]

    assert (list(COMMANDS), list(LATER)) == (documented, re.findall(r"`(\w+)`", later))
