"""What can't be read of an answer is told, and never taken for nothing."""

import attrs
import cattrs
import pytest
from immutabledict import immutabledict

from vmpattern.errors import Invalid
from vmpattern_libcloud import Reply, document, structured


@attrs.frozen
class Page:
    names: tuple[str, ...]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_an_answer_that_is_no_object_is_told(body: bytes) -> None:
    with pytest.raises(Invalid, match="list: the answer is no JSON") as caught:
        document(Reply(200, immutabledict(), body), "list")

    assert "UnreadableAnswer" == caught.value.code


def test_an_object_is_read() -> None:
    found = document(Reply(200, immutabledict(), b'{"names": ["a"], "more": 1}'), "list")

    assert Page(("a",)) == structured(cattrs.Converter(), Page, found, "list")


@pytest.mark.parametrize("value", [{}, {"names": 1}, "names", None])
def test_what_lacks_a_field_is_told(value: object) -> None:
    with pytest.raises(Invalid, match="list: the answer can't be read as Page"):
        structured(cattrs.Converter(), Page, value, "list")
