"""Tables that fit: columns side by side, the least important left out where the terminal is narrow. Pure."""

from collections.abc import Iterator, Sequence

import attrs
from rich.text import Text

GAP = "  "


@attrs.frozen
class Column:
    """A heading and its cells, each a text and a style; columns are taken in by `order`, as far as they fit."""

    heading: str
    order: int
    cells: tuple[tuple[str, str], ...]
    right: bool = attrs.field(default=False, kw_only=True)

    @property
    def width(self) -> int:
        """The longest text of the column, its heading included."""
        return max(len(text) for text, _ in ((self.heading, ""), *self.cells))


def table(columns: Sequence[Column], *, width: int | None, indent: str = "  ") -> Iterator[Text]:
    """Lay out columns of equally many cells, a line at a time, the headings first.

    `width` None: every column that has a text is shown. Empty columns never are.
    """
    told = [column for column in columns if any(text for text, _ in column.cells)]
    widths: dict[str, int] = {}
    left = float("inf") if width is None else width - len(indent) + len(GAP)
    for column in sorted(told, key=lambda column: column.order):
        if not widths or column.width + len(GAP) <= left:
            widths[column.heading] = column.width
            left -= column.width + len(GAP)
    shown = [column for column in told if column.heading in widths]
    yield _line([(column, column.heading, "dim") for column in shown], widths, indent)
    for cells in zip(*(column.cells for column in shown), strict=True):
        row = [(column, text, style) for column, (text, style) in zip(shown, cells, strict=True)]
        yield _line(row, widths, indent)


def _line(cells: list[tuple[Column, str, str]], widths: dict[str, int], indent: str) -> Text:
    line = Text(indent, no_wrap=True, overflow="ignore")
    for column, text, style in cells:
        width = widths[column.heading]
        line.append(text.rjust(width) if column.right else text.ljust(width), style).append(GAP)
    line.rstrip()
    return line
