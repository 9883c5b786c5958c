"""The warehouse: a database with our tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from arcadia_dagster.settings import LOCK_TIMEOUT
from arcadia_dagster.store.database import Database, Schema
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.seals import seal_all, seal_views, sealed_register


def _migrate(connection: duckdb.DuckDBPyConnection, from_version: int) -> None:
    """Bring the tables forward, and seal the views, and what an earlier version has written."""
    schema.migrate(connection, from_version)
    if from_version:
        seal_all(connection)
    else:
        seal_views(connection)


_SCHEMA = Schema(
    version=schema.SCHEMA_VERSION,
    version_of=schema.version_of,
    migrate=_migrate,
    tables=schema.TABLES,
    views=schema.views,
)


class Warehouse(Database):
    """The warehouse at a location.

    Args:
        location: The DuckDB file; or `ducklake:postgres:` and where its catalog is.
        lock_timeout: Seconds to wait for another process at most.
        data_path: The folder of a lake's files, or the URL of their bucket.
        work_path: See `Database`.

    Raises:
        WarehouseError: The location names a lake, and cannot be right.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        data_path: str | Path | None = None,
        work_path: Path | None = None,
    ) -> None:
        """Note where the warehouse is. Nothing is opened yet."""
        super().__init__(location, schema=_SCHEMA, lock_timeout=lock_timeout, data_path=data_path, work_path=work_path)

    @contextmanager
    def write_register(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As `write`, for what documents and decisions make, and people say: the tables of both are sealed anew; see `seals`.

        Raises:
            LockTimeoutError, WarehouseError: See `write`.
        """
        with self.write() as connection, sealed_register(connection):
            yield connection
