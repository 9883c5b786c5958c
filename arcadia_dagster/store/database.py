"""Opening the database: every reader and writer goes through here, so that there is one lock and one way.

DuckDB lets one process write a file and a second open fails at once. So the lock is taken before the file is opened and
freed after it is closed; opening costs milliseconds whatever the size, so it is opened late and closed early. While the
warehouse is open, the program does nothing slow: it parses no file, sends no request and waits for nothing. A lake is treated
alike, with a lock that all machines know.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import duckdb

from arcadia_dagster.store.duckdb_file import DuckDBFile
from arcadia_dagster.store.errors import WarehouseError
from arcadia_dagster.store.lock import ADVICE
from arcadia_dagster.store.scratch import scratch_path, sweep
from arcadia_dagster.store.storage import AssertHeld, LockName, Storage
from arcadia_dagster.store.table import Table
from arcadia_dagster.store.threads import use_threads_for

# DuckDB gives the words of the system, and no number, where a file cannot become larger.
_NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

# What is larger goes to disk. With the rest of the process, ten million lines then fit into 1.5 GB.
_MEMORY_LIMIT = "1GB"

# DuckDB fills a block for each column of each new table, however few its rows are. With its own 256 KiB a month of a few
# invoices takes about a tenth more processor time, and three times the file; a million lines take about the same
# (2026-11-29). A file keeps the size that it was made with.
_BLOCK_SIZE = str(64 * 2**10)

_WORK, _SPILL = "work", "spill"

_OF_OTHER_TABLES = (duckdb.CatalogException, duckdb.BinderException, duckdb.ConstraintException, KeyError)
"""What is raised where a table or a column is missing, or there is one more, or an index refuses a row."""


@dataclass(frozen=True, slots=True)
class _Engine:
    """A started DuckDB, and the folder for data that its memory cannot hold."""

    connection: duckdb.DuckDBPyConnection
    spill: Path


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a database, as the program knows them.

    Attributes:
        version: Which version of the tables the program knows.
        version_of: The version that the database in use has; 0 where it is new.
        migrate: Brings the database in use forward from a version, within the caller's transaction.
        tables: The tables of that version.
        views: Its views by name, as DuckDB words them in a database that nobody has changed.
    """

    version: int
    version_of: Callable[[duckdb.DuckDBPyConnection], int]
    migrate: Callable[[duckdb.DuckDBPyConnection, int], None]
    tables: tuple[Table, ...]
    views: Callable[[], Mapping[str, str]]

    def alterations(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """What is missing of the definitions in the attached database, was altered, or was put there, in words.

        These are tables, their columns, defaults, indexes and constraints, views, and functions. Tables of other names are
        nobody's business.
        """
        yield from self._of_tables(connection)
        yield from self._of_views(connection)
        for name in foreign_functions(connection):
            yield f"the function {name} is not the program's, and may stand for one of DuckDB's"

    def _of_tables(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        rows = connection.execute(
            "SELECT table_name, column_name, column_default FROM system.main.duckdb_columns() WHERE database_name = 'warehouse'"
        )
        columns: dict[str, dict[str, str | None]] = {}
        for table, column, default in rows.fetchall():
            columns.setdefault(table, {})[column] = default
        for table in self.tables:
            if table.name not in columns:
                yield f"the table {table.name} is missing"
                continue
            found, expected = columns[table.name], {column.name for column in table.columns}
            yield from (f"the column {column} of {table.name} is missing" for column in sorted(expected - found.keys()))
            for column in sorted(found.keys() - expected):
                yield f"{table.name} has a column {column}, which is not the program's"
            for column, default in found.items():
                if default not in {None, "NULL"}:
                    yield f"the column {column} of {table.name} has a default, which is not the program's"
        # The program has no index and no constraint.
        bound = connection.execute(
            """
            SELECT table_name, 'index ' || index_name FROM system.main.duckdb_indexes() WHERE database_name = 'warehouse'
            UNION ALL
            SELECT table_name, 'constraint ' || constraint_text FROM system.main.duckdb_constraints()
            WHERE database_name = 'warehouse' ORDER BY ALL
            """
        ).fetchall()
        names = {table.name for table in self.tables}
        yield from (f"{table} has the {what}, which is not the program's" for table, what in bound if table in names)

    def _of_views(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        expected, found = self.views(), _views_of(connection)
        yield from (f"the view {name} is missing" for name in expected if name not in found)
        yield from (f"the view {name} is not the program's" for name in found if found[name] != expected.get(name))


def _views_of(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The views of the attached database, by name, each as DuckDB words it."""
    rows = connection.execute(
        "SELECT view_name, sql FROM system.main.duckdb_views() WHERE database_name = 'warehouse' AND NOT internal ORDER BY ALL"
    ).fetchall()
    return dict(rows)


def foreign_functions(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The functions that somebody has put into the database; the program puts none there. It takes 17 ms (2026-11-30)."""
    rows = connection.execute(
        # One of them may stand for the list itself.
        "SELECT DISTINCT function_name FROM system.main.duckdb_functions() "
        "WHERE database_name = system.main.current_database() ORDER BY ALL"
    ).fetchall()
    return [name for (name,) in rows]


class Database:
    """The database at a location. A file is made and migrated on first use; a lake is made by `create`.

    Args:
        schema: Its tables.
        location: The DuckDB file; or `ducklake:postgres:` and where its catalog is.
        lock_timeout: Seconds to wait for another process at most.
        data_path: The folder of a lake's files, or the URL of their bucket.
        work_path: What a lake's temporary files lie beside, on this machine.

    Attributes:
        waited_seconds: How long this process has waited for the locks of this object, so far.

    Raises:
        WarehouseError: The location names a lake, and cannot be right.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        schema: Schema,
        lock_timeout: float,
        data_path: str | Path | None = None,
        work_path: Path | None = None,
    ) -> None:
        """Note where the warehouse is. Nothing is opened yet."""
        self._schema = schema
        self._storage = _storage(location, data_path, work_path)
        self.lock_timeout = lock_timeout
        self.waited_seconds = 0.0
        self._is_current = False
        self._idle: list[_Engine] = []

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._storage.name

    @property
    def path(self) -> Path:
        """The DuckDB file, or for a lake a path of this machine. Temporary files lie beside it."""
        return self._storage.path

    def alterations(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """What was altered in the definitions, in words; see `Schema.alterations`.

        Args:
            connection: A connection of `read`.
        """
        return self._schema.alterations(connection)

    def assert_no_functions(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Nobody has put a function into it, which may stand for one of DuckDB's in whatever is asked.

        Args:
            connection: A connection of `read`.

        Raises:
            WarehouseError: Somebody has.
        """
        for name in foreign_functions(connection):
            raise self._storage.damaged(f"the function {name} is not the program's, and may stand for one of DuckDB's")

    @property
    def lock_path(self) -> Path:
        """The lock's file, beside the warehouse; a lake has none."""
        return self.path.with_name(self.path.name + ".lock")

    @property
    def delivery_lock_path(self) -> Path:
        """The file of the lock for one delivery at a time; a lake has none."""
        return self.path.with_name(self.path.name + ".delivery.lock")

    @property
    def fetch_lock_path(self) -> Path:
        """The file of the lock for one download at a time; a lake has none."""
        return self.path.with_name(self.path.name + ".fetch.lock")

    @property
    def is_lake(self) -> bool:
        """Whether several machines may use it, and it needs maintenance."""
        return not self._storage.locks_readers

    def exists(self) -> bool:
        """Whether it was made.

        Raises:
            WarehouseError: A lake's Postgres does not answer, so that nobody knows.
        """
        return self._storage.exists()

    def create(self) -> None:
        """Make the warehouse where there is none, and bring it up to date.

        Raises:
            LockTimeoutError: Somebody held the warehouse for longer than the lock's time-out.
            WarehouseError: See `write`.
        """
        with self._lock("warehouse"), self._connected() as connection:
            self._storage.create(connection)
        with self.write():
            pass

    def hold(
        self, what: LockName, *, path: Path | None = None, timeout: float | None = None, advice: str = ADVICE
    ) -> AbstractContextManager[AssertHeld]:
        """Hold one of the warehouse's locks, for work that only one process may do at a time.

        Args:
            what: Which one; not `warehouse`, which `read` and `write` hold.
            path: The lock's file where files lock; beside the warehouse, unless it is given.
            timeout: Seconds to wait at most; the warehouse's, unless they are given.
            advice: What the message says to do; to be given where the time-out is not that setting's.

        Raises:
            LockTimeoutError: Somebody else held it for longer.
            WarehouseError: A lake's Postgres does not answer.
        """
        return self._lock(what, path=path, timeout=timeout, advice=advice)

    @contextmanager
    def _lock(
        self,
        what: LockName,
        *,
        timeout: float | None = None,
        path: Path | None = None,
        shared: bool = False,
        advice: str = ADVICE,
    ) -> Iterator[AssertHeld]:
        """One of the locks; the time until it is held, or the wait is over, is counted."""
        seconds = self.lock_timeout if timeout is None else timeout
        began = monotonic()
        with ExitStack() as held:
            try:
                assert_held = held.enter_context(
                    self._storage.lock(what, path=path, timeout=seconds, shared=shared, advice=advice)
                )
            finally:
                self.waited_seconds += monotonic() - began
            yield assert_held

    def new_work_folder(self) -> Path:
        """A new name for temporary files: beside a file, for they can be as large as a part of it; in the home of a lake."""
        return scratch_path(self.path, _WORK)

    def sweep(self) -> None:
        """Delete what killed processes of this machine left beside the warehouse."""
        for kind in (_WORK, _SPILL):
            sweep(self.path, kind)

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that may only read, beside other readers. Tables are named without a prefix.

        All reads within the block see the same state.

        Raises:
            LockTimeoutError: Somebody wrote for longer than the lock's time-out.
            WarehouseError: The file is no warehouse, or a newer program wrote it.
        """
        if self._storage.was_deleted():
            with self.write():
                pass
        with self._read() as connection:
            if self._is_of_now(connection):
                yield connection
                return
        with self.write():
            pass
        with self._read() as connection:
            yield connection

    def _is_of_now(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether the tables have the version that the program knows; each object looks until they have."""
        self._is_current = self._is_current or self._schema.version_of(connection) == self._schema.version
        return self._is_current

    @contextmanager
    def _read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        lock = self._lock("warehouse", shared=True)
        with lock, self._attached(read_only=True) as connection:
            connection.execute("BEGIN")
            yield connection
            _roll_back(connection)

    @contextmanager
    def read_alone(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that only reads, while nobody writes.

        Raises:
            LockTimeoutError, WarehouseError: See `write`.
        """
        with self.read():
            pass
        lock = self._lock("warehouse")
        with lock, self._attached(read_only=True) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in one transaction, alone: committed when the block ends well, rolled back when it raises.

        Raises:
            LockTimeoutError: Somebody held the warehouse for longer than the lock's time-out.
            WarehouseError: The file is no warehouse, a newer program wrote it, or the disk is full; Postgres went away.
        """
        lock = self._lock("warehouse")
        with lock as assert_held, self._attached(read_only=False) as connection:
            self._migrate(connection, assert_held)
            connection.execute("BEGIN")
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            self._commit(connection, assert_held)

    @contextmanager
    def write_statements(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, alone, whose statements are transactions of their own: for maintenance.

        Raises:
            LockTimeoutError, WarehouseError: See `write`.
        """
        lock = self._lock("warehouse")
        with lock, self._attached(read_only=False) as connection:
            yield connection

    @contextmanager
    def stage(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an in-memory database of its own, for work that must not hold the lock.

        Raises:
            WarehouseError: The disk that temporary files lie on is full.
        """
        try:
            with self._connected() as connection:
                connection.execute("RESET threads; ATTACH ':memory:' AS stage; USE stage")
                yield connection
                connection.execute("USE memory; DETACH stage")
        except duckdb.IOException as error:
            if not any(reason in str(error) for reason in _NO_ROOM):
                raise
            raise WarehouseError(f"{self.name}: nothing was written: {error}") from error

    @contextmanager
    def _attached(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to which the warehouse is attached, and nothing else."""
        try:
            with self._connected() as connection:
                self._storage.attach(connection, read_only=read_only)
                use_threads_for(connection, self._storage.byte_size())
                with self._whole(connection):
                    yield connection
                self._storage.detach(connection)
        except duckdb.Error as error:
            if (explained := self._storage.explained(error)) is error:
                raise
            raise explained from error

    @contextmanager
    def _whole(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Tell a statement that fails as somebody has altered the database from one that is wrong."""
        try:
            yield
        except _OF_OTHER_TABLES as error:
            _roll_back(connection)
            altered = next(self._schema.alterations(connection), None) if self._is_current else None
            if altered is not None:
                raise self._storage.damaged(altered) from error
            raise

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an engine that nobody else uses meanwhile.

        Starting DuckDB costs ten times as much as attaching a database to it, so an engine that ended well is kept for the
        next time. Each use has a connection of its own, with temporary tables of its own.
        """
        engine = self._idle.pop() if self._idle else self._new_engine()
        connection = engine.connection.cursor()
        try:
            yield connection
        except BaseException:
            # Closing would roll back too, in C++ that may not raise: if Postgres was gone, the process aborted (2026-11-29).
            _roll_back(connection)
            connection.close()
            engine.connection.close()
            raise
        connection.close()
        if engine.spill.exists():
            engine.connection.close()  # which makes room on the disk
        else:
            self._idle.append(engine)

    def _new_engine(self) -> "_Engine":
        # One folder each: DuckDB's spill files have the same names everywhere, and two databases would overwrite each
        # other's. DuckDB makes it when it spills and deletes it when it closes, but makes no folder above it.
        spill = scratch_path(self.path, _SPILL)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            # DuckDB downloads no extension: a statement that needs a missing one fails.
            config={
                "temp_directory": str(spill),
                "memory_limit": _MEMORY_LIMIT,
                "default_block_size": _BLOCK_SIZE,
                "autoinstall_known_extensions": "false",
                # A name that is no table is an error, and not some variable of the code around the statement.
                "python_enable_replacements": "false",
            }
        )
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            self._storage.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return _Engine(connection, spill)

    def _migrate(self, connection: duckdb.DuckDBPyConnection, assert_held: AssertHeld) -> None:
        if self._is_current:
            # The file may have been deleted since: a fresh one is empty.
            self._is_current = self._schema.version_of(connection) == self._schema.version
        if self._is_current:
            return
        version = self._schema.version_of(connection)
        if version > self._schema.version:
            raise WarehouseError(
                f"{self.name} was written by a newer version of Arcadia Dagster (its schema is {version}, this program "
                f"knows {self._schema.version}); upgrade the program"
            )
        if version < self._schema.version:
            connection.execute("BEGIN")
            try:
                self._schema.migrate(connection, version)
                if version == 0:
                    self._storage.arrange(connection, self._schema.tables)
            except _OF_OTHER_TABLES as error:
                # A statement of a migration finds what it needs, and nothing in its place, where the version is the right one.
                _roll_back(connection)
                problem = str(error).partition("\n")[0]
                raise self._storage.damaged(f"its tables are not those of version {version}: {problem}") from error
            except BaseException:
                _roll_back(connection)
                raise
            self._commit(connection, assert_held)
        self._is_current = True

    def _commit(self, connection: duckdb.DuckDBPyConnection, assert_held: AssertHeld) -> None:
        try:
            assert_held()
        except WarehouseError:
            _roll_back(connection)
            raise
        try:
            connection.execute("COMMIT")
        except duckdb.Error as error:
            raise self._storage.uncommitted(error) from error


def _storage(location: str | Path, data_path: str | Path | None, work_path: Path | None) -> Storage:
    if not str(location).startswith("ducklake:"):
        return DuckDBFile(location)
    if data_path is None:
        raise WarehouseError("a lake needs a folder for its files: set ARCADIA_DATA_PATH")
    try:
        # A lake's packages are optional, and their import would slow every use of a file.
        from arcadia_dagster.store.ducklake import DuckLake  # noqa: PLC0415
        from arcadia_dagster.store.lake_files import files_at  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"ARCADIA_WAREHOUSE=ducklake:...: {error.name} is not installed; pip install 'arcadia-dagster[scale]'"
        ) from error
    return DuckLake(str(location), files_at(data_path, work_path or Path(tempfile.gettempdir()) / "arcadia-lake"))


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Roll back where a transaction is still open; DuckDB has closed it already after some errors."""
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return
