"""Where keys stand in a text."""

import pytest

from vmpattern.specfile.lines import KeyPath, offsets


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("<>key = 1", ("key",), id="a key"),
        pytest.param("# key = 2\n<>key = 1", ("key",), id="a comment is no key"),
        pytest.param('a = """\nkey = 2\n"""\n<>key = 1', ("key",), id="a long string is no key"),
        pytest.param('a = """x\\""""\n<>key = 1', ("key",), id="a long string that ends in an escaped quote"),
        pytest.param('a = """x"""""\n<>key = 1', ("key",), id="a long string that ends in two quotes of its own"),
        pytest.param("a = '''\\'''\n<>key = 1", ("key",), id="a literal string has no escapes"),
        pytest.param('a = "\\"["\n<>key = 1', ("key",), id="a bracket within a string"),
        pytest.param("a = 2026-01-31 07:00:00\n<>key = 1", ("key",), id="a time with a blank in it"),
        pytest.param("a = { x = 1, <>y = 2 }", ("a", "y"), id="a key within a line"),
        pytest.param("a = [\n1, # ]\n<>2\n]", ("a", 1), id="an item"),
        pytest.param("<>[a . 'b.c']\nx = 1", ("a", "b.c"), id="a header with blanks and quotes"),
        pytest.param("[a]\n<>x.y = 1", ("a", "x"), id="a dotted key begins its table"),
        pytest.param('[a]\nx = 1\n[b]\n<>x = 2\n"k\\u0065y" = 3', ("b", "x"), id="the same key in two tables"),
        pytest.param('[b]\n<>"k\\u0065y" = 3', ("b", "key"), id="a key with escapes"),
        pytest.param("[a.b]\nx = 1\n<>[a]", ("a",), id="a table told after its child"),
        pytest.param("<>[a.b]\nx = 1", ("a",), id="a table that its child implies"),
        pytest.param("[[a]]\nx = 1\n<>[[a]]\nx = 2", ("a", 1), id="a table of an array"),
        pytest.param("[[a]]\n[a.b]\nx = 1\n[[a]]\n[a.b]\n<>x = 2", ("a", 1, "b", "x"), id="a child of such a table"),
    ],
)
def test_the_place_of(text: str, path: KeyPath) -> None:
    assert text.index("<>") == offsets(text.replace("<>", ""))[path]
