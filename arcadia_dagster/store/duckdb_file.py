"""The warehouse as one DuckDB file: one process writes it, and a second open fails at once, so there is a lock beside it."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from arcadia_dagster.store.errors import DamagedFileError, WarehouseClosedError, WarehouseError
from arcadia_dagster.store.lock import ADVICE, hold
from arcadia_dagster.store.query import text_literal
from arcadia_dagster.store.storage import AssertHeld, LockName
from arcadia_dagster.store.table import Table

# The oldest DuckDB that pyproject.toml allows. Its texts are written a quarter faster than in the format that DuckDB takes by
# default, which much older versions can read.
_STORAGE_VERSION = "v1.5.0"

_INTERNAL = (duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
"""What DuckDB raises where it reads from a file what it can never have written."""

# Of a file that a program has opened that knows nothing of our lock, or whose lock file somebody has deleted.
_HELD = re.compile(r"Could not set lock on file.*?(is held in (?P<program>\S+) \(PID (?P<process>\d+)\)|$)", re.DOTALL)
# What the machine says that a rebuild does not change.
_NOT_OF_THE_FILE = tuple(
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
)
_DAMAGED = re.compile(r"(?i)corrupt|checksum|Could not read enough bytes")


class DuckDBFile:
    """One DuckDB file; see `Storage`."""

    locks_readers = True

    def __init__(self, location: str | Path) -> None:
        """Note where it is, without any link on the way: the locks beside it are then the same under all of its names."""
        self.path = Path(location).resolve()
        self.name = str(self.path)

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def was_deleted(self) -> bool:
        """Whether the file is gone."""
        return not self.path.exists()

    def byte_size(self) -> int:
        """The file's size."""
        return self.path.stat().st_size

    def lock_path(self, what: LockName) -> Path:
        """The lock's file, beside the warehouse."""
        return self.path.with_name(self.path.name + (".lock" if what == "warehouse" else f".{what}.lock"))

    @contextmanager
    def lock(
        self, what: LockName, *, path: Path | None = None, timeout: float, shared: bool = False, advice: str = ADVICE
    ) -> Iterator[AssertHeld]:
        """The lock on a file, which the kernel keeps for as long as this process lives."""
        # Only the warehouse is shared, so only there could who wants it alone wait for ever.
        turn = self.path.with_name(self.path.name + ".turn.lock") if what == "warehouse" else None
        with hold(path or self.lock_path(what), timeout=timeout, shared=shared, advice=advice, turn=turn):
            yield lambda: None

    def prepare(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Nothing: DuckDB knows its own files."""

    def create(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Nothing: attaching makes the file."""

    def attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        """Open the file, and make it where it is missing and not only to be read."""
        mode = "READ_ONLY" if read_only else f"STORAGE_VERSION '{_STORAGE_VERSION}'"
        self._assert_plain_log()
        try:
            # With its type: DuckDB would take a SQLite file for one, and download an extension to read it.
            connection.execute(f"ATTACH {text_literal(str(self.path))} AS warehouse (TYPE duckdb, {mode})")
            connection.execute("USE warehouse")
        except duckdb.Error as error:
            if (held := _HELD.search(str(error))) is not None:
                holder = f"process {held['program']} {held['process']}" if held["process"] else "another process"
                raise WarehouseClosedError(
                    f"{self.path} is open in another program ({holder}): close it there, then run this again. Processes of "
                    "`arcadia` take turns; a program that opens the file by itself, such as a notebook, keeps all others out"
                ) from error
            if (reason := next((reason for reason in _NOT_OF_THE_FILE if reason in str(error)), None)) is not None:
                raise WarehouseClosedError(
                    f"{self.path} cannot be opened ({reason}): see that there is room, and that this user may read and write it, "
                    "then run this again"
                ) from error
            raise DamagedFileError(
                f"{self.path} cannot be opened as a warehouse ({_first_line(error)})",
                "; is ARCADIA_WAREHOUSE right? If it is, run `arcadia rebuild`: it moves the file away and builds a new one from "
                "the archive",
            ) from error

    def _assert_plain_log(self) -> None:
        """DuckDB waits for ever for what a pipe in the place of its log says."""
        log = Path(f"{self.path}.wal")
        if os.path.lexists(log) and not log.is_file():
            raise WarehouseError(f"{log} is no plain file, and is in the place of the warehouse's log: remove it")

    def detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close the file; after a write its log is merged into it."""
        try:
            connection.execute("USE memory")
            connection.execute("DETACH warehouse")
        except duckdb.Error as error:
            raise WarehouseError(
                f"{self.path}: what was committed is kept in its log, but could not be merged into the file; make room and run "
                f"again: {error}"
            ) from error

    def arrange(self, connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
        """Nothing: the file knows the least and greatest month of each of its blocks."""

    def explained(self, error: duckdb.Error) -> Exception:
        """The error as it is; of a file whose blocks were changed, or cut off, what to do."""
        is_damage = isinstance(error, _INTERNAL) or _DAMAGED.search(str(error)) is not None
        return self.damaged(_first_line(error)) if is_damage else error

    def damaged(self, problem: str) -> Exception:
        """What was changed in the file; the archive has all that it is built from."""
        return DamagedFileError(
            f"{self.path} is damaged ({problem})",
            ": run `arcadia rebuild`, which moves the file away and builds a new one from the archive",
        )

    def uncommitted(self, error: duckdb.Error) -> Exception:
        """The error as it is: a failed commit to a file has not happened."""
        return WarehouseError(f"{self.path}: nothing was written: {error}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
