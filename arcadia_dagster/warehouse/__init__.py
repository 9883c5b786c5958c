"""The warehouse: one DuckDB file, or a lake, its locks, its tables, and the versions of its months.

What belongs here: how to connect, who may write when, which tables and columns there are. What does not: what the
figures mean (`billing`) and where they come from (`formats`, `landing`).
"""

from arcadia_dagster.warehouse.connection import Warehouse, WarehouseError
from arcadia_dagster.warehouse.lock import LockTimeoutError, hold

__all__ = ["LockTimeoutError", "Warehouse", "WarehouseError", "hold"]
