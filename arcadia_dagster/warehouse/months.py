"""Replacing months, and knowing which are stale.

Every stage keeps a version for each month. A rebuild notes the version of the stage before it that it was built from; a
month is stale where the stage before has moved on since. So what has to run is decided from the warehouse, never from
run history, and a crash between two stages heals with the next run.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

import duckdb

from arcadia_dagster.store.errors import WarehouseError
from arcadia_dagster.store.query import text_literal
from arcadia_dagster.store.table import Table


def month_list(months: Iterable[date]) -> str:
    """SQL: the months as a list of literals for `IN (...)`; a list that matches nothing where there are none."""
    return ", ".join(f"DATE '{month:%Y-%m-%d}'" for month in sorted(months)) or "NULL"


def versions(connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date]) -> dict[date, int]:
    """The version of each of the months at a stage; 0 where it was never built."""
    by_month: dict[date, int] = dict(
        connection.execute(
            f"SELECT invoice_month, version FROM stage_versions "
            f"WHERE stage = ? AND invoice_month IN ({month_list(months)})",
            [stage],
        ).fetchall()
    )
    return {month: by_month.get(month, 0) for month in months}


def built(connection: duckdb.DuckDBPyConnection, stage: str) -> dict[date, tuple[int, int]]:
    """The months that a stage has: for each its version, and the version that it was built from."""
    rows = connection.execute(
        f"SELECT invoice_month, version, built_from FROM stage_versions WHERE stage = {text_literal(stage)}"
    ).fetchall()
    return {month: (version, built_from) for month, version, built_from in rows}


def touch(
    connection: duckdb.DuckDBPyConnection,
    stage: str,
    months: Collection[date],
    built_from: Mapping[date, int] | None = None,
) -> None:
    """Count the content of these months at a stage as replaced.

    Args:
        connection: A connection of `Warehouse.write`.
        stage: The stage.
        months: The months.
        built_from: The version of the stage before that each was built from.
    """
    if not months:
        return
    current = versions(connection, stage, months)
    connection.execute(
        f"DELETE FROM stage_versions WHERE stage = ? AND invoice_month IN ({month_list(months)})", [stage]
    )
    connection.executemany(
        "INSERT INTO stage_versions VALUES (?, ?, ?, ?, CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP))",
        [[stage, month, current[month] + 1, (built_from or {}).get(month, 0)] for month in sorted(months)],
    )


def renew(connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date]) -> None:
    """Make the stages after this one stale for these months: their rules have changed, and not their input."""
    connection.execute(
        f"UPDATE stage_versions SET version = version + 1 WHERE stage = ? AND invoice_month IN ({month_list(months)})",
        [stage],
    )


def replace(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    months: Collection[date],
    rows: str,
) -> None:
    """Replace the months' rows of a table by those of a SELECT, within the caller's transaction, which notes that they are built.

    Args:
        connection: A connection of `Warehouse.write`.
        table: The table.
        months: The months to replace.
        rows: A SELECT of the table's columns by name, of these months only.

    Raises:
        WarehouseError: The rows are not unique by the table's key, or lie in other months: a defect, so nothing is
            kept.
    """
    if not months:
        return
    connection.execute(f"DELETE FROM {table.name} WHERE invoice_month IN ({month_list(months)})")
    inserted = _count(connection, f"INSERT INTO {table.name} BY NAME {rows}")
    where = f"invoice_month IN ({month_list(months)})"
    if inserted != _count(connection, f"SELECT count(*) FROM {table.name} WHERE {where}"):
        raise WarehouseError(
            f"{table.name}: rows for other months than {', '.join(f'{month:%Y-%m}' for month in sorted(months))}; "
            "nothing was written. This is a defect: report it"
        )
    assert_unique(connection, table, where)


def _count(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return 0 if row is None else int(row[0])


def assert_unique(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> None:
    """Check that no two rows share the table's key.

    Raises:
        WarehouseError: Two rows do; the message names the first.
    """
    key = ", ".join(table.key)
    twice = connection.execute(
        f"SELECT {key} FROM {table.name} WHERE {where} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if twice is not None:
        raise WarehouseError(
            f"{table.name}: two rows for {key} = {twice}; nothing was written. This is a defect: report it"
        )


def stale(connection: duckdb.DuckDBPyConnection, stage: str | None = None) -> set[date]:
    """The months for which a stage is behind the stage before it: the named stage, or any stage where none is named."""
    where = "" if stage is None else f"WHERE stage = {text_literal(stage)}"
    rows = connection.execute(f"SELECT DISTINCT invoice_month FROM stale_months {where}").fetchall()
    return {month for (month,) in rows}


def previous_month(month: date) -> date:
    """The first day of the month before."""
    return date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)


def next_month(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def months_from(first: date, count: int) -> list[date]:
    """A number of months in order, by their first days, beginning with this one."""
    months = [first]
    while len(months) < count:
        months.append(next_month(months[-1]))
    return months
