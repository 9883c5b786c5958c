"""The asset `raw_invoices`: the inbox is landed, then the months' invoices are taken from the register."""

import dagster as dg

from arcadia_dagster.defs.assets import common, documents, preview, versions
from arcadia_dagster.landing.landing import Landed
from arcadia_dagster.landing.register import NOT_REPLACED
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.stages.raw_invoices import build_raw_invoices
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.months import contents
from arcadia_dagster.warehouse.resource import WarehouseResource

_PREVIEW = """
SELECT invoice_month, source, account_id, external_id, status, currency, line_count, lines_total::DECIMAL(38,4)::VARCHAR AS total,
  (lines_total - lag(lines_total) OVER invoice)::DECIMAL(38,4)::VARCHAR AS change_against_version_before, file_name,
  strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM raw_invoices WHERE invoice_month IN ({months})
WINDOW invoice AS (PARTITION BY source, account_id, external_id ORDER BY received_at, status DESC)
ORDER BY status, source, external_id, received_at
"""

_REJECTED = f"""
SELECT file_name, status, reason, strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM ({NOT_REPLACED}) ORDER BY received_at DESC
"""


def build(partitions: dg.MonthlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset for these months."""

    @dg.asset(
        deps=[documents.KEY],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.INVOICES,
        kinds={"duckdb", "file"},
        owners=common.OWNERS,
        metadata=common.table_metadata(schema.RAW_INVOICES),
        code_version=versions.code_version("raw_invoices"),
        description=(
            "The invoices that the files in the inbox state, each version of each. A run first takes every new file of the "
            "inbox, of whatever month: its bytes are archived and it is accepted, or rejected with the line and the reason. "
            "Then it lists the invoices of its own months. Where a provider issues an invoice again, the newest file is "
            "current and the older one superseded."
        ),
    )
    def raw_invoices(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        store = warehouse.get()
        landed = landing.land(store)
        _report(context, landed)
        range_ = common.range_of(partitions)
        with store.write() as connection:
            built = build_raw_invoices(connection, common.months_of(context), range_)
            months = [month for month in sorted(built) if month in range_]
            rejected = connection.execute(_REJECTED).df()
            observed = documents.observation(connection)
            by_month = preview.merged(
                preview.row_counts(connection, "raw_invoices", months),
                preview.named("invoices_listed", preview.tables_by_month(connection, months, _PREVIEW)),
                {
                    month: {
                        "rejected": len(rejected),
                        **({"rejected_documents": preview.as_table(rejected)} if len(rejected) else {}),
                        **({"still_being_written": ", ".join(landed.waiting)} if landed.waiting else {}),
                    }
                    for month in months
                },
            )
            made = contents(connection, [schema.RAW_INVOICES], months)
        context.log_event(observed)
        common.note_months(context, made, by_month, schema.RAW_INVOICES)

    return raw_invoices


def _report(context: dg.AssetExecutionContext, landed: Landed) -> None:
    context.log.info(f"inbox: {landed.seen} files, {len(landed.documents)} new documents")
    for path in landed.waiting:
        context.log.info(f"{path}: still being written, left for the next run")
    for name, reason in landed.rejected.items():
        context.log.warning(f"{name}: rejected: {reason}")
    for path, problem in landed.problems.items():
        context.log.warning(f"{path}: not taken: {problem}")
