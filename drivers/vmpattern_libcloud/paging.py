"""Lists that come in pages: all of it or an error."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import attrs

from vmpattern.errors import Invalid

Item = TypeVar("Item")


@attrs.frozen
class Page(Generic[Item]):
    """Some of a list, and the mark at which the next page begins, empty at the end."""

    items: Sequence[Item]
    after: str = ""


def every_page(fetch: Callable[[str], Page[Item]]) -> list[Item]:
    """Fetch pages until the last one, and return the whole list.

    Args:
        fetch: gets the page at a mark; the first page's is empty. What it raises ends the list.

    Raises:
        Invalid: a mark came twice: the list would never end.
    """
    items: list[Item] = []
    marks = {""}
    mark = ""
    while True:
        page = fetch(mark)
        items += page.items
        mark = page.after
        if not mark:
            return items
        if mark in marks:
            raise Invalid("a list whose pages begin anew: the mark of its next page came twice", code="PageRepeated")
        marks.add(mark)
