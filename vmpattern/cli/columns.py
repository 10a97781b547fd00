"""Tables that fit: columns side by side, the least important left out where the terminal is narrow. Pure."""

from collections.abc import Iterator, Sequence

import attrs
from rich.text import Text

GAP = "  "


@attrs.frozen
class Column:
    """A heading and its cells, each a text and a style; the columns with the greatest `order` are left out first."""

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
    shown = [column for column in columns if any(text for text, _ in column.cells)]
    widths = {column.heading: column.width for column in shown}
    while width is not None and len(shown) > 1 and _total(widths) + len(indent) > width:
        last = max(shown, key=lambda column: column.order)
        shown.remove(last)
        del widths[last.heading]
    yield _line([(column, column.heading, "dim") for column in shown], widths, indent)
    for cells in zip(*(column.cells for column in shown), strict=True):
        row = [(column, text, style) for column, (text, style) in zip(shown, cells, strict=True)]
        yield _line(row, widths, indent)


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _line(cells: list[tuple[Column, str, str]], widths: dict[str, int], indent: str) -> Text:
    line = Text(indent, no_wrap=True, overflow="ellipsis")
    for column, text, style in cells:
        width = widths[column.heading]
        line.append(text.rjust(width) if column.right else text.ljust(width), style).append(GAP)
    line.rstrip()
    return line
