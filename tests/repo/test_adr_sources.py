"""Decisions name only code that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = (ROOT, ROOT / "vmpattern", ROOT / "drivers")
NAMED = re.compile(r"`([\w/.]+\.(?:py|cfg|toml))`((?: \([^)]*\))?)")


def sources() -> list[tuple[str, str, tuple[str, ...]]]:
    """Every file that a decision names as its source, with the names in it."""
    found = []
    for page in sorted((ROOT / "docs/adr").glob("*.md")):
        for line in page.read_text("utf-8").splitlines():
            if line.startswith("Source"):
                for file, names in NAMED.findall(line):
                    found.append((page.name, file, tuple(re.findall(r"`(\w+)`", names))))
    return found


@pytest.mark.parametrize(("page", "file", "names"), [pytest.param(*one, id="-".join(one[:2])) for one in sources()])
def test_the_source_of_a_decision_is_there(page: str, file: str, names: tuple[str, ...]) -> None:
    there = [place / file for place in PLACES if (place / file).is_file()]
    text = there[0].read_text("utf-8") if there else ""

    assert (1, []) == (len(there), [name for name in names if not re.search(rf"\b{name}\b", text)])
