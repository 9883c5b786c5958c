"""A table as plain lines of text: a row is one line, and nothing is cut or folded, however narrow the window is."""

from collections.abc import Collection, Iterator, Sequence

_GAP = "  "


def lines(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> Iterator[str]:
    """Each row as a line, with aligned columns, by the width that a terminal gives each character.

    Args:
        rows: Rows with as many cells each; cells without a line's end.
        right: The columns that are aligned to the right, from 0.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (
            " " * (width - cell_len(cell)) + cell if place in right else cell + " " * (width - cell_len(cell))
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield _GAP.join(padded).rstrip(" ")
