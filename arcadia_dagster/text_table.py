"""A table as lines of text: nothing is cut, and no id is broken, however narrow the window is."""

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

from rich.cells import cell_len

_GAP = "  "
_INDENT = "    "


def window_width() -> int | None:
    """The width of the terminal that is written to; None for a pipe or a file, whose lines may have any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def lines(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), width: int | None = None) -> Iterator[str]:
    r"""Each row as text, with aligned columns, by the width that a terminal gives each character.

    A row is one line where all of it fits. Otherwise the columns that fit are aligned, and the other cells of the row go on lines
    of their own below (after a `\n`), parted between words only.

    Args:
        rows: Rows with as many cells each; cells without a line's end.
        right: The columns that are aligned to the right, from 0.
        width: How many characters a line has; None: as many as it needs. A single word, such as an id, may be longer.
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    ends = accumulate(widths, lambda end, column: end + len(_GAP) + column)
    aligned = len(widths) if width is None else max(1, sum(end <= width for end in ends))
    for row in rows:
        padded = (
            " " * (column - cell_len(cell)) + cell if place in right else cell + " " * (column - cell_len(cell))
            for place, (cell, column) in enumerate(zip(row[:aligned], widths[:aligned], strict=True))
        )
        yield "\n".join([_GAP.join(padded).rstrip(" "), *_below(row[aligned:], width)])


def _below(cells: Sequence[str], width: int | None) -> Iterator[str]:
    """The cells that do not fit beside the others, as many on a line as fit."""
    line = ""
    for cell in filter(None, cells):
        longer = f"{line}{_GAP}{cell}" if line else cell
        if line and width is not None and cell_len(_INDENT + longer) > width:
            yield from wrapped(line, width)
            longer = cell
        line = longer
    if line:
        yield from wrapped(line, width)


def wrapped(text: str, width: int | None, indent: str = _INDENT) -> list[str]:
    """Text as indented lines, parted between words only, so that commands and ids in it stay whole."""
    if width is None:
        return [indent + text]
    return textwrap.wrap(
        text,
        max(width, len(indent) + 1),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
