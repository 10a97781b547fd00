"""vmpattern.__all__ is the whole of what the package root offers."""

from types import ModuleType

import pytest

import vmpattern


def test_the_public_names_are_sorted_and_unique() -> None:
    assert sorted(set(vmpattern.__all__)) == list(vmpattern.__all__)


@pytest.mark.parametrize("name", vmpattern.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert hasattr(vmpattern, name)


def test_the_package_root_binds_no_other_public_name() -> None:
    bound = {name for name, value in vars(vmpattern).items() if not isinstance(value, ModuleType)}

    assert set() == {name for name in bound if not name.startswith("_")} - set(vmpattern.__all__)
