"""Inserting rows from Python exactly and in one statement, by Arrow: one statement for each row is a thousand times slower."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb

from arcadia_dagster.billing.currency import AMOUNT_DECIMALS, AMOUNT_TYPE
from arcadia_dagster.store.query import registered
from arcadia_dagster.store.table import Column, Table

if TYPE_CHECKING:
    import pyarrow as pa


def insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, given by column name; a column that a row does not name is NULL.

    Raises:
        KeyError: A row names a column that the table does not have.
        pyarrow.ArrowException: A value does not fit its column's type.
    """
    if not rows:
        return
    known = {column.name for column in table.columns}
    if unknown := {name for row in rows for name in row} - known:
        raise KeyError(f"{table.name} has no column {', '.join(sorted(unknown))}")
    with registered(connection, "arriving_rows", arrow_table(table.columns, rows)):
        connection.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM arriving_rows")


def arrow_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    """Rows as an Arrow table of these columns; one that a row does not name is NULL.

    Raises:
        pyarrow.ArrowException: A value does not fit its column's type.
    """
    # Who reads only, as `arcadia status` does, waits for no import of it (0.15 s).
    import pyarrow as pa  # noqa: PLC0415

    types = _arrow_types()
    schema = pa.schema([(column.name, types[column.type]) for column in columns])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


@cache
def _arrow_types() -> dict[str, "pa.DataType"]:
    """The type of Arrow for each type of our columns."""
    import pyarrow as pa  # noqa: PLC0415

    return {
        "VARCHAR": pa.string(),
        "VARCHAR[]": pa.list_(pa.string()),
        "BIGINT[]": pa.list_(pa.int64()),
        "DATE": pa.date32(),
        "DATE[]": pa.list_(pa.date32()),
        "TIMESTAMP": pa.timestamp("us"),
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "BOOLEAN": pa.bool_(),
        AMOUNT_TYPE: pa.decimal128(38, AMOUNT_DECIMALS),
    }
