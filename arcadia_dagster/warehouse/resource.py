"""The warehouse as a Dagster resource."""

from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from arcadia_dagster.warehouse.connection import DEFAULT_LOCK_TIMEOUT, Warehouse


class WarehouseResource(dg.ConfigurableResource["WarehouseResource"]):
    """Where state lies. Assets get a `Warehouse`, which opens nothing until it is read or written."""

    path: str = Field(description="The DuckDB file.")
    lock_timeout: float = Field(
        default=DEFAULT_LOCK_TIMEOUT, description="Seconds to wait for another process at most."
    )

    _warehouse: Warehouse | None = PrivateAttr(None)

    def get(self) -> Warehouse:
        """The warehouse: the same object for the whole run."""
        if self._warehouse is None:
            self._warehouse = Warehouse(Path(self.path), lock_timeout=self.lock_timeout)
        return self._warehouse
