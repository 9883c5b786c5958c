"""Rows from Python into tables, exactly and in one statement: by Arrow.

A statement a row is a thousand times slower.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from arcadia_dagster.billing.currency import AMOUNT_DECIMALS, AMOUNT_TYPE
from arcadia_dagster.warehouse.schema import Column, Table

_ARROW_TYPES: dict[str, pa.DataType] = {
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
    connection.register("arriving_rows", arrow_table(table.columns, rows))
    try:
        connection.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM arriving_rows")
    finally:
        connection.unregister("arriving_rows")


def arrow_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of these columns; one that a row does not name is NULL.

    Raises:
        pyarrow.ArrowException: A value does not fit its column's type.
    """
    schema = pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in columns])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
