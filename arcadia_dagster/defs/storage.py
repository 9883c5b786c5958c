"""Dagster's SQLite storage, with the databases of events kept open.

Dagster opens a database for each event, twice, and closes it, and SQLite writes its log into the file and syncs that each time an
only connection closes: 12 ms of the 15 that an event took on the disk of 2026-11-29, and a run of one month has 90 events, one of
sixty months 930.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dagster as dg
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

from arcadia_dagster.defs.internals import (
    SQLITE_BUSY_TIMEOUT_SECONDS,
    ConfigurableClassData,
    DagsterSqliteStorage,
    SqliteEventLogStorage,
)
from arcadia_dagster.store.lock import hold

_MOST_OPEN: Final = 8
"""Databases of runs that stay open in a process: those that are written, and the last ones that somebody looked at."""

_MOST_TOGETHER: Final = 500
"""Events that are committed together: a run of sixty months plans hundreds before its first step."""

_MAKING_SECONDS: Final = 120.0
"""How long another process may take to make the databases, which takes a second."""


class SqliteStorage(DagsterSqliteStorage):
    """Dagster's own; only what holds the events is another."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open it.

        Args:
            base_dir: The folder of all databases.
            inst_data: What names this class and the folder in `dagster.yaml`.

        Raises:
            LockTimeoutError: Another process took minutes to make it.
        """
        # Dagster makes each database that is missing. Of four processes that began at once in a new home, each stamped the
        # version of its tables, and none could open them any more: "more than one head present" (2026-11-29).
        with hold(Path(base_dir) / ".lock", timeout=_MAKING_SECONDS, advice="wait for it to end, then run this again"):
            super().__init__(base_dir, inst_data)
            self._event_log_storage = KeptOpenEventLog(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "SqliteStorage":  # noqa: ANN401
        """Make it as `dagster.yaml` has it."""
        return cls.from_local(inst_data=inst_data, **config_value)


class KeptOpenEventLog(SqliteEventLogStorage):
    """Dagster's own, with the same files; a database is opened once and stays open until others take its place.

    The events that Dagster gives together, as those of an asset's months, are committed together, in each database once.

    A commit is not synced: where the machine loses power, the last events of a run may be lost, and the database is whole
    (https://sqlite.org/wal.html, 2.4). What the program promises lies in the archive and in the warehouse.
    """

    _engines: OrderedDict[str, tuple[Engine, int]]
    _under_way: dict[str, Connection]

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Nothing is open yet."""
        self._engines = OrderedDict()
        self._under_way = {}
        self._tables: set[str] = set()
        self._columns_of_assets: set[str] = set()
        # Dagster gives events together only where this is set.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(_MOST_TOGETHER))
        super().__init__(base_dir, inst_data)
        self._db_lock: Any = threading.RLock()  # a batch holds it while each of its events is stored

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events of one run. Each database takes all of them or none; that of the run is the first to do so.

        Args:
            events: What Dagster gives together; each is stored as it would be alone.
        """
        with self.index_connection(), self.run_connection(events[0].run_id):
            for each in events:
                self.store_event(each)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A connection in a transaction, to the events of a run or to the index of all; within a batch, that of the batch."""
        with self._db_lock:
            if shard in self._under_way:
                yield self._under_way[shard]
                return
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                database: Any = connection.connection.dbapi_connection
                before = database.total_changes
                self._under_way[shard] = connection
                try:
                    yield connection
                finally:
                    del self._under_way[shard]
            # The UI follows a run by the changes of its file, and a commit changes the log beside it. It reads the file then:
            # a read must not look like a change.
            if database.total_changes != before:
                os.utime(self.path_for_shard(shard))

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table. Dagster asks for each event; no table goes again."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns_of_assets and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns_of_assets.add(column_name)
        return column_name in self._columns_of_assets

    def _engine(self, shard: str) -> Engine:
        path = Path(self.path_for_shard(shard))
        inode = path.stat().st_ino if path.exists() else None
        if shard in self._engines and self._engines[shard][1] != inode:
            self._close(shard)  # somebody has deleted the run
        if shard not in self._engines:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            event.listen(engine, "connect", _without_syncs)
            engine.connect().close()  # makes the file
            self._engines[shard] = engine, path.stat().st_ino
            while len(self._engines) > _MOST_OPEN:
                self._close(next(iter(self._engines)))
        self._engines.move_to_end(shard)
        return self._engines[shard][0]

    def _close(self, shard: str) -> None:
        self._engines.pop(shard)[0].dispose()

    def wipe(self) -> None:
        """Delete all events."""
        self._close_all()
        super().wipe()

    def dispose(self) -> None:
        """Close all databases."""
        super().dispose()
        self._close_all()

    def _close_all(self) -> None:
        with self._db_lock:
            for shard in list(self._engines):
                self._close(shard)


def _without_syncs(connection: Any, _: object) -> None:  # noqa: ANN401 - SQLAlchemy's interface
    connection.execute("PRAGMA synchronous = NORMAL")
