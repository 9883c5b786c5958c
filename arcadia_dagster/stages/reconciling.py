"""Whether totals are the sums of their lines."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list, stale


def unreconciled(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[str]:
    """What `unreconciled_invoices` says of each invoice."""
    return list(unreconciled_invoices(connection, months).values())


def unreconciled_invoices(
    connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None
) -> dict[InvoiceKey, str]:
    """The invoices whose totals do not add up to their lines, each with a sentence that has the figures.

    Without `months` it looks at all months, except those that a run is building or has left half built: their tables differ
    until the totals are built too, and none of their invoices is pushed before.

    They can only differ by a defect of ours: net and tax must sum to gross, lines to the unrounded sums, and the lines be
    as many as the document states, but for those that bring them to a stated total.
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
            count(*) FILTER (added_by IS NULL) AS document_lines, count(DISTINCT currency) AS currencies
          FROM cost_lines WHERE invoice_month {only} GROUP BY ALL
        ), stated AS (
          SELECT source, account_id, external_id, sum(line_count) AS line_count
          FROM current_invoices GROUP BY ALL
        )
        SELECT source, account_id, external_id, total.amount_gross_minor, total.amount_net_minor,
          total.amount_tax_minor, total.line_count, line.document_lines, stated.line_count, total.amount_gross, line.amount
        FROM (FROM tax_split_totals WHERE invoice_month {only}) AS total
        FULL JOIN line USING (source, account_id, external_id, invoice_month)
        LEFT JOIN stated
          ON stated.source = total.source AND stated.account_id = total.account_id
          AND stated.external_id = total.external_id
        WHERE coalesce(total.line_count, -1) <> coalesce(line.line_count, -1)
          OR coalesce(line.document_lines, -1) <> coalesce(stated.line_count, -1)
          OR (line.currencies = 1 AND total.amount_gross IS DISTINCT FROM line.amount)
          OR total.amount_gross_minor <> total.amount_net_minor + total.amount_tax_minor
        """
    ).fetchall()
    return {
        InvoiceKey(source, account_id, external_id): (
            f"invoice {external_id}: gross {gross}, net {net}, tax {tax} minor units; {counted} lines in its totals, {lines} in "
            f"cost_lines, {stated} stated; unrounded {unrounded} against {summed}"
        )
        for source, account_id, external_id, gross, net, tax, counted, lines, stated, unrounded, summed in rows
    }
