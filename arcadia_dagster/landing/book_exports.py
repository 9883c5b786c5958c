"""Which exports to the books the archive keeps (see `books.record`), as the warehouse has noted it.

The numbers of the files show one that is gone between others; only the warehouse shows that the last one is gone, or all of them.
"""

from collections.abc import Iterable, Mapping

import duckdb

from arcadia_dagster.kept_names import number_of
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster.warehouse.seals import changed_tables


def known_exports(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """The names of the files that the warehouse knows, by their numbers."""
    return dict(connection.execute("SELECT number, name FROM book_exports ORDER BY number").fetchall())


def unknown_exports(known: Mapping[int, str], names: Iterable[str]) -> list[str]:
    """Those of the archive's files whose numbers the warehouse does not know, in order."""
    return sorted(name for name in names if number_of(name) not in known)


def note_exports(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Note which files the archive has, within the caller's transaction. What was noted of a number before stays.

    Args:
        connection: A connection of `Warehouse.write_register`.
        names: The names of the files.
    """
    unknown = unknown_exports(known_exports(connection), names)
    insert(connection, schema.BOOK_EXPORTS, [{"number": number_of(name), "name": name} for name in unknown])


def hand_on_exports(before: Warehouse, after: Warehouse) -> None:
    """Have a new warehouse know the exports that the one of before knew, so that it misses those that are gone.

    Args:
        before: The warehouse of before; where it cannot be read, or somebody has changed these rows, nothing is handed on.
        after: The new one, without exports.

    Raises:
        WarehouseError: The new warehouse cannot be written.
    """
    try:
        with before.read() as connection:
            known = {} if schema.BOOK_EXPORTS.name in changed_tables(connection) else known_exports(connection)
    except (WarehouseError, duckdb.Error):
        return
    if known:
        with after.write_register() as connection:
            note_exports(connection, known.values())
