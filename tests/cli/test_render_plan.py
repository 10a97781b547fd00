"""A plan reads well: golden texts at 80 columns, and what holds for every plan."""

import io

import attrs
import cli_values as values
import pytest
from rich.console import Console

from vmpattern import Plan
from vmpattern.cli.streams import make_printable
from vmpattern.report.plan import render_plan

PLANS = {
    "creation": values.creation(),
    "rolling": values.rolling(),
    "draining": values.rolling(drain_s=20),
    "thousand": values.rolling(1000, surge=100),
    "one-by-one": values.rolling(1000, surge=1),
    "nothing": values.nothing(),
    "mixed": values.mixed(),
    "registering": values.registering(),
    "stuck": values.stuck(),
    "destruction": values.destruction(),
}


def text(plan: Plan, *, width: int = 80, encoding: str = "utf-8", full: bool = False) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    make_printable(file)
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    console.print(render_plan(plan, full=full))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_reads_as_its_golden_text(name: str, golden) -> None:
    golden(f"plan-{name}.txt", text(PLANS[name]))


def test_a_terminal_without_unicode_gets_plain_signs(golden) -> None:
    golden("plan-mixed-ascii.txt", text(PLANS["mixed"], encoding="ascii"))


def test_a_printed_plan_is_what_the_command_prints() -> None:
    assert text(PLANS["mixed"]).rstrip() == str(PLANS["mixed"])


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_fits_eighty_columns(name: str) -> None:
    assert [] == [line for line in text(PLANS[name]).splitlines() if len(line.rstrip()) > 80]


def test_a_plan_of_thousands_stays_short() -> None:
    lines = text(values.rolling(3000, surge=1)).splitlines()

    assert len(lines) < 30


def test_every_instance_that_may_end_is_named_on_request() -> None:
    shown = text(values.rolling(), full=True)

    assert [] == [name for name in values.ids("old", 6) if name not in shown]


def test_brackets_in_a_note_are_shown_as_they_are() -> None:
    plan = attrs.evolve(values.nothing(), notes=("[red]not a colour[/red] :smile:",))

    assert "[red]not a colour[/red] :smile:" in text(plan)
