"""Opening the warehouse: every reader and writer goes through here, so that there is one lock and one way.

DuckDB lets one process write a file and a second open fails at once. So the lock is taken before the file is opened and
freed after it is closed; opening costs milliseconds whatever the size, so it is opened late and closed early. Nothing
slow belongs between: no file is parsed, no request sent, nothing waited for while the warehouse is open.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.lock import hold
from arcadia_dagster.warehouse.query import text_literal
from arcadia_dagster.warehouse.scratch import scratch_path, sweep
from arcadia_dagster.warehouse.threads import use_threads_for

DEFAULT_LOCK_TIMEOUT = 60.0

# The oldest DuckDB that pyproject.toml allows. Its texts are written a quarter faster than in the format that DuckDB takes by
# default, which much older versions can read.
_STORAGE_VERSION = "v1.5.0"

# What is larger goes to disk. With the rest of the process, ten million lines then fit into 1.5 GB.
_MEMORY_LIMIT = "1GB"

_WORK, _SPILL = "work", "spill"


class WarehouseError(Exception):
    """The warehouse cannot be used; the message says why and what to do."""


class Warehouse:
    """The warehouse at a path, made and migrated on first use.

    Args:
        location: The DuckDB file.
        lock_timeout: Seconds to wait for another process at most.
    """

    def __init__(self, location: str | Path, *, lock_timeout: float = DEFAULT_LOCK_TIMEOUT) -> None:
        """Note where the warehouse is. Nothing is opened yet."""
        if str(location).startswith("ducklake:"):
            # Without the rest of it, which may hold a password.
            raise WarehouseError("ARCADIA_WAREHOUSE=ducklake:...: DuckLake is not supported yet; name a DuckDB file")
        # Where a link leads: the locks beside it are then the same under all of its names.
        self.path = Path(location).resolve()
        self.lock_timeout = lock_timeout
        self._is_current = False
        self._idle: list[tuple[duckdb.DuckDBPyConnection, Path]] = []

    @property
    def lock_path(self) -> Path:
        """The lock's file, beside the warehouse."""
        return self.path.with_name(self.path.name + ".lock")

    @property
    def delivery_lock_path(self) -> Path:
        """The lock that keeps two deliveries of one warehouse apart."""
        return self.path.with_name(self.path.name + ".delivery.lock")

    @property
    def fetch_lock_path(self) -> Path:
        """The lock that keeps two downloads for one warehouse apart."""
        return self.path.with_name(self.path.name + ".fetch.lock")

    def new_work_folder(self) -> Path:
        """A new name for temporary files, beside the warehouse, since they can be as large as a part of it."""
        return scratch_path(self.path, _WORK)

    def sweep(self) -> None:
        """Delete what killed processes of this machine left beside the warehouse."""
        for kind in (_WORK, _SPILL):
            sweep(self.path, kind)

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that may only read, beside other readers. Tables are named without a prefix.

        Raises:
            LockTimeoutError: Somebody wrote for longer than the lock's time-out.
            WarehouseError: The file is no warehouse, or a newer program wrote it.
        """
        self._ensure_current()
        with hold(self.lock_path, timeout=self.lock_timeout, shared=True), self._attached(read_only=True) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in one transaction, alone: committed when the block ends well, rolled back when it raises.

        Raises:
            LockTimeoutError: Somebody held the warehouse for longer than the lock's time-out.
            WarehouseError: The file is no warehouse, a newer program wrote it, or the disk is full.
        """
        with hold(self.lock_path, timeout=self.lock_timeout), self._attached(read_only=False) as connection:
            self._migrate(connection)
            connection.execute("BEGIN")
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            self._commit(connection)

    @contextmanager
    def stage(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an in-memory database of its own, for work that must not hold the lock."""
        with self._connected() as connection:
            connection.execute("RESET threads; ATTACH ':memory:' AS stage; USE stage")
            yield connection
            connection.execute("USE memory; DETACH stage")

    def _new_engine(self) -> tuple[duckdb.DuckDBPyConnection, Path]:
        """An engine, and the folder to which it spills what its memory cannot hold."""
        # One folder each: DuckDB's spill files have the same names everywhere, and two databases would overwrite each
        # other's. DuckDB makes it when it spills and deletes it when it closes, but makes no folder above it.
        spill = scratch_path(self.path, _SPILL)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        engine = duckdb.connect(config={"temp_directory": str(spill), "memory_limit": _MEMORY_LIMIT})
        engine.execute("SET GLOBAL TimeZone = 'UTC'")
        return engine, spill

    @contextmanager
    def _attached(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to which the warehouse is attached, and nothing else."""
        with self._connected() as connection:
            self._attach(connection, read_only=read_only)
            use_threads_for(connection, self.path.stat().st_size)
            yield connection
            self._detach(connection)

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an engine that nobody else uses meanwhile.

        Starting DuckDB costs ten times as much as attaching a database to it, so an engine that ended well is kept for the
        next time. Each use has a connection of its own, with temporary tables of its own.
        """
        engine, spill = self._idle.pop() if self._idle else self._new_engine()
        connection = engine.cursor()
        try:
            yield connection
        except BaseException:
            connection.close()
            engine.close()
            raise
        connection.close()
        if spill.exists():
            engine.close()  # which makes room on the disk
        else:
            self._idle.append((engine, spill))

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        mode = "READ_ONLY" if read_only else f"STORAGE_VERSION '{_STORAGE_VERSION}'"
        try:
            # With its type: DuckDB would take a SQLite file for one, and download an extension to read it.
            connection.execute(f"ATTACH {text_literal(str(self.path))} AS warehouse (TYPE duckdb, {mode})")
            connection.execute("USE warehouse")
        except duckdb.Error as error:
            raise WarehouseError(
                f"{self.path} cannot be opened as a warehouse ({_first_line(error)}); is ARCADIA_WAREHOUSE right? If it is, "
                "move the file away and run `arcadia ingest` to rebuild it from the archive"
            ) from error

    def _detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let go of the file; after a write its log is merged into it."""
        try:
            connection.execute("USE memory")
            connection.execute("DETACH warehouse")
        except duckdb.Error as error:
            raise WarehouseError(
                f"{self.path}: what was committed is kept in its log, but could not be merged into the file; make room and run "
                f"again: {error}"
            ) from error

    def _ensure_current(self) -> None:
        """A reader of a new or older warehouse needs its tables first; that is looked up once per object."""
        if self._is_current and self.path.exists():
            return
        with self.write():
            pass

    def _migrate(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._is_current:
            # The file may have been deleted since: a fresh one is empty.
            self._is_current = schema.version_of(connection) == schema.SCHEMA_VERSION
        if self._is_current:
            return
        found = schema.version_of(connection)
        if found > schema.SCHEMA_VERSION:
            raise WarehouseError(
                f"{self.path} was written by a newer version of Arcadia Dagster (its schema is {found}, this program "
                f"knows {schema.SCHEMA_VERSION}); upgrade the program"
            )
        if found < schema.SCHEMA_VERSION:
            connection.execute("BEGIN")
            try:
                schema.migrate(connection, found)
            except BaseException:
                _roll_back(connection)
                raise
            self._commit(connection)
        self._is_current = True

    def _commit(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.execute("COMMIT")
        except duckdb.Error as error:
            raise WarehouseError(f"{self.path}: nothing was written: {error}") from error


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Roll back where a transaction is still open; DuckDB has closed it already after some errors."""
    try:
        connection.execute("ROLLBACK")
    except duckdb.TransactionException:
        return


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
