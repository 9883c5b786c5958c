"""The asset `cloud_resources`: what the company runs, from the inventories among the documents."""

import dagster as dg

from arcadia_dagster.defs.assets import common, preview, versions
from arcadia_dagster.stages.cloud_resources import build_cloud_resources, content_for_matching
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.resource import WarehouseResource


def build(pool: str) -> dg.AssetsDefinition:
    """The asset.

    Args:
        pool: The pool of the steps that write the warehouse.
    """

    @dg.asset(
        deps=["documents"],
        group_name=common.COSTS,
        kinds={"duckdb", "file"},
        owners=common.OWNERS,
        tags=common.WAREHOUSE,
        pool=pool,
        metadata=common.table_metadata(schema.CLOUD_RESOURCES),
        code_version=versions.code_version("cloud_resources"),
        description=(
            "What the company runs at its providers. Drop an inventory (CSV or JSON with id, name, type, account, project) into "
            "the inbox: cost lines are matched to it by id, or by a name that is unique. A resource that newer inventories do "
            "not list any more stays, for its past lines."
        ),
    )
    def cloud_resources(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
    ) -> None:
        """List every resource as last seen in an inventory."""
        store = warehouse.get()
        build_cloud_resources(store)
        with store.read() as connection:
            by_type = connection.execute(
                "SELECT resource_type, account_id, count(*) AS resources, "
                "strftime(max(last_seen_at), '%Y-%m-%d') AS last_seen FROM cloud_resources GROUP BY ALL ORDER BY ALL"
            ).df()
            content = content_for_matching(connection)
        context.set_data_version(context.asset_key, dg.DataVersion(content))
        context.add_asset_metadata(
            {
                common.ROW_COUNT: int(by_type["resources"].sum()),
                "resources": preview.as_table(by_type),
                **common.column_lineage(context.asset_key, schema.CLOUD_RESOURCES),
            }
        )

    return cloud_resources
