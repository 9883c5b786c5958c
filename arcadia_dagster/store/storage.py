"""The interface of a storage: the file and the lake differ in this, and in nothing else."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

import duckdb

from arcadia_dagster.store.lock import ADVICE
from arcadia_dagster.store.table import Table

LockName = Literal["warehouse", "delivery", "fetch", "landing", "statements"]
"""The work that only one process may do at a time: write the warehouse, deliver, fetch, land the inbox, make statements."""

AssertHeld = Callable[[], None]
"""Raises WarehouseError if the lock is lost, which can happen only to a lock on another machine."""


class Storage(Protocol):
    """Where the tables are, and who may write them when."""

    @property
    def name(self) -> str:
        """What messages call it; never with a secret."""

    @property
    def path(self) -> Path:
        """The file, or for a lake a path of this machine. Temporary files lie beside it."""

    @property
    def locks_readers(self) -> bool:
        """Whether a reader waits for a writer, and a writer for readers."""

    def exists(self) -> bool:
        """Whether it was made. Raises WarehouseError where that cannot be known."""

    def was_deleted(self) -> bool:
        """Whether an existing one was deleted, as far as a quick look tells."""

    def byte_size(self) -> int | None:
        """Its size in bytes; None where only a query tells."""

    def lock(
        self, what: LockName, *, path: Path | None, timeout: float, shared: bool = False, advice: str = ADVICE
    ) -> AbstractContextManager[AssertHeld]:
        """One of its locks; `path` is the lock's file where files lock. Raises LockTimeoutError and WarehouseError."""

    def prepare(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Load into a new engine all that it needs to attach it."""

    def create(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make all that attaching needs and does not make itself, where it is missing."""

    def attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        """Attach it as `warehouse` and use it. Raises WarehouseError."""

    def detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let go of it. Raises WarehouseError."""

    def arrange(self, connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
        """Arrange new tables as it stores them best, in the transaction that made them."""

    def explained(self, error: duckdb.Error) -> Exception:
        """A statement's error for a person: a WarehouseError where it is known, else the error itself."""

    def damaged(self, problem: str) -> Exception:
        """A WarehouseError for what was changed at rest, which says what a person does."""

    def uncommitted(self, error: duckdb.Error) -> Exception:
        """The same for the error of a commit."""
