"""The warehouse as a Dagster resource."""

import dagster as dg
from pydantic import Field, PrivateAttr

from arcadia_dagster.warehouse.connection import DEFAULT_LOCK_TIMEOUT, Warehouse


class WarehouseResource(dg.ConfigurableResource["WarehouseResource"]):
    """Where state lies. Assets get a `Warehouse`, which opens nothing until it is read or written."""

    path: str = Field(description="The DuckDB file, or `ducklake:postgres:` and where the catalog is.")
    data_path: str = Field(default="", description="The folder of a lake's files.")
    lock_timeout: float = Field(
        default=DEFAULT_LOCK_TIMEOUT, description="Seconds to wait for another process at most."
    )

    _warehouse: Warehouse | None = PrivateAttr(None)

    def get(self) -> Warehouse:
        """The warehouse: the same object for the whole run."""
        if self._warehouse is None:
            self._warehouse = self.get_within(self.lock_timeout)
        return self._warehouse

    def get_within(self, lock_timeout: float) -> Warehouse:
        """The same for who can wait for another process only so many seconds."""
        return Warehouse(self.path, lock_timeout=lock_timeout, data_path=self.data_path or None)
