"""The kit that a new author begins with: it is enough, and heeds what is said on a command line."""

import importlib.util
from pathlib import Path

import pytest
from immutabledict import immutabledict

from vmpattern.errors import SpecError
from vmpattern.testing import CLAUSES, Kit, run


def first_kit() -> Kit:
    """Make the kit of the module beside this one, which is in no package."""
    spec = importlib.util.spec_from_file_location("first_kit", Path(__file__).with_name("first_kit.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FirstKit()


def test_a_first_kit_is_enough_to_begin_with() -> None:
    some = [clause for clause in CLAUSES if clause.id in ("fact-1", "launch-1", "launch-3", "list-1")]

    assert [(4, True)] == [(len(report.results), report.ok) for report in [run(first_kit(), clauses=some)]]


@pytest.mark.parametrize("setting", [{"capacity": "five"}, {"bogus": 5}])
def test_a_first_kit_tells_a_wrong_setting(setting: dict[str, object]) -> None:
    kit = first_kit()
    kit.settings = immutabledict(setting)
    with pytest.raises(SpecError) as caught:
        kit.connect()

    assert [f"options.{name}" for name in setting] == [problem.path for problem in caught.value.problems]
