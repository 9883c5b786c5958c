"""What is stored: the tables and columns, their earlier versions, and the versions of months.

What belongs here: which tables and columns there are, and which month of which stage is out of date. What does not: how they are
stored (`store`), what the figures mean (`billing`) and where they come from (`formats`, `landing`).
"""

from arcadia_dagster.store.errors import WarehouseClosedError, WarehouseError
from arcadia_dagster.store.lock import LockTimeoutError, hold
from arcadia_dagster.warehouse.warehouse import Warehouse

__all__ = ["LockTimeoutError", "Warehouse", "WarehouseClosedError", "WarehouseError", "hold"]
