"""Maintenance of a lake: each transaction leaves small files and a snapshot, which make reading slower.

A DuckDB file keeps itself in order.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from arcadia_dagster.store.database import Database

KEEP = timedelta(hours=24)
"""How long replaced files are kept: longer than any reader reads one snapshot."""


@dataclass(frozen=True, slots=True)
class Maintained:
    """What maintenance did.

    Attributes:
        merged: Files that were merged into fewer, or written again without their deleted rows.
        snapshots: Snapshots that cannot be read any more.
        deleted: Files that no snapshot needs, or that a killed process left.
    """

    merged: int
    snapshots: int
    deleted: int


def maintain(warehouse: Database, *, keep: timedelta = KEEP) -> Maintained:
    """Compact a lake's files and forget its old snapshots, alone: writers wait meanwhile, readers do not.

    Each step is a transaction of its own. After a step that is cut short, the next maintenance goes on.

    Args:
        warehouse: The lake; of a DuckDB file nothing is done.
        keep: For how long what was replaced is kept.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    if not warehouse.is_lake:
        return Maintained(0, 0, 0)
    before = f"TIMESTAMPTZ '{(datetime.now(UTC) - keep).isoformat()}'"
    with warehouse.write_statements() as connection:
        connection.execute("CALL ducklake_flush_inlined_data('warehouse')")
        merged = 0
        for step in ("ducklake_rewrite_data_files", "ducklake_merge_adjacent_files"):
            rows = connection.execute(f"SELECT sum(files_processed) FROM {step}('warehouse')").fetchall()
            merged += int(rows[0][0] or 0)
        expired = connection.execute(f"FROM ducklake_expire_snapshots('warehouse', older_than => {before})").fetchall()
        deleted = 0
        for step in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
            deleted += len(connection.execute(f"FROM {step}('warehouse', older_than => {before})").fetchall())
    return Maintained(merged, len(expired), deleted)
