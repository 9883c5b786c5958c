"""The warehouse as a DuckLake: tables as Parquet files in a shared folder or in a bucket, and their catalog in Postgres.

A reader sees the snapshot of its transaction and waits for nobody. Writers take turns by a lock in Postgres: DuckLake would let
two of them insert the same key, and has the loser of other conflicts do its work again.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg2
from psycopg2 import extensions

from arcadia_dagster.store.errors import WarehouseError
from arcadia_dagster.store.lake_files import LakeFiles, extension
from arcadia_dagster.store.lock import ADVICE
from arcadia_dagster.store.postgres import CONNECT_SECONDS, hold_advisory, session
from arcadia_dagster.store.query import has_row, text_literal
from arcadia_dagster.store.storage import AssertHeld, LockName
from arcadia_dagster.store.table import Table

PREFIX = "ducklake:postgres:"

CATALOG_SCHEMA = "arcadia"
"""The schema in Postgres that DuckLake keeps its catalog in."""

# Wheels with one file each, of the same version as DuckDB: nothing is downloaded when the program runs.
_EXTENSIONS = ("duckdb_extension_postgres_scanner", "duckdb_extension_ducklake")

# A connection that is not answered ends within a minute, whatever has become of the other machine.
_BOUNDS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "45000",
    "fallback_application_name": "arcadia",
}

# Our writers take turns and never conflict; the retries are for a person who writes at the same time.
_RETRIES = 100


# What libpq says where the server is gone. DuckLake passes some of it on as an error without a kind.
_POSTGRES_LEFT = re.compile(
    r"server closed the connection|terminating connection|no connection to the server|connection to server"
    r"|could not (?:send data to|receive data from) server|connection has been closed"
)


class DuckLake:
    """A DuckLake whose catalog is in Postgres; see `Storage`.

    Args:
        location: `ducklake:postgres:` and where Postgres is, as libpq has it, without a password.
        files: Where the Parquet files lie.
    """

    locks_readers = False

    def __init__(self, location: str, files: LakeFiles) -> None:
        """Note where it is. Nothing is opened yet."""
        if not location.startswith(PREFIX):
            raise WarehouseError(f"ARCADIA_WAREHOUSE: a lake's catalog is in Postgres: expected {PREFIX}... or a file")
        try:
            stated = extensions.parse_dsn(location.removeprefix(PREFIX))
        except psycopg2.ProgrammingError:
            # The message leaves out the location, which may hold a password.
            raise WarehouseError(
                f"ARCADIA_WAREHOUSE: what follows {PREFIX} is no connection string of Postgres, such as `dbname=lake host=db`"
            ) from None
        if "password" in stated:
            raise WarehouseError(
                "ARCADIA_WAREHOUSE: a password does not belong here, for the UI and messages show it: set PGPASSWORD, or "
                "PGPASSFILE, or use ~/.pgpass"
            )
        self._dsn = extensions.make_dsn(**{**_BOUNDS, **stated})
        self.name = PREFIX + extensions.make_dsn(**{key: value for key, value in stated.items() if key != "options"})
        self._files = files
        self.path = files.work

    def exists(self) -> bool:
        """Whether the catalog was made."""
        with session(self._dsn, self.name) as own:
            return bool(own.query("SELECT to_regclass(%s) IS NOT NULL", [f"{CATALOG_SCHEMA}.ducklake_metadata"])[0][0])

    def was_deleted(self) -> bool:
        """Never: attaching finds that out."""
        return False

    def byte_size(self) -> None:
        """Not known without a query to the catalog."""

    @contextmanager
    def lock(
        self,
        what: LockName,
        *,
        path: Path | None = None,
        timeout: float,
        shared: bool = False,
        advice: str = ADVICE,
    ) -> Iterator[AssertHeld]:
        """A lock in Postgres, for all machines, since file locks may not reach them; a reader needs none."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        if shared:
            yield lambda: None
            return
        with hold_advisory(self._dsn, self.name, what, timeout=timeout, advice=advice) as assert_held:
            yield assert_held

    def prepare(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Load the extensions from their wheels."""
        for package in _EXTENSIONS:
            engine.execute(f"LOAD {text_literal(str(extension(package, 'ARCADIA_WAREHOUSE=ducklake:...', 'scale')))}")
        self._files.prepare(engine)
        engine.execute(f"SET GLOBAL ducklake_max_retry_count = {_RETRIES}")

    def create(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the catalog and the folder where they are missing: by one process at a time, for two would fail."""
        self._files.make()
        if not self.exists():
            self._attach(connection, "CREATE_IF_NOT_EXISTS true")
            self.detach(connection)

    def attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        """Open the catalog; it is never made here."""
        self._attach(connection, "CREATE_IF_NOT_EXISTS false" + (", READ_ONLY" if read_only else ""))

    def _attach(self, connection: duckdb.DuckDBPyConnection, options: str) -> None:
        try:
            connection.execute(
                f"ATTACH {text_literal(f'{PREFIX}{self._dsn}')} AS warehouse (DATA_PATH {text_literal(f'{self._files.place}/')}, "
                f"METADATA_SCHEMA {text_literal(CATALOG_SCHEMA)}, {options})"
            )
            connection.execute("USE warehouse")
        except duckdb.Error as error:
            raise self._why_not(error) from error

    def _why_not(self, error: duckdb.Error) -> WarehouseError:
        """Why the lake cannot be opened. It tries catalog and folder itself, for DuckDB's errors have no codes."""
        with session(self._dsn, self.name) as own:
            [[exists]] = own.query("SELECT to_regclass(%s) IS NOT NULL", [f"{CATALOG_SCHEMA}.ducklake_metadata"])
            if not exists:
                return WarehouseError(f"{self.name}: there is no lake yet: run `arcadia init` once")
            rows = own.query(f"SELECT value FROM {CATALOG_SCHEMA}.ducklake_metadata WHERE key = 'data_path'")
        if rows and rows[0][0].rstrip("/") != self._files.place:
            return WarehouseError(
                f"{self.name}: its data lies in {rows[0][0]}, and ARCADIA_DATA_PATH says {self._files.place}: make them the same"
            )
        return WarehouseError(f"{self.name} cannot be opened as a lake: {error}")

    def detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close the catalog."""
        try:
            connection.execute("USE memory")
            connection.execute("DETACH warehouse")
        except duckdb.Error as error:
            raise WarehouseError(
                f"{self.name}: Postgres went away ({' '.join(str(error).split())}); what was committed is kept: see that "
                "Postgres runs, then run again"
            ) from error

    def arrange(self, connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
        """Keep the parts of large tables apart, so that replacing one drops whole files; have statistics kept of all.

        Of a table that never had a row the catalog keeps none. Each time that a statement names it, DuckLake 1.5.5 asks for those
        of each column: to plan the digest of the register took 0.29 s, and 0.002 s with statistics (2026-12-01).
        """
        for table in tables:
            if table.partitioned_by:
                connection.execute(f"ALTER TABLE {table.name} SET PARTITIONED BY ({', '.join(table.partitioned_by)})")
            if not has_row(connection, f"SELECT 1 FROM {table.name}"):
                connection.execute(f"INSERT INTO {table.name} ({table.columns[0].name}) VALUES (NULL)")
                connection.execute(f"DELETE FROM {table.name}")

    def explained(self, error: duckdb.Error) -> Exception:
        """What a person must do where Postgres or a file cannot be reached; any other error as it is."""
        is_away = isinstance(error, duckdb.IOException | duckdb.ConnectionException | duckdb.HTTPException)
        if is_away or _POSTGRES_LEFT.search(str(error)) is not None:
            return WarehouseError(
                f"{self.name}: the lake could not be read or written ({' '.join(str(error).split())}); nothing was written: "
                f"see that Postgres runs and {self._files.place} can be reached, then run again"
            )
        return error

    def damaged(self, problem: str) -> Exception:
        """What was changed in the catalog; a new lake is built from the archive."""
        return WarehouseError(
            f"{self.name} is damaged ({problem}): set ARCADIA_WAREHOUSE to a new lake, run `arcadia ingest`, then `arcadia "
            "reconcile`"
        )

    def uncommitted(self, error: duckdb.Error) -> Exception:
        """A commit without an answer may have happened or not; it happened as a whole or not at all."""
        return WarehouseError(
            f"{self.name}: the commit was not confirmed ({' '.join(str(error).split())}); it is there whole or not at all: "
            "run again, which finds out"
        )
