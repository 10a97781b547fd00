"""What can't be read of an answer is told, and never taken for nothing."""

import attrs
import pytest
from immutabledict import immutabledict

from vmpattern.errors import Invalid
from vmpattern_libcloud import Reply, converter, document, structured


@attrs.frozen
class Page:
    names: tuple[str, ...]


@attrs.frozen
class Book:
    first: Page
    number: int = 0


BY_NAME = converter(lambda _, field: field)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_an_answer_that_is_no_object_is_told(body: bytes) -> None:
    with pytest.raises(Invalid, match="list: the answer is no JSON") as caught:
        document(Reply(200, immutabledict(), body), "list")

    assert "UnreadableAnswer" == caught.value.code


def test_an_object_is_read() -> None:
    found = document(Reply(200, immutabledict(), b'{"names": ["a"], "more": 1}'), "list")

    assert Page(("a",)) == structured(BY_NAME, Page, found, "list")


@pytest.mark.parametrize("value", [{}, {"names": 1}, "names", None])
def test_what_lacks_a_field_is_told(value: object) -> None:
    with pytest.raises(Invalid, match="list: the answer can't be read as Page"):
        structured(BY_NAME, Page, value, "list")


def test_a_field_within_that_is_missing_is_told() -> None:
    with pytest.raises(Invalid, match="list: the answer can't be read as Book"):
        structured(BY_NAME, Book, {"first": {}}, "list")


def test_fields_are_called_as_the_provider_calls_them() -> None:
    shouting = converter(lambda kind, field: field.upper() if kind is Book else field)

    assert Book(Page(("a",)), 2) == structured(shouting, Book, {"FIRST": {"names": ["a"]}, "NUMBER": 2}, "list")
