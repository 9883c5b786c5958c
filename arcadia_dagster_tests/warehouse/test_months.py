from collections.abc import Collection
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.months import assert_unique, month_list, replace, stale, touch, versions
from arcadia_dagster.warehouse.relations import STAGES

Row = tuple[str, int, date]

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "arcadia.duckdb")


def rows_sql(*rows: Row) -> str:
    values = ", ".join(f"('{sha256}', {line}, DATE '{month}')" for sha256, line, month in rows)
    return f"SELECT * FROM (VALUES {values}) AS line (document_sha256, line_number, invoice_month)"


def put(warehouse: Warehouse, months: Collection[date], *rows: Row) -> None:
    with warehouse.write() as connection:
        replace(connection, schema.COST_LINES, months, rows_sql(*rows))
        touch(connection, "cost_lines", months)


def lines(warehouse: Warehouse) -> list[Row]:
    with warehouse.read() as connection:
        query = "SELECT document_sha256, line_number, invoice_month FROM cost_lines ORDER BY ALL"
        return connection.execute(query).fetchall()


def test_replacing_months_leaves_the_others_as_they_are(warehouse: Warehouse) -> None:
    march, april, may = ("m", 1, MARCH), ("a", 1, APRIL), ("y", 1, MAY)
    put(warehouse, {MARCH, APRIL, MAY}, march, april, may)
    put(warehouse, {APRIL, MAY}, ("a", 2, APRIL))
    assert lines(warehouse) == [("a", 2, APRIL), march]


def test_replacing_by_the_same_changes_nothing_but_the_version(warehouse: Warehouse) -> None:
    for _ in range(3):
        put(warehouse, {APRIL}, ("a", 1, APRIL), ("a", 2, APRIL))
    assert len(lines(warehouse)) == 2
    with warehouse.read() as connection:
        assert versions(connection, "cost_lines", {APRIL, MAY}) == {APRIL: 3, MAY: 0}


def test_replacing_no_months_does_nothing(warehouse: Warehouse) -> None:
    put(warehouse, set(), ("a", 1, APRIL))
    assert lines(warehouse) == []
    with warehouse.read() as connection:
        assert connection.execute("SELECT count(*) FROM stage_versions").fetchone() == (0,)


def test_columns_that_are_not_given_are_null(warehouse: Warehouse) -> None:
    put(warehouse, {APRIL}, ("a", 1, APRIL))
    with warehouse.read() as connection:
        assert connection.execute("SELECT amount, currency, source FROM cost_lines").fetchall() == [(None, None, None)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, APRIL), ("a", 1, APRIL)], r"two rows for document_sha256, line_number = \('a', 1\)"),
        ([("a", 1, APRIL), ("a", 2, MAY)], "rows for other months than 2026-04"),
        ([("a", 1, MAY)], "rows for other months"),
    ],
)
def test_rows_that_are_not_unique_or_of_other_months_are_a_defect_and_nothing_is_kept(
    warehouse: Warehouse, rows: list[tuple[str, int, date]], message: str
) -> None:
    put(warehouse, {APRIL}, ("old", 1, APRIL))
    with pytest.raises(WarehouseError, match=f"cost_lines: {message}.*nothing was written"):
        put(warehouse, {APRIL}, *rows)
    assert lines(warehouse) == [("old", 1, APRIL)]
    with warehouse.read() as connection:
        assert versions(connection, "cost_lines", {APRIL}) == {APRIL: 1}


def test_uniqueness_is_asserted_where_it_is_asked_for_only(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        for path in ("a", "a", "b"):
            connection.execute("INSERT INTO inbox_files (inbox_path) VALUES (?)", [path])
        assert_unique(connection, schema.INBOX_FILES, "inbox_path = 'b'")
        with pytest.raises(WarehouseError, match=r"inbox_files: two rows for inbox_path = \('a',\)"):
            assert_unique(connection, schema.INBOX_FILES, "true")


def test_every_touch_counts_and_notes_what_it_was_built_from(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        touch(connection, "document_invoices", {APRIL, MAY})
        touch(connection, "document_invoices", {APRIL})
        touch(connection, "raw_invoices", {APRIL, MAY}, {APRIL: 2})
        touch(connection, "raw_invoices", set())
        query = "SELECT stage, invoice_month, version, built_from FROM stage_versions ORDER BY ALL"
        assert connection.execute(query).fetchall() == [
            ("document_invoices", APRIL, 2, 0),
            ("document_invoices", MAY, 1, 0),
            ("raw_invoices", APRIL, 1, 2),
            ("raw_invoices", MAY, 1, 0),
        ]


def test_a_month_is_stale_until_every_stage_has_followed(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:

        def follow(before: str, after: str) -> None:
            touch(connection, after, {APRIL}, versions(connection, before, {APRIL}))

        assert stale(connection) == set()
        touch(connection, STAGES[0], {APRIL})
        for before, after in pairwise(STAGES):
            assert stale(connection) == {APRIL}
            follow(before, after)
        assert stale(connection) == set()
        # A stage in the middle is rebuilt: those after it are behind.
        follow(STAGES[0], STAGES[1])
        assert stale(connection) == {APRIL}
        follow(STAGES[2], STAGES[3])
        assert stale(connection) == {APRIL}
        follow(STAGES[1], STAGES[2])
        follow(STAGES[2], STAGES[3])
        assert stale(connection) == set()
        # Built from what was there before another run was faster.
        touch(connection, STAGES[0], {APRIL})
        touch(connection, STAGES[1], {APRIL}, {APRIL: 1})
        assert stale(connection) == {APRIL}
        touch(connection, STAGES[0], {MAY})
        assert stale(connection) == {APRIL, MAY}


def test_months_are_listed_in_order_and_none_match_nothing(warehouse: Warehouse) -> None:
    assert month_list({MAY, APRIL}) == "DATE '2026-04-01', DATE '2026-05-01'"
    with warehouse.read() as connection:
        assert connection.execute(f"SELECT 1 WHERE DATE '2026-04-01' IN ({month_list([])})").fetchall() == []
        assert versions(connection, "cost_lines", set()) == {}
