from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.store.query import text_list
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster_tests.kit.properties import from_attos, quickly


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(tmp_path_factory.mktemp("rows") / "arcadia.duckdb").write() as connection:
        yield connection


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@quickly(10)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "source": TEXT | st.none(),
                "amount_gross": st.integers(-(10**38) + 1, 10**38 - 1).map(from_attos) | st.none(),
                "amount_gross_minor": st.integers(-(2**63), 2**63 - 1),
                "invoice_month": st.dates(date(1900, 1, 1), date(2100, 1, 1)),
                "hold_reasons": st.lists(TEXT, max_size=3),
            },
        ),
        max_size=20,
    )
)
def test_rows_come_out_of_a_table_as_they_went_in(
    connection: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]
) -> None:
    connection.execute("DELETE FROM tax_split_totals")
    insert(connection, schema.TAX_SPLIT_TOTALS, rows)
    columns = ("source", "amount_gross", "amount_gross_minor", "invoice_month", "hold_reasons")
    found = connection.execute(f"SELECT {', '.join(columns)} FROM tax_split_totals ORDER BY rowid").fetchall()
    assert found == [tuple(row.get(column) for column in columns) for row in rows]


def test_times_and_booleans_come_out_as_they_went_in(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("DELETE FROM document_invoices")
    row = {"is_final": False, "received_at": datetime(2026, 4, 1, 12, 0, 0, 123456), "invoice_ordinal": 3}  # noqa: DTZ001
    insert(connection, schema.DOCUMENT_INVOICES, [row])
    query = "SELECT is_final, received_at, invoice_ordinal FROM document_invoices"
    assert connection.execute(query).fetchall() == [tuple(row.values())]


@pytest.mark.parametrize("amount", [Decimal("0.1234567890123456789"), Decimal(10) ** 20])
def test_an_amount_that_does_not_fit_is_an_error_and_never_rounded(
    connection: duckdb.DuckDBPyConnection, amount: Decimal
) -> None:
    with pytest.raises(pa.ArrowException):
        insert(connection, schema.COST_LINES, [{"amount": amount}])


def test_a_float_is_no_amount(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises((pa.ArrowException, TypeError)):
        insert(connection, schema.COST_LINES, [{"amount": 1.1}])


def test_a_column_that_the_table_does_not_have_is_named(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(KeyError, match="cost_lines has no column colour, weight"):
        insert(connection, schema.COST_LINES, [{"weight": 1}, {"colour": 2}])


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_every_table_takes_a_row_of_nothing(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"DELETE FROM {table.name}")
    insert(connection, table, [{}])
    assert connection.execute(f"SELECT * FROM {table.name}").fetchall() == [(None,) * len(table.columns)]


@quickly(10)
@given(st.lists(TEXT, max_size=5), TEXT)
def test_texts_are_listed_as_literals_whatever_is_in_them(
    connection: duckdb.DuckDBPyConnection, texts: list[str], other: str
) -> None:
    found = connection.execute(
        f"SELECT count(*) FROM (SELECT unnest(?::VARCHAR[]) AS t) WHERE t IN ({text_list(texts)})", [texts]
    )
    assert found.fetchone() == (len(texts),)
    found = connection.execute(f"SELECT coalesce(?::VARCHAR IN ({text_list(texts)}), false)", [other])
    assert found.fetchone() == (other in texts,)
