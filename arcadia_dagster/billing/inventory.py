"""What the company runs: `cloud_resources`, from every inventory that ever arrived.

Inventories are snapshots. A resource that the newest one does not list any more stays, with the day it was last seen, for its
past lines are still to be matched.
"""

from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import assert_unique


def build_cloud_resources(warehouse: Warehouse) -> int:
    """Replace `cloud_resources` by what the registered inventories list; the newest word on each resource counts.

    Returns:
        How many resources there are.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    with warehouse.write() as connection:
        connection.execute("DELETE FROM cloud_resources")
        connection.execute(
            """
            INSERT INTO cloud_resources BY NAME
            SELECT resource_id, resource_name, resource_type, account_id, project, document_sha256,
              min(received_at) OVER resource AS first_seen_at, max(received_at) OVER resource AS last_seen_at
            FROM inventories
            WINDOW resource AS (PARTITION BY account_id, resource_type, resource_id)
            QUALIFY row_number() OVER (
              PARTITION BY account_id, resource_type, resource_id
              ORDER BY received_at DESC, document_sha256 DESC, line_number DESC
            ) = 1
            """
        )
        assert_unique(connection, schema.CLOUD_RESOURCES, "true")
        counted = connection.execute("SELECT count(*) FROM cloud_resources").fetchone()
    return 0 if counted is None else int(counted[0])
