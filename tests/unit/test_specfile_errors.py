"""How problems are told: all at once, in order, never with a secret; and what is no TOML."""

import pytest
from wrong_files import GOOD, ROLLOUT, problems

from vmpattern.errors import Problem, SpecError
from vmpattern.specfile import loads


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace('"spread"', '"sprad"').replace("8080", "0").replace('"demo"', '"dmo"').replace("size = 6", "")

    paths = [problem.path for problem in problems(text)]

    assert ["services.shop.port", "fleets.shop.size", "fleets.shop.placements[0].cloud", "fleets.shop.place"] == paths


def test_the_rest_of_a_table_is_read_though_its_name_is_wrong() -> None:
    paths = [
        problem.path for problem in problems(GOOD.replace("[fleets.shop]", "[fleets.Shop]").replace("= 6", "= -6"))
    ]

    assert ["fleets.Shop", "fleets.Shop.size"] == paths


def test_a_share_that_cannot_be_read_is_not_taken_for_its_default() -> None:
    found = problems(GOOD.replace(ROLLOUT, '{ max_surge = 0, max_unavailable = "some" }'))

    assert ["fleets.shop.rollout.max_unavailable"] == [problem.path for problem in found]


def test_a_message_begins_with_file_line_and_path() -> None:
    with pytest.raises(SpecError) as caught:
        loads(GOOD.replace("port = 8080", "port = 0"), source="shop.toml")

    assert "shop.toml:7: services.shop.port: expected a whole number from 1 to 65535, found 0" == str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[clouds.x]\ndriver = "d"\npassword = { hunter2 = 2026-01-01, list = [nan] }', id="an option"),
        pytest.param("[services.x]\nenv = { PASSWORD = ['hunter2'] }", id="an environment"),
        pytest.param("[services.x.env.PASSWORD]\nsecret = 'hunter2'\nhunter = 'hunter2'", id="a secret's table"),
        pytest.param("[services.x.env]\nPASSWORD = { secrte = 'hunter2' }", id="a misspelt secret"),
        pytest.param("[services.x.image.files]\n'/x' = { url = 'hunter2@x', sha256 = '' }", id="a URL"),
        pytest.param("[fleets.x.balancer]\nx = 'hunter2'", id="a balancer"),
    ],
)
def test_what_may_be_a_secret_is_never_shown(text: str) -> None:
    shown = [problem.message for problem in problems(f'deployment = "x"\n{text}')]

    assert not [message for message in shown if "hunter2" in message]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("a = 1\nb = = 2", 2, "isn't valid TOML: Invalid value", id="a statement"),
        pytest.param("[a]\nx = 1\n[a]", 3, "isn't valid TOML: Cannot declare ('a',) twice", id="a table told twice"),
        pytest.param("a = 1\na = 2 # two", 2, "isn't valid TOML: Cannot overwrite a value", id="a key told twice"),
        pytest.param('a = "open', None, "isn't valid TOML: Unterminated string (at end of document)", id="an open end"),
        pytest.param("a = " + "[" * 9999, None, "is nested too deeply", id="a depth beyond all bounds"),
    ],
)
def test_what_is_no_toml_is_told(text: str, line: int | None, message: str) -> None:
    assert [Problem("", message, line)] == problems(text)


def test_a_number_with_too_many_digits_is_told() -> None:
    found = problems("a = " + "9" * 9999)

    assert found[0].message.startswith("isn't valid TOML: ")
