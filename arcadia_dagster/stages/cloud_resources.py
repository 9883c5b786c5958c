"""What the company runs: `cloud_resources`, from every inventory that ever arrived.

Inventories are snapshots. A resource that the newest one does not list any more stays, with the day it was last seen, for its
past lines are still to be matched.
"""

import duckdb

from arcadia_dagster.billing.matching import matched_sql
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import assert_unique

_LISTED = """
SELECT resource_id, resource_name, resource_type, account_id, project,
  min(received_at) OVER resource AS first_seen_at, max(received_at) OVER resource AS last_seen_at, document_sha256
FROM inventories
WINDOW resource AS (PARTITION BY account_id, resource_type, resource_id)
QUALIFY row_number() OVER (
  PARTITION BY account_id, resource_type, resource_id
  ORDER BY received_at DESC, document_sha256 DESC, line_number DESC
) = 1
"""

_OUT_OF_DATE = f"""
WITH listed AS ({_LISTED})
(FROM listed EXCEPT FROM cloud_resources) UNION ALL (FROM cloud_resources EXCEPT FROM listed) LIMIT 1
"""

_MATCHED_BY = "account_id, resource_type, resource_id, resource_name"

_CHANGED = f"""
(SELECT {_MATCHED_BY} FROM cloud_resources EXCEPT SELECT {_MATCHED_BY} FROM temp.resource_before)
UNION ALL (SELECT {_MATCHED_BY} FROM temp.resource_before EXCEPT SELECT {_MATCHED_BY} FROM cloud_resources) LIMIT 1
"""

_LINES = "(SELECT document_sha256, line_number, account_id, resource_id, resource_name, resource_type FROM cost_lines)"

_MATCH_AGAIN = f"""
UPDATE cost_lines AS line SET matched_resource_id = match.matched_resource_id, match_method = match.match_method
FROM ({matched_sql(_LINES, "cost_lines", "cloud_resources")}) AS match
WHERE line.document_sha256 = match.document_sha256 AND line.line_number = match.line_number
  AND (line.matched_resource_id, line.match_method) IS DISTINCT FROM (match.matched_resource_id, match.match_method)
"""


def content_for_matching(connection: duckdb.DuckDBPyConnection) -> str:
    """A digest of the columns of `cloud_resources` that matching uses: the same until an inventory changes any of them."""
    [(count, content)] = connection.execute(
        f"SELECT count(*), coalesce(bit_xor(hash({_MATCHED_BY})), 0) FROM cloud_resources"
    ).fetchall()
    return f"{count}:{content:016x}"


def build_cloud_resources(warehouse: Warehouse) -> None:
    """Replace `cloud_resources` by the resources of the registered inventories; the newest row of each resource counts.

    Where that changes anything, the lines of all months are matched anew: which resource a line is for must not depend on
    whether its month was built before or after an inventory came.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    with warehouse.read() as connection:
        is_out_of_date = connection.execute(_OUT_OF_DATE).fetchone() is not None
    if not is_out_of_date:
        return
    with warehouse.write() as connection:
        connection.execute("CREATE TEMP TABLE resource_before AS FROM cloud_resources")
        connection.execute("DELETE FROM cloud_resources")
        connection.execute(f"INSERT INTO cloud_resources BY NAME {_LISTED}")
        assert_unique(connection, schema.CLOUD_RESOURCES, "true")
        if connection.execute(_CHANGED).fetchone() is not None:
            connection.execute(_MATCH_AGAIN)
        connection.execute("DROP TABLE temp.resource_before")
