"""The asset `raw_invoices`: the months' invoices, from the register of documents."""

import re
from collections.abc import Collection
from datetime import date

import dagster as dg
import duckdb

from arcadia_dagster.defs.assets import common, preview, versions
from arcadia_dagster.reports.listing import short_hash
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.stages.raw_invoices import build_raw_invoices
from arcadia_dagster.statement.resource import StatementsResource
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.digests import contents
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.resource import WarehouseResource

_PREVIEW = """
SELECT invoice_month, source, account_id, external_id, status, currency, line_count, lines_total::DECIMAL(38,4)::VARCHAR AS total,
  (lines_total - lag(lines_total) OVER invoice)::DECIMAL(38,4)::VARCHAR AS change_against_version_before, file_name,
  strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM raw_invoices WHERE invoice_month IN ({months})
WINDOW invoice AS (PARTITION BY source, account_id, external_id ORDER BY received_at, status DESC)
ORDER BY status, source, external_id, received_at
"""

_EVIDENCE = """
SELECT DISTINCT invoice.invoice_month, invoice.source, invoice.account_id, invoice.external_id, document.file_name,
  evidence.basis, evidence.document_sha256, strftime(document.received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM current_invoices AS invoice
JOIN invoice_evidence AS evidence USING (source, account_id, external_id)
JOIN documents AS document ON document.document_sha256 = evidence.document_sha256
WHERE invoice.invoice_month IN ({months})
ORDER BY invoice.source, invoice.external_id, document.file_name
"""

_MOST_LINKS = preview.PREVIEW_ROWS


def build(partitions: dg.MonthlyPartitionsDefinition, first_month: date, pool: str) -> dg.AssetsDefinition:
    """The asset for these months.

    Args:
        partitions: The months that Dagster knows.
        first_month: Invoices of earlier months are held.
        pool: The pool of the steps that write the warehouse.
    """

    @dg.asset(
        deps=["documents"],
        partitions_def=partitions,
        backfill_policy=common.BACKFILL_POLICY,
        group_name=common.INVOICES,
        kinds={"duckdb", "file"},
        owners=common.OWNERS,
        tags=common.WAREHOUSE,
        pool=pool,
        metadata=common.table_metadata(schema.RAW_INVOICES),
        code_version=versions.code_version("raw_invoices"),
        description=(
            "Every version of every invoice that the documents state. Where a provider issues an invoice again, the newest "
            "document is current and the older one superseded. Alone it takes nothing from the inbox: `documents` does."
        ),
    )
    def raw_invoices(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        statements: dg.ResourceParam[StatementsResource],
    ) -> None:
        range_ = MonthRange.since(first_month)
        with warehouse.get().write() as connection:
            built = build_raw_invoices(connection, common.months_of(context), range_)
            months = [month for month in sorted(built) if month in range_]
            by_month = preview.merged(
                preview.row_counts(connection, "raw_invoices", months),
                preview.named("invoices_listed", preview.tables_by_month(connection, months, _PREVIEW)),
                preview.named("evidence", preview.tables_by_month(connection, months, _EVIDENCE)),
                preview.named("open_evidence", _links(connection, months, statements)),
            )
            made = contents(connection, [schema.RAW_INVOICES], months)
        common.note_months(context, made, by_month, schema.RAW_INVOICES)

    return raw_invoices


def _links(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], statements: StatementsResource
) -> dict[date, dg.MarkdownMetadataValue]:
    """For each month a list of what the table of evidence names, to open it: the cells of tables are no links."""
    lines: dict[date, list[str]] = {}
    for row in fetch(connection, _EVIDENCE.format(months=month_list(months))):
        sha256 = row["document_sha256"]
        # Names are a file's own words: nothing of them may be read as markup.
        name, number = (re.sub(r"[^\w .-]", " ", row[key]).strip() for key in ("file_name", "external_id"))
        link = statements.link_to_document(sha256)
        opened = f"[{name}]({link})" if link else f"{name}: `arcadia documents get {short_hash(sha256)}`"
        lines.setdefault(row["invoice_month"], []).append(f"- {number}: {opened}")
    return {month: dg.MarkdownMetadataValue("\n".join(found[:_MOST_LINKS])) for month, found in lines.items()}
