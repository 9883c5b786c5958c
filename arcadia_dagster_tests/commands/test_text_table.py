"""Tables as lines of text."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from arcadia_dagster.commands import text_table
from arcadia_dagster_tests.kit.properties import quickly

CELLS = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=60)


@quickly(100)
@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_each_row_is_one_line_with_all_of_its_cells_and_columns_begin_below_each_other(rows: list[list[str]]) -> None:
    lines = list(text_table.lines(rows))
    assert len(lines) == len(rows)
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row, line in zip(rows, lines, strict=True):
        rest = line
        for cell, width in zip(row, widths, strict=True):
            assert rest.startswith(cell)
            rest = rest[len(cell) :]
            padding = min(width - cell_len(cell) + 2, len(rest))
            assert rest[:padding].strip() == ""
            rest = rest[padding:]
        assert rest == ""
        assert cell_len(line) <= sum(widths) + 2 * (len(widths) - 1)


def test_figures_end_below_each_other() -> None:
    rows = [("gross", "state"), ("1,000.00", "held"), ("5.00", "ready")]
    assert list(text_table.lines(rows, right=(0,))) == ["   gross  state", "1,000.00  held", "    5.00  ready"]
