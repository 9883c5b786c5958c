"""What all assets share: partitions, policies, owners, and the months of a run."""

import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse.schema import Table

OWNERS = ["team:platform"]

# Dagster marks it as beta, once for each asset, in every process. Its version is pinned, and we use it on purpose.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

# The same on every asset: assets with different policies are backfilled one after another, which takes twice as long.
BACKFILL_POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=12)


# Dagster's own names for how many rows a table, or one partition of it, has: the UI plots them.
ROW_COUNT = "dagster/row_count"
PARTITION_ROW_COUNT = "dagster/partition_row_count"


def monthly(first_month: date) -> dg.MonthlyPartitionsDefinition:
    """One partition a month (UTC), from the first month to the present one, which is still open."""
    return dg.MonthlyPartitionsDefinition(start_date=first_month.isoformat(), timezone="UTC", end_offset=1)


def months_of(context: dg.AssetExecutionContext) -> list[date]:
    """The months of the run."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def range_of(partitions: dg.PartitionsDefinition[str]) -> MonthRange:
    """The months that have a partition now."""
    if not isinstance(partitions, dg.MonthlyPartitionsDefinition):
        raise TypeError(f"expected monthly partitions, got {type(partitions).__name__}")
    return MonthRange(partitions.start.date(), datetime.now(UTC).date().replace(day=1))


def column_schema(table: Table) -> dg.TableSchema:
    """A table's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, type=column.type, description=column.description) for column in table.columns
        ]
    )


def table_metadata(table: Table) -> dict[str, Any]:
    """What an asset says of its table before any run: its columns and its name in the warehouse."""
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": table.name}


def add_month_metadata(
    context: dg.AssetExecutionContext, months: list[date], by_month: Mapping[date, Mapping[str, Any]]
) -> None:
    """Record each month's own metadata: twelve months in one run show twelve different figures."""
    for month in months:
        context.add_asset_metadata(by_month.get(month, {}), partition_key=month.isoformat())
