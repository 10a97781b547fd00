"""The place that is told for a key is where the key stands, however the file is written."""

import tomllib
from collections.abc import Iterator
from itertools import count
from random import Random

from hypothesis import given, strategies as st
from messy import Item, messy_toml

from vmpattern.specfile.lines import KeyPath, offsets

numbers = count(1_000_000)
values = st.recursive(
    st.builds(numbers.__next__) | st.just("x = [1] # {"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(st.text(max_size=4), values, max_size=4)
randoms = st.randoms(use_true_random=False)


def paths(value: Item, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Item]]:
    if path:
        yield path, value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in entries:
        yield from paths(part, (*path, key))


@given(documents, randoms)
def test_every_key_and_item_has_a_place(document: dict[str, Item], random: Random) -> None:
    text = messy_toml(document, random).replace("\r\n", "\n")

    assert {path for path, _ in paths(tomllib.loads(text))} == set(offsets(text))


@given(documents, randoms)
def test_a_number_stands_in_the_line_that_is_told(document: dict[str, Item], random: Random) -> None:
    text = messy_toml(document, random).replace("\r\n", "\n")
    places = offsets(text)

    leaves = [(path, value) for path, value in paths(document) if isinstance(value, int)]
    lines = [text[text.rfind("\n", 0, places[path]) + 1 :].partition("\n")[0] for path, _ in leaves]

    assert [True] * len(leaves) == [str(value) in line for (_, value), line in zip(leaves, lines, strict=True)]
