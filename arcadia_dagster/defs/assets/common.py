"""What all assets share: partitions, policies, owners, and the months of a run."""

import warnings
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from arcadia_dagster.defs.assets.versions import Made, note
from arcadia_dagster.defs.partitions import month_of
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse.lineage import lineage

OWNERS = ["team:platform"]

# The UI lists groups by name: with their numbers they read as the flow.
INVOICES, COSTS, FINANCE, STATEMENTS = "1_invoices", "2_costs", "3_finance", "4_statements"

# Dagster marks it as beta, once for each asset, in every process. Its version is pinned, and we use it on purpose.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

# The same on every asset: assets with different policies are backfilled one after another, which takes twice as long.
BACKFILL_POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=12)


WAREHOUSE, SERVICE, FILES = ({"arcadia/writes": what} for what in ("warehouse", "finance", "files"))
"""The tags of assets by what they write: `tag:"arcadia/writes"="finance"` selects what sends anything to another service."""

POOL = "warehouse"
"""The pool of the steps that write the warehouse; it has no limit until somebody sets one. Deliveries are outside of it, so that
a run that only delivers waits for no writer."""


def tell(context: dg.AssetExecutionContext, tags: Mapping[str, str]) -> None:
    """Put what a person asks of a run first on the run itself, in one write and without an event.

    Args:
        context: The step's.
        tags: Some of `CAME_TAG`, `PUSHED_TAG` and `WAITS_TAG`, in words.
    """
    context.instance.add_run_tags(context.run.run_id, tags)


# Dagster's own names for how many rows a table, or one partition of it, has: the UI plots them.
ROW_COUNT = "dagster/row_count"
PARTITION_ROW_COUNT = "dagster/partition_row_count"


def months_of(context: dg.AssetExecutionContext) -> list[date]:
    """The months of the run."""
    return [month_of(key) for key in context.partition_keys]


def range_of(partitions: dg.PartitionsDefinition[str]) -> MonthRange:
    """The months of partitions that go on to the present month."""
    if not isinstance(partitions, dg.MonthlyPartitionsDefinition):
        raise TypeError(f"expected monthly partitions, got {type(partitions).__name__}")
    return MonthRange.since(partitions.start.date())


def column_schema(table: Table) -> dg.TableSchema:
    """A table's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, type=column.type, description=column.description) for column in table.columns
        ]
    )


def table_metadata(table: Table) -> dict[str, Any]:
    """What an asset says of its table before any run: its columns, its name in the warehouse, and what each column is made of."""
    made_of = [
        dg.TableRecord({"column": column, "is made of": ", ".join(f"{other}.{name}" for other, name in names)})
        for column, names in lineage(table).items()
    ]
    shown = dg.TableSchema([dg.TableColumn("column"), dg.TableColumn("is made of")])
    return {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": table.name,
        **({"columns_are_made_of": dg.TableMetadataValue(made_of, shown)} if made_of else {}),
    }


def column_lineage(asset: dg.AssetKey, table: Table) -> dict[str, Any]:
    """The same as Dagster has it. Its open-source UI does not draw it, but Dagster+ and other readers of the metadata do.

    Args:
        asset: The asset's key, which has the home's prefix.
        table: The table that the asset is.
    """
    prefix = Prefix.of_path(asset.path)
    deps = {
        column: [
            dg.TableColumnDep(asset_key=dg.AssetKey(prefix.path(other)), column_name=name) for other, name in made_of
        ]
        for column, made_of in lineage(table).items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def note_months(
    context: dg.AssetExecutionContext,
    versions: Mapping[date, str],
    by_month: Mapping[date, Mapping[str, Any]],
    table: Table | None = None,
) -> None:
    """Record each month's own metadata and data version: twelve months in one run show twelve different figures.

    The lineage of the columns goes with the run's last month only: it is read from the latest materialization.

    Args:
        context: The step's.
        versions: What stands for each month's content: of the run's months, and of others that were made with them.
        by_month: What to show of each month.
        table: The table that the asset is, where it is one.
    """
    last = max(months_of(context))
    of_columns = {} if table is None else column_lineage(context.asset_key, table)
    note(
        context,
        {
            month: Made(
                version,
                {**by_month.get(month, {}), **(of_columns if month == last else {})},
            )
            for month, version in versions.items()
        },
    )
