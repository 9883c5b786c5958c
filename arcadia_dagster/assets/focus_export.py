"""The asset `focus_export`: each month's lines and invoices as FOCUS files, for whatever reads that."""

from pathlib import Path

import dagster as dg

from arcadia_dagster.assets import common
from arcadia_dagster.focus import export_month
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.resource import WarehouseResource


def build(partitions: dg.MonthlyPartitionsDefinition, folder: Path) -> dg.AssetsDefinition:
    """The asset for these months; its files lie in a folder of each month below this one."""

    @dg.asset(
        deps=["tax_split_totals"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.STATEMENTS,
        kinds={"parquet", "csv"},
        owners=common.OWNERS,
        code_version=str(schema.SCHEMA_VERSION),
        description=(
            "Each month as FOCUS, the FinOps open specification: its lines as Cost and Usage 1.2 and its invoices as Invoice "
            "Detail 1.4, as Parquet and as CSV. Other tools that read FOCUS can take them; an inbox of this program "
            "rejects them, for their lines are there already."
        ),
    )
    def focus_export(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[WarehouseResource]) -> None:
        months = common.months_of(context)
        by_month = {}
        for month in months:
            with warehouse.get().read() as connection:
                exported = export_month(connection, folder, month)
            by_month[month] = {
                common.PARTITION_ROW_COUNT: exported.lines,
                "invoice_details": exported.details,
                **{path.name: dg.MetadataValue.path(str(path)) for path in exported.files},
            }
        common.add_month_metadata(context, months, by_month)

    return focus_export
