"""Tables as lines of text."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from arcadia_dagster import text_table
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


@quickly(100)
@given(
    st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)),
    st.integers(10, 90),
)
def test_a_narrow_window_cuts_no_cell_and_is_left_only_by_what_has_no_blank(rows: list[list[str]], width: int) -> None:
    shown = list(text_table.lines(rows, width=width))
    assert len(shown) == len(rows)
    first = max(cell_len(row[0]) for row in rows)
    for row, text in zip(rows, shown, strict=True):
        assert "".join(text.split()) == "".join(row)
        assert all(
            cell_len(line) <= max(width, first, *(4 + cell_len(cell) for cell in row)) for line in text.split("\n")
        )


def test_what_does_not_fit_goes_below_and_is_parted_between_words() -> None:
    rows = [("month", "tax", "document"), ("2026-04", "7.90", "Invoice 2026 Apr (6173678-418071234).csv")]
    assert list(text_table.lines(rows, right=(1,), width=36)) == [
        "month     tax\n    document",
        "2026-04  7.90\n    Invoice 2026 Apr\n    (6173678-418071234).csv",
    ]
