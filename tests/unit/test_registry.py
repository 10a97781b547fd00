"""Finding drivers by entry point, and their options by their own class."""

from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict

from vmpattern import driver
from vmpattern.errors import ContractBroken, Problem, SpecError, UnknownDriver
from vmpattern.model import Cloud, Idempotency
from vmpattern_memory import MemoryDriver


class Installed(Distribution):
    """A distribution with nothing but a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def metadata(self):
        return {"Name": self._name}

    def read_text(self, filename):
        return None

    def locate_file(self, path):
        raise FileNotFoundError(path)


def point(name: str, value: str, distribution: str = "acme") -> EntryPoint:
    # As importlib.metadata itself ties an entry point to its distribution.
    return EntryPoint(name, value, "vmpattern.drivers")._for(Installed(distribution))


def points(*found: EntryPoint):
    return lambda: found


MEMORY = point("memory", "vmpattern_memory:MemoryDriver", "vmpattern")


@attrs.frozen
class Disk:
    size: int
    fast: bool = False


@attrs.frozen
class Settings:
    region: str
    boot: timedelta = timedelta(0)
    zones: tuple[str, ...] = ()
    share: float = 0.5
    quota: int | None = None
    key_file: Path | None = None
    kind: Idempotency = Idempotency.BATCH
    limits: Mapping[str, int] = immutabledict()
    disks: Mapping[str, Disk] = immutabledict()


class Recorder:
    """A driver that keeps what it was made from."""

    Options = Settings

    def __init__(self, options: object, *, cloud: str, directory: Path) -> None:
        self.options, self.cloud, self.directory, self.closed = options, cloud, directory, False

    def close(self) -> None:
        self.closed = True


class Strict:
    """A driver whose options have something to say themselves."""

    @attrs.frozen
    class Options:
        size: int = attrs.field(default=1, validator=attrs.validators.gt(0))

    def __init__(self, options: object, *, cloud: str, directory: Path) -> None:
        raise AssertionError("is never made")


@pytest.fixture
def recorder():
    """Entry points that name the classes of this very module, wherever pytest has put it."""

    class Here(EntryPoint):
        def load(self):
            return {"recorder": Recorder, "strict": Strict}[self.name]

    return points(*(Here(name, f"here:{name}", "vmpattern.drivers") for name in ("recorder", "strict")))


def cloud(driver: str = "recorder", **options: object) -> Cloud:
    return Cloud(name="eu", driver=driver, options=immutabledict(options), directory="/somewhere")


def test_the_names_are_those_of_the_entry_points() -> None:
    assert ("aws", "memory") == driver.drivers(entry_points=points(MEMORY, point("aws", "a:A"), point("aws", "b:B")))


def test_a_driver_is_loaded_by_its_name() -> None:
    assert MemoryDriver is driver.load("memory", entry_points=points(MEMORY, point("broken", "nowhere:Driver")))


def test_nothing_is_loaded_to_list_names() -> None:
    assert ("broken",) == driver.drivers(entry_points=points(point("broken", "nowhere:Driver")))


def test_two_distributions_with_one_name_are_both_named() -> None:
    with pytest.raises(UnknownDriver) as caught:
        driver.load("memory", entry_points=points(MEMORY, point("memory", "evil:Driver", "vmpattern-evil")))

    assert "vmpattern (vmpattern_memory:MemoryDriver)" in str(caught.value)
    assert "vmpattern-evil (evil:Driver)" in str(caught.value)


def test_one_distribution_that_is_found_twice_is_no_clash() -> None:
    assert MemoryDriver is driver.load("memory", entry_points=points(MEMORY, MEMORY))


def test_an_unknown_name_lists_the_known_ones_and_the_remedy() -> None:
    with pytest.raises(UnknownDriver) as caught:
        driver.load("memroy", entry_points=points(MEMORY, point("aws", "a:A")))

    for told in ("'memroy'", "did you mean memory?", "installed: aws, memory", "installed again"):
        assert told in str(caught.value)


def test_without_any_driver_that_is_said() -> None:
    with pytest.raises(UnknownDriver, match="none is installed"):
        driver.load("memory", entry_points=points())


@pytest.mark.parametrize("value", ["nowhere_at_all:Driver", "vmpattern.errors:Nothing"])
def test_a_driver_that_cannot_be_imported_is_named_with_its_distribution(value) -> None:
    with pytest.raises(UnknownDriver, match=r"the driver acme of acme \(.*\) can't be loaded"):
        driver.load("acme", entry_points=points(point("acme", value)))


@pytest.mark.parametrize("value", ["vmpattern.errors:Scope", "vmpattern.simulation:EPOCH"])
def test_what_is_no_driver_is_a_broken_contract(value) -> None:
    with pytest.raises(ContractBroken, match="the driver acme of acme"):
        driver.load("acme", entry_points=points(point("acme", value)))


def test_a_driver_is_told_its_cloud_and_directory_and_closed_at_the_end(recorder) -> None:
    with driver.connect(cloud(region="x"), entry_points=recorder) as made:
        before = made.closed

    assert (False, True) == (before, made.closed)
    assert ("eu", Path("/somewhere")) == (made.cloud, made.directory)


def test_a_driver_is_closed_after_an_error_too(recorder) -> None:
    with pytest.raises(ZeroDivisionError), driver.connect(cloud(region="x"), entry_points=recorder) as made:
        raise ZeroDivisionError

    assert made.closed


def test_options_become_the_drivers_own_types(recorder) -> None:
    written = {
        "region": "x",
        "boot": "1.5m",
        "zones": ("a", "b"),
        "share": 1,
        "quota": 3,
        "key_file": "k.pem",
        "kind": "none",
        "limits": immutabledict(a=1),
        "disks": immutabledict(root=immutabledict(size=5, fast=True)),
    }
    with driver.connect(cloud(**written), entry_points=recorder) as made:
        options = made.options

    assert options == Settings(
        region="x",
        boot=timedelta(seconds=90),
        zones=("a", "b"),
        share=1.0,
        quota=3,
        key_file=Path("k.pem"),
        kind=Idempotency.NONE,
        limits={"a": 1},
        disks={"root": Disk(5, fast=True)},
    )


def problems(options: Cloud, found) -> list[Problem]:
    with pytest.raises(SpecError) as caught, driver.connect(options, entry_points=found):
        pass
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"region": 3}, Problem("clouds.eu.region", "expected a text, found 3"), id="no text"),
        pytest.param(
            {"boot": 3}, Problem("clouds.eu.boot", 'expected a duration such as "30s", found 3'), id="no duration"
        ),
        pytest.param({"zones": "ab"}, Problem("clouds.eu.zones", "expected a list, found 'ab'"), id="no list"),
        pytest.param({"zones": ("a", 1)}, Problem("clouds.eu.zones[1]", "expected a text, found 1"), id="in a list"),
        pytest.param({"share": "1"}, Problem("clouds.eu.share", "expected a number, found '1'"), id="no number"),
        pytest.param({"share": True}, Problem("clouds.eu.share", "expected a number, found true"), id="a truth"),
        pytest.param({"quota": 1.5}, Problem("clouds.eu.quota", "expected a whole number, found 1.5"), id="not whole"),
        pytest.param({"kind": "nome"}, Problem("clouds.eu.kind", "found 'nome'; did you mean none?"), id="no choice"),
        pytest.param({"limits": 3}, Problem("clouds.eu.limits", "expected a table, found 3"), id="no table"),
        pytest.param(
            {"limits": immutabledict(a="x")},
            Problem("clouds.eu.limits.a", "expected a whole number, found 'x'"),
            id="in a table",
        ),
        pytest.param(
            {"disks": immutabledict(root=immutabledict(size=1, fsat=True))},
            Problem("clouds.eu.disks.root.fsat", "isn't an option here; did you mean fast?"),
            id="an unknown key within",
        ),
        pytest.param(
            {"disks": immutabledict(root=immutabledict())},
            Problem("clouds.eu.disks.root.size", "is missing"),
            id="a missing key within",
        ),
        pytest.param(
            {"zomes": ()}, Problem("clouds.eu.zomes", "isn't an option here; did you mean zones?"), id="an unknown key"
        ),
    ],
)
def test_a_wrong_option_is_told_at_its_place(recorder, options, problem) -> None:
    assert [problem] == problems(cloud(**{"region": "x", **options}), recorder)


def test_several_mistakes_are_told_together(recorder) -> None:
    found = problems(cloud(quota="x", limits=immutabledict(a="x", b=1, c="y"), zomes=()), recorder)

    assert {
        "clouds.eu.region",
        "clouds.eu.quota",
        "clouds.eu.limits.a",
        "clouds.eu.limits.c",
        "clouds.eu.zomes",
    } == {problem.path for problem in found}


def test_what_the_options_class_refuses_is_told_at_the_cloud(recorder) -> None:
    (problem,) = problems(cloud("strict", size=0), recorder)

    assert "clouds.eu" == problem.path
    assert "size" in problem.message


def test_problems_that_the_options_class_finds_keep_their_places() -> None:
    found = problems(cloud("memory", capacity=immutabledict({"z/small": 1, "a/tiny": 1}), speed=-1), points(MEMORY))

    assert ["clouds.eu.speed", "clouds.eu.capacity.z/small", "clouds.eu.capacity.a/tiny"] == [p.path for p in found]
