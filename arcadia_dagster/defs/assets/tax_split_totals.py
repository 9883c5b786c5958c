"""The asset `tax_split_totals`: gross, net and tax of each invoice, and whether it may be pushed."""

from datetime import date

import dagster as dg

from arcadia_dagster.defs.assets import common, preview, versions
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.stages.tax_split_totals import build_tax_split_totals
from arcadia_dagster.statement.resource import StatementsResource
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.digests import contents
from arcadia_dagster.warehouse.resource import WarehouseResource

_PREVIEW = """
SELECT invoice_month, source, account_id, external_id, currency, amount_gross_minor, amount_net_minor, amount_tax_minor,
  line_count, status, array_to_string(hold_reasons, '; ') AS held_because
FROM tax_split_totals WHERE invoice_month IN ({months}) ORDER BY status, source, external_id
"""

_ALLOCATED = """
SELECT invoice_month, coalesce(tenant_id, '(the identity''s own)') AS tenant, source, external_id, currency, amount_gross_minor,
  amount_net_minor, amount_tax_minor, line_count
FROM allocations WHERE invoice_month IN ({months}) ORDER BY source, external_id, tenant_id
"""

_TABLES = (schema.TAX_SPLIT_TOTALS, schema.ALLOCATIONS)


def build(partitions: dg.MonthlyPartitionsDefinition, first_month: date, pool: str) -> dg.AssetsDefinition:
    """The asset for these months.

    Args:
        partitions: The months that Dagster knows.
        first_month: Invoices of earlier months are held.
        pool: The pool of the steps that write the warehouse.
    """

    @dg.asset(
        deps=["raw_invoices", "cost_lines"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.FINANCE,
        kinds={"duckdb"},
        owners=common.OWNERS,
        tags=common.WAREHOUSE,
        pool=pool,
        metadata=common.table_metadata(schema.TAX_SPLIT_TOTALS),
        code_version=versions.code_version("tax_split_totals"),
        description=(
            "One row for each invoice: gross = net + tax, in minor units (cents), rounded once. An invoice is `ready` to be "
            "pushed to finance, or `held` with reasons that a person can act on: a total that does not add up, a possible "
            "duplicate, a month that cannot be."
        ),
    )
    def tax_split_totals(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        statements: dg.ResourceParam[StatementsResource],
    ) -> None:
        store = warehouse.get()
        range_ = MonthRange.since(first_month)
        with store.write() as connection:
            before = contents(connection, _TABLES)
            build_tax_split_totals(connection, common.months_of(context), range_)
            after = contents(connection, _TABLES)
            # Also months that an invoice has moved from, or in which one is held because of another month's.
            changed = {month for month in before.keys() | after.keys() if before.get(month) != after.get(month)}
            months = [month for month in sorted({*common.months_of(context), *changed}) if month in range_]
            made = contents(connection, _TABLES, months)
            by_month = preview.merged(
                preview.row_counts(connection, "tax_split_totals", months),
                preview.totals_by_month(connection, months),
                preview.named("invoices_split", preview.tables_by_month(connection, months, _PREVIEW)),
                preview.named(
                    "statement", {month: dg.MetadataValue.url(statements.link_to(month)) for month in months}
                ),
                preview.named("borne_by_tenants", preview.tables_by_month(connection, months, _ALLOCATED)),
            )
        common.note_months(context, made, by_month, schema.TAX_SPLIT_TOTALS)

    return tax_split_totals
