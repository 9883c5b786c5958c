"""The asset `focus_export`: each month's lines and invoices as FOCUS files, for other programs."""

from collections.abc import Collection
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb

from arcadia_dagster.defs.assets import common, versions
from arcadia_dagster.reports.focus import INVOICE_DETAIL_COLUMNS, cost_and_usage_columns, export_months
from arcadia_dagster.stages.due import MonthRange, months_sharing_invoices
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster.warehouse.resource import WarehouseResource

_LINES = dg.TableSchema([dg.TableColumn(name, type=type_) for name, type_ in cost_and_usage_columns().items()])
_INVOICES = dg.TableSchema(
    [dg.TableColumn(one.name, type=one.type, description=one.description) for one in INVOICE_DETAIL_COLUMNS]
)


def build(partitions: dg.MonthlyPartitionsDefinition, first_month: date, folder: Path) -> dg.AssetsDefinition:
    """The asset for these months.

    Args:
        partitions: The months that Dagster knows.
        first_month: Invoices of earlier months are held.
        folder: Its files lie in a folder of each month below this one.
    """

    @dg.asset(
        deps=["documents", "raw_invoices", "cost_lines", "tax_split_totals"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.STATEMENTS,
        kinds={"parquet", "csv"},
        owners=common.OWNERS,
        tags=common.FILES,
        metadata={"dagster/column_schema": _LINES, "invoice_detail_columns": dg.MetadataValue.table_schema(_INVOICES)},
        code_version=versions.code_version("focus_export", "reports/__init__.py", "reports/focus.py"),
        description=(
            "Each month as FOCUS, the FinOps open specification: its lines as Cost and Usage 1.2 and its invoices as Invoice "
            "Detail 1.4, as Parquet and as CSV. Other tools that read FOCUS can take them; an inbox of this program "
            "rejects them, for their lines are there already. A run also writes the files of months from or to which one of its "
            "invoices has moved: an invoice is in the files of one month only."
        ),
    )
    def focus_export(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[WarehouseResource]) -> None:
        made, by_month = {}, {}
        with warehouse.get().read() as connection:
            months = _months_with(connection, common.months_of(context), MonthRange.since(first_month))
            exported_by_month = export_months(connection, folder, months)
        for month, exported in exported_by_month.items():
            # The version is of the CSV files: Parquet files of the same rows may differ.
            made[month] = versions.version_of_files(path for path in exported.files if path.suffix == ".csv")
            by_month[month] = {
                common.PARTITION_ROW_COUNT: exported.lines,
                "invoice_details": exported.details,
                **{path.name: dg.MetadataValue.path(str(path)) for path in exported.files},
            }
        common.note_months(context, made, by_month)

    return focus_export


def _months_with(connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange) -> set[date]:
    """The run's months, and those that the stages have built with them; a month that is behind has a run of its own to come."""
    others = months_sharing_invoices(connection, months) - stale(connection, schema.COST_LINES.name)
    return {*months, *(month for month in others if month in range_)}
