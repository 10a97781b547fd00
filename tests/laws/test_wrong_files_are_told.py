"""Whatever stands in a file: it is read, or told with places that are in the text; nothing else is ever raised."""

import datetime
import tomllib
from random import Random

from hypothesis import event, given, strategies as st
from messy import Item, messy_toml
from strategies import deployments, names, texts

from vmpattern.errors import SpecError
from vmpattern.model import Deployment
from vmpattern.specfile import dumps, loads

scalars = st.sampled_from([True, 0, -1, 2**70, 0.5, float("inf"), "", "x", "5s", "50%", datetime.date(2026, 1, 31)])
values: st.SearchStrategy[Item] = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names | texts, inner, max_size=2)
)


@given(deployments(), st.data(), st.randoms(use_true_random=False))
def test_a_file_with_anything_in_it_is_read_or_told(
    deployment: Deployment, data: st.DataObject, random: Random
) -> None:
    document = tomllib.loads(dumps(deployment))
    for _ in range(data.draw(st.integers(1, 3))):
        table = data.draw(st.sampled_from(tables(document)))
        table[data.draw(st.sampled_from(sorted(table)) | texts if table else texts)] = data.draw(values)
    text = messy_toml(document, random)

    try:
        loads(text)
        event("read")
        problems = ()
    except SpecError as error:
        event("told")
        problems = error.problems

    lines = [problem.line for problem in problems if problem.line is not None]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)
    assert all(problem.path and problem.message for problem in problems)


def tables(value: Item) -> list[dict[str, Item]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return ([value] if isinstance(value, dict) else []) + [table for part in inner for table in tables(part)]
