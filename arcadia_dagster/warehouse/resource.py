"""The warehouse as a resource of runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from arcadia_dagster.settings import LOCK_TIMEOUT, Settings
from arcadia_dagster.warehouse.warehouse import Warehouse


@dataclass(kw_only=True, slots=True)
class WarehouseResource:
    """Where state lies. Assets get a `Warehouse`, which opens nothing until it is read or written.

    Attributes:
        path: The DuckDB file, or `ducklake:postgres:` and where the catalog is.
        data_path: The folder of a lake's files, or the URL of their bucket.
        work_path: See `Database`.
        lock_timeout: Seconds to wait for another process at most.
        warehouse: The warehouse itself, where it was made already; else it is made when it is first needed.
    """

    path: str
    data_path: str = ""
    work_path: str = ""
    lock_timeout: float = LOCK_TIMEOUT
    warehouse: Warehouse | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, values: Settings, warehouse: Warehouse | None = None) -> Self:
        """The warehouse that the settings describe; `warehouse` is itself, where it was made already."""
        return cls(
            path=values.warehouse,
            data_path=str(values.data_path),
            work_path=str(values.lake_work),
            lock_timeout=values.lock_timeout,
            warehouse=warehouse,
        )

    def get(self) -> Warehouse:
        """The warehouse: the same object for the whole run."""
        if self.warehouse is None:
            self.warehouse = self.get_within(self.lock_timeout)
        return self.warehouse

    @property
    def waited_seconds(self) -> float:
        """How long the warehouse has waited for its locks so far."""
        return 0.0 if self.warehouse is None else self.warehouse.waited_seconds

    def get_within(self, lock_timeout: float) -> Warehouse:
        """The warehouse with another time-out, for a caller that can wait only so many seconds for another process."""
        return Warehouse(
            self.path,
            lock_timeout=lock_timeout,
            data_path=self.data_path or None,
            work_path=Path(self.work_path) if self.work_path else None,
        )
