"""The statistics that a lake's catalog keeps of each table: from its first row on, and of an empty one none.

Each time that a statement names a table without statistics, DuckLake 1.5.5 asks the catalog for those of each column. To plan the
digest of the register, whose tables are mostly empty, took 0.29 s, and 0.002 s with statistics (2026-12-01).
"""

from collections.abc import Iterable

import duckdb


def give_statistics(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Have the catalog keep statistics of those of the tables that are empty, in the caller's transaction; no row stays.

    Args:
        connection: The lake.
        tables: Names of its tables.
    """
    for table in tables:
        if connection.execute(f"SELECT EXISTS (FROM {table})").fetchone() == (False,):
            [[column, *_], *_] = connection.execute(f"DESCRIBE {table}").fetchall()
            connection.execute(f"INSERT INTO {table} ({column}) VALUES (NULL)")
            connection.execute(f"DELETE FROM {table}")
