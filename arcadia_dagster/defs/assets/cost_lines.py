"""The asset `cost_lines`: the lines of the months' current invoices, normalised and matched."""

from datetime import date

import dagster as dg

from arcadia_dagster.defs.assets import common, preview, versions
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.digests import contents
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.resource import WarehouseResource

_PREVIEW = """
SELECT invoice_month, external_id, line_number, charge_category, service_name, description, amount::VARCHAR AS amount,
  currency, coalesce(matched_resource_id, '') AS matched_resource
FROM cost_lines WHERE invoice_month IN ({months})
QUALIFY row_number() OVER (PARTITION BY invoice_month ORDER BY abs(amount) DESC, document_sha256, line_number) <= 25
ORDER BY abs(amount) DESC
"""

# The system before this one took a description with gst or tax in it for tax.
_DOUBTFUL_TAX = """
SELECT invoice_month, external_id, line_number, service_name, description, charge_category, amount::VARCHAR AS amount, currency
FROM cost_lines WHERE is_tax_doubtful AND invoice_month IN ({months})
QUALIFY row_number() OVER (PARTITION BY invoice_month ORDER BY abs(amount) DESC, document_sha256, line_number) <= 25
ORDER BY abs(amount) DESC
"""


def build(partitions: dg.MonthlyPartitionsDefinition, first_month: date, pool: str) -> dg.AssetsDefinition:
    """The asset for these months.

    Args:
        partitions: The months that Dagster knows.
        first_month: Invoices of earlier months are held.
        pool: The pool of the steps that write the warehouse.
    """

    @dg.asset(
        deps=["raw_invoices", "cloud_resources"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.COSTS,
        kinds={"duckdb"},
        owners=common.OWNERS,
        tags=common.WAREHOUSE,
        pool=pool,
        metadata=common.table_metadata(schema.COST_LINES),
        code_version=versions.code_version("cost_lines"),
        description=(
            "One row for each line of each current invoice, in the same columns whatever the provider: what was charged, for "
            "which service and period, exactly as stated, and whether it is usage, a credit or tax. Lines are matched to "
            "`cloud_resources`; a line that matches nothing is charged all the same."
        ),
    )
    def cost_lines(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        store = warehouse.get()
        range_ = MonthRange.since(first_month)
        built = build_cost_lines(
            store, landing.get_archive(), landing.get_reader(store), common.months_of(context), range_
        )
        months = [month for month in sorted(built) if month in range_]
        with store.read() as connection:
            matched = connection.execute(
                "SELECT invoice_month, count(*) FILTER (match_method = 'id'), count(*) FILTER (match_method = 'name'), "
                "count(*) FILTER (match_method = 'none'), count(*) FILTER (is_tax_doubtful) FROM cost_lines "
                f"WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL"
            ).fetchall()
            by_month = preview.merged(
                preview.row_counts(connection, "cost_lines", months),
                {
                    month: {
                        "lines_matched_by_id": by_id,
                        "lines_matched_by_name": by_name,
                        "lines_unmatched": unmatched,
                        "lines_of_doubtful_tax": doubtful,
                    }
                    for month, by_id, by_name, unmatched, doubtful in matched
                },
                preview.named("largest_lines", preview.tables_by_month(connection, months, _PREVIEW)),
                preview.named("doubtful_tax_lines", preview.tables_by_month(connection, months, _DOUBTFUL_TAX)),
            )
            made = contents(connection, [schema.COST_LINES], months)
        common.note_months(context, made, by_month, schema.COST_LINES)

    return cost_lines
