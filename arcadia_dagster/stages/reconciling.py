"""Whether totals are the sums of their lines."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Final

import duckdb

from arcadia_dagster.billing.currency import exponents_sql, format_exact, to_minor_sql
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list, stale

CHANGED_OR_DEFECT: Final = (
    "somebody has changed a table of the warehouse, and `arcadia rebuild` makes a new one; or it is a defect: report it"
)
"""What a difference can come from, and what a person does."""


def unreconciled(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[str]:
    """What `unreconciled_invoices` says of each invoice, with its id."""
    found = unreconciled_invoices(connection, months).items()
    return [f"invoice {invoice.external_id}: {figures}" for invoice, figures in found]


def unreconciled_invoices(
    connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None
) -> dict[InvoiceKey, str]:
    """The invoices whose totals, lines and parts of tenants do not agree, each with its figures.

    Without `months` it looks at all months, except those that a run is building or has left half built: their tables differ
    until the totals are built too, and none of their invoices is pushed before.

    They can only differ by a defect of ours, or because somebody has changed a table. Net and tax must sum to gross; lines to the
    unrounded sums, which must round to the minor units; the lines must be as many as the document states, and come to as much,
    but for those that bring them to a stated total; and what the tenants bear must be the whole.
    """
    if months is None:
        behind = stale(connection, schema.COST_LINES.name) | stale(connection, schema.TAX_SPLIT_TOTALS.name)
        only = f"NOT IN ({month_list(behind)})" if behind else "IS NOT NULL"
    else:
        only = f"IN ({month_list(months)})"
    rows = connection.execute(
        f"""
        WITH line AS (
          SELECT source, account_id, external_id, invoice_month, count(*) AS line_count, sum(amount) AS amount,
            coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) AS tax, any_value(currency) AS currency,
            count(*) FILTER (added_by IS NULL) AS document_lines, count(DISTINCT currency) AS currencies,
            coalesce(sum(amount) FILTER (added_by IS NULL), 0) AS document_amount
          FROM cost_lines WHERE invoice_month {only} GROUP BY ALL
        ), stated AS (
          SELECT source, account_id, external_id, sum(line_count) AS line_count,
            -- A statement has no lines. Where one of the documents has several currencies, it has no sum.
            CASE WHEN count(*) FILTER (NOT coalesce(is_statement, false) AND lines_total IS NULL) = 0
              THEN sum(lines_total) FILTER (NOT coalesce(is_statement, false)) END AS amount
          FROM current_invoices GROUP BY ALL
        ), borne AS (
          SELECT source, account_id, external_id, invoice_month, sum(amount_gross_minor) AS gross, sum(amount_tax_minor) AS tax,
            sum(amount_net_minor) AS net
          FROM allocations WHERE invoice_month {only} GROUP BY ALL
        )
        SELECT source, account_id, external_id, total.amount_gross_minor, total.amount_net_minor,
          total.amount_tax_minor, total.line_count, line.document_lines, stated.line_count, total.amount_gross, line.amount,
          stated.amount, line.document_amount, borne.gross
        FROM (FROM tax_split_totals WHERE invoice_month {only}) AS total
        FULL JOIN line USING (source, account_id, external_id, invoice_month)
        LEFT JOIN borne USING (source, account_id, external_id, invoice_month)
        LEFT JOIN {exponents_sql()} AS iso ON iso.currency = total.currency
        LEFT JOIN stated
          ON stated.source = total.source AND stated.account_id = total.account_id
          AND stated.external_id = total.external_id
        WHERE coalesce(total.line_count, -1) <> coalesce(line.line_count, -1)
          OR coalesce(line.document_lines, -1) <> coalesce(stated.line_count, -1)
          OR (line.currencies = 1 AND (total.amount_gross, total.amount_tax, total.currency)
            IS DISTINCT FROM (line.amount, line.tax, line.currency))
          OR (line.currencies = 1 AND stated.amount <> line.document_amount)
          OR total.amount_gross_minor <> total.amount_net_minor + total.amount_tax_minor
          OR (total.amount_gross_minor, total.amount_tax_minor) IS DISTINCT FROM
            ({to_minor_sql("total.amount_gross", "iso.exponent")}, {to_minor_sql("total.amount_tax", "iso.exponent")})
          OR (total.amount_gross_minor IS NOT NULL AND (borne.gross, borne.net, borne.tax)
            IS DISTINCT FROM (total.amount_gross_minor, total.amount_net_minor, total.amount_tax_minor))
        """
    ).fetchall()
    return {
        InvoiceKey(*key): (
            f"gross {gross}, net {net}, tax {tax} minor units; {counted} lines in its totals, {lines} in "
            f"cost_lines, {stated} stated; unrounded {_shown(unrounded)} against {_shown(summed)}; "
            f"its documents' lines {_shown(read)} against {_shown(kept)}; "
            f"borne by tenants: {borne} minor units"
        )
        for *key, gross, net, tax, counted, lines, stated, unrounded, summed, read, kept, borne in rows
    }


def _shown(amount: Decimal | None) -> str:
    return "unknown" if amount is None else format_exact(amount, None)
