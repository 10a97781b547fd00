"""What a benchmark found: tables that people read as Markdown and programs as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import attrs

Cell = str | int | float | None
"""None: there is no such figure."""


@attrs.frozen
class Table:
    """Rows of figures under one title; `note` says how to read them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def markdown(self) -> str:
        """Return the table with its title and note; all but the first column stand to the right."""
        if not self.rows:
            return f"**{self.title}**\n\n{self.note}"
        texts = [tuple(self.columns), *(tuple(map(shown, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        head, *body = [_line(text, widths) for text in texts]
        rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
        return "\n".join([f"**{self.title}**", "", head, rule, *body, *(["", self.note] if self.note else [])])


@attrs.frozen
class Report:
    """What one benchmark found; `samples` are the single measurements behind the tables."""

    name: str
    tables: Sequence[Table]
    samples: object = None

    def markdown(self) -> str:
        """Return all tables as text."""
        return "\n\n".join(table.markdown() for table in self.tables)

    @classmethod
    def read(cls, folder: Path, name: str) -> "Report":
        """Read what `write` wrote."""
        found = json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))
        return cls(name, [Table(**table) for table in found["tables"]], found["samples"])

    def write(self, folder: Path) -> None:
        """Write FOLDER/NAME.json."""
        folder.mkdir(parents=True, exist_ok=True)
        tables = [attrs.asdict(table) for table in self.tables]
        found = {"name": self.name, "machine": machine(), "tables": tables, "samples": self.samples}
        folder.joinpath(f"{self.name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Describe the class of this machine, not which one it is."""
    return (
        f"{os.cpu_count()} cores, {platform.system()}, {platform.python_implementation()} {platform.python_version()}"
    )


def shown(cell: Cell) -> str:
    """Return a cell as text: three digits that matter, or all of a whole number."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(texts, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return f"| {' | '.join(cells)} |"
