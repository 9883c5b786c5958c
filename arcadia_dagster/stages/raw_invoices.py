"""The stage `raw_invoices`: which versions of which invoices there are, and which is current."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.stages.due import MonthRange, due_months
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.months import month_list, replace, versions


def build_raw_invoices(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `raw_invoices` by what the register says now, within the caller's transaction.

    Returns:
        The months that were built: see `due_months`.

    Raises:
        WarehouseError: See `replace`.
    """
    wanted = due_months(connection, schema.RAW_INVOICES.name, months, range_)
    replace(
        connection,
        schema.RAW_INVOICES,
        wanted,
        _raw_invoices_sql(wanted),
        built_from=versions(connection, schema.DOCUMENT_INVOICES.name, wanted),
    )
    return wanted


def _raw_invoices_sql(months: Collection[date]) -> str:
    """Every version of the months' invoices. The newest of an invoice is current, in whatever month it is."""
    return f"""
    SELECT invoice.*, document.file_name,
      CASE WHEN row_number() OVER (
        PARTITION BY invoice.source, invoice.account_id, invoice.external_id
        ORDER BY invoice.received_at DESC, length(document.file_name) DESC, document.file_name DESC,
          invoice.document_sha256 DESC
      ) = 1 THEN 'current' ELSE 'superseded' END AS status
    FROM document_invoices AS invoice
    JOIN documents AS document USING (document_sha256)
    SEMI JOIN (SELECT * FROM document_invoices WHERE invoice_month IN ({month_list(months)})) AS concerned
      ON concerned.source = invoice.source AND concerned.account_id = invoice.account_id
      AND concerned.external_id = invoice.external_id
    QUALIFY invoice.invoice_month IN ({month_list(months)})
    """
