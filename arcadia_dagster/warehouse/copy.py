"""Copying all rows of a warehouse into an empty one; each of the two may be a file or a lake.

The copy is one transaction. Before it is committed, counts, sums and a checksum of every table and month are compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from arcadia_dagster.store.errors import WarehouseError
from arcadia_dagster.store.query import registered
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse.schema import SEALS, TABLES
from arcadia_dagster.warehouse.seals import seal_views
from arcadia_dagster.warehouse.warehouse import Warehouse

_ROWS_AT_A_TIME = 100_000

_Figures = Mapping[date | None, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Copied:
    """A table that is equal in both: how many rows, in how many months (0: its rows have no month)."""

    table: str
    rows: int
    months: int


def copy(source: Warehouse, target: Warehouse, *, told: Callable[[str], None] = lambda table: None) -> list[Copied]:  # noqa: ARG005
    """Copy a warehouse. Nobody writes the source or delivers from it meanwhile.

    Args:
        source: Where the rows are; it stays as it is.
        target: Where they go; made where it is missing.
        told: Called with the name of each table before it is copied.

    Returns:
        The tables.

    Raises:
        LockTimeoutError: Somebody wrote one of them, or delivered, for longer than its lock's time-out.
        WarehouseError: The source is missing, the target has rows, or they differ after copying: nothing is kept.
    """
    if not source.exists():
        raise WarehouseError(f"there is no warehouse at {source.name}")
    if source.name == target.name:
        raise WarehouseError(f"{source.name} cannot be copied to itself")
    target.create()
    with source.hold("delivery"), source.read_alone() as reading, target.write() as writing:
        _assert_empty(target, writing)
        copied = [_copy(table, reading, writing, told) for table in TABLES]
        # Its views are its own: those of the source may have been changed.
        seal_views(writing)
        return copied


def _assert_empty(target: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    for table in TABLES:
        if table is not SEALS and connection.execute(f"FROM {table.name} LIMIT 1").fetchone() is not None:
            raise WarehouseError(f"{target.name} has rows in {table.name} already: name a warehouse that is new")


def _copy(
    table: Table,
    reading: duckdb.DuckDBPyConnection,
    writing: duckdb.DuckDBPyConnection,
    told: Callable[[str], None],
) -> Copied:
    told(table.name)
    if table is SEALS:
        # Those of a new warehouse are of its own views.
        writing.execute(f"DELETE FROM {table.name}")
    stream = reading.execute(f"SELECT {table.column_names} FROM {table.name}").to_arrow_reader(_ROWS_AT_A_TIME)
    with registered(writing, "copied_rows", stream):
        writing.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM copied_rows")
    return compare(table, reading, writing)


def compare(table: Table, before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection) -> Copied:
    """Compare a table in two warehouses, by month: counts, sums, and checksums of whole rows.

    Raises:
        WarehouseError: It differs; the message names the months.
    """
    expected, actual = _figures(table, before), _figures(table, after)
    differ = {month for month in {*expected, *actual} if expected.get(month) != actual.get(month)}
    if differ:
        months = ", ".join(sorted("rows without a month" if month is None else f"{month:%Y-%m}" for month in differ))
        raise WarehouseError(
            f"{table.name}: the copy differs in {months}; nothing was kept. This is a defect: report it"
        )
    rows = sum(figures[0] for figures in expected.values())
    return Copied(table.name, rows, sum(month is not None for month in expected))


def _figures(table: Table, connection: duckdb.DuckDBPyConnection) -> _Figures:
    """For each month: how many rows, the exact sum of each column of numbers, and a sum of hashes of whole rows."""
    names = {column.name for column in table.columns}
    month = "invoice_month" if "invoice_month" in names else "CAST(NULL AS DATE)"
    is_number = {column.name: column.type.startswith(("DECIMAL", "BIGINT", "INTEGER")) for column in table.columns}
    sums = [f"sum({column.name})" for column in table.columns if is_number[column.name] and "[]" not in column.type]
    figures = ", ".join(["count(*)", *sums, f"sum(CAST(hash({table.column_names}) AS HUGEINT))"])
    rows = connection.execute(f"SELECT {month} AS month, {figures} FROM {table.name} GROUP BY ALL").fetchall()
    return {row[0]: row[1:] for row in rows}


def read_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every value of every table, so that DuckDB compares the checksum of each block that has one.

    Raises:
        duckdb.Error: A block was changed.
    """
    for table in TABLES:
        connection.execute(f"SELECT bit_xor(hash({table.column_names})) FROM {table.name}").fetchall()


def differing_tables(
    tables: Sequence[Table], before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection
) -> dict[str, list[date | None]]:
    """The months in which tables of two warehouses differ, by the table's name; see `compare`.

    Args:
        tables: Which tables.
        before: The one warehouse.
        after: The other.
    """
    differing: dict[str, list[date | None]] = {}
    for table in tables:
        expected, actual = _figures(table, before), _figures(table, after)
        months = {month for month in {*expected, *actual} if expected.get(month) != actual.get(month)}
        if months:
            differing[table.name] = sorted(months, key=lambda month: month or date.min)
    return differing


def copy_tables(
    tables: Sequence[Table], reading: duckdb.DuckDBPyConnection, writing: duckdb.DuckDBPyConnection
) -> dict[str, int]:
    """Copy all rows of tables into another warehouse that has none of them; how many rows each has, by name."""
    return {table.name: _copy(table, reading, writing, lambda _: None).rows for table in tables}
