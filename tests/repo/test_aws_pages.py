"""The pages on AWS say what the driver does: its options, its prices, its permissions."""

import json
import re
import tomllib
from pathlib import Path

import attrs
import pytest

from vmpattern.driver.options import parse_options
from vmpattern_aws import AwsOptions, BalancerOptions, PlacementOptions
from vmpattern_aws.calls import CHANGES, OBJECTS, READS
from vmpattern_aws.images import FAMILIES
from vmpattern_aws.policy import policy
from vmpattern_aws.prices import listed_on, prices

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = (DOCS / "reference/aws.md").read_text("utf-8")
GUIDE = (DOCS / "how-to/aws.md").read_text("utf-8")
TABLES = {
    "Options of a cloud": AwsOptions,
    "Options of a placement": PlacementOptions,
    "Options of a balancer": BalancerOptions,
}


def documented(heading: str) -> dict[str, str]:
    """The default of each key in a section."""
    section = REFERENCE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| `?([^|`]+)`? \|", section, re.M)
    return dict(rows)


@pytest.mark.parametrize("heading", TABLES)
def test_every_option_is_documented(heading: str) -> None:
    assert [field.name for field in attrs.fields(TABLES[heading])] == list(documented(heading))


@pytest.mark.parametrize("heading", TABLES)
def test_options_have_the_documented_defaults(heading: str) -> None:
    kind, needed = TABLES[heading], {key: "x" for key, default in documented(heading).items() if default == "required"}
    written = {
        key: tomllib.loads(f"it = {default}")["it"]
        for key, default in documented(heading).items()
        if default not in ("none", "required")
    }

    assert parse_options(kind, needed, path="") == parse_options(kind, {**needed, **written}, path="")


def test_the_policy_of_the_guide_is_that_of_the_driver() -> None:
    (shown,) = re.findall(r"```\{code-block\} json\n(.*?)```", GUIDE, re.S)

    assert policy() == json.loads(shown)


def test_the_policy_grants_every_call_and_nothing_else() -> None:
    granted = {action.partition(":")[2] for one in policy()["Statement"] for action in one["Action"]}
    implied = {"PassRole", "DeleteSnapshot"}  # what RunInstances and DeregisterImage do in the caller's name

    assert {*READS, *CHANGES, *OBJECTS} | implied == granted


def test_the_day_of_the_prices_is_told() -> None:
    assert f"which is of {listed_on()}" in REFERENCE


def test_a_price_of_zero_is_left_out() -> None:
    known = prices(AwsOptions(), "us-east-1")

    assert known
    assert all(price > 0 for kinds in known.values() for price in kinds.values())


def test_the_file_s_own_price_comes_first() -> None:
    known = prices(AwsOptions(prices={"t3.micro": 1.5}), "us-east-1")

    assert [1.5] == list(known["t3.micro"].values())


def test_the_known_bases_are_told() -> None:
    assert not [name for name in FAMILIES if f"`{name}`" not in REFERENCE]
