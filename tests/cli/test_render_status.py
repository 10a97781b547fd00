"""What status says beside its table."""

import io

import attrs
import cli_values as values
import pytest
from rich.console import Console

from vmpattern.report.status import render_status


@pytest.mark.parametrize("width", [40, 80, 100])
def test_what_a_provider_says_against_an_instance_fits_the_terminal(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(render_status(values.survey(), values.observation(), width=width))
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    told = [line for line in lines if line.startswith(("  i-0old1: ", "    "))]

    assert f"i-0old1: {values.COMPLAINT}" == " ".join(line.strip() for line in told)
    assert max(map(len, told)) <= width


def test_what_is_said_of_many_instances_is_told_once() -> None:
    (_, _, old), *_ = (fleet.rows for fleet in values.survey().values())
    rows = tuple(attrs.evolve(old, instance=values.instance(f"i-{number}")) for number in range(5))
    surveys = {"shop": attrs.evolve(values.survey()["shop"], rows=rows)}
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(render_status(surveys, values.observation(), width=None))

    assert [f"  i-0, i-1, i-2 and 2 more: {values.COMPLAINT}"] == [
        line.rstrip() for line in console.export_text().splitlines() if values.COMPLAINT in line
    ]
