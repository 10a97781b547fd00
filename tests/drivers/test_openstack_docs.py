"""The reference page of the OpenStack driver has every option, with its default."""

import re
import tomllib
from pathlib import Path

import attrs
import pytest

from vmpattern.driver.options import parse_options
from vmpattern_openstack import BalancerOptions, OpenStackOptions, PlacementOptions

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/openstack.md").read_text("utf-8")
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
