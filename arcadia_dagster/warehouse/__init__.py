"""What is stored: the tables and columns, their earlier versions, the versions of months, and the seals of rows.

What belongs here: which tables and columns there are, which month of which stage is out of date, and which was changed. What does
not: how they are stored (`store`), what the figures mean (`billing`) and where they come from (`formats`, `landing`).
"""

from arcadia_dagster.store.errors import DamagedFileError, WarehouseClosedError, WarehouseError
from arcadia_dagster.store.lock import LockTimeoutError, hold
from arcadia_dagster.warehouse.warehouse import Warehouse

__all__ = ["DamagedFileError", "LockTimeoutError", "Warehouse", "WarehouseClosedError", "WarehouseError", "hold"]
