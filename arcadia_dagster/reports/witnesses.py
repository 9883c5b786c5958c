"""The totals of each invoice by lines, statement and finance, and the share of the spend that has a second witness."""

from collections.abc import Collection
from datetime import date
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.agreement import Agreement
from arcadia_dagster.store.query import fetch, text_literal
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list

_INVOICES: Final = """
invoice AS (
  SELECT total.*, stated_gross_minor = amount_gross_minor AND lines_gross_minor IS NOT NULL AS is_witnessed,
    stated_gross_minor IS NULL AND invoice_month >= since AS is_missed
  FROM awaited_invoices AS total
  SEMI JOIN (FROM current_invoices WHERE is_final) AS final USING (source, account_id, external_id)
  LEFT JOIN (
    -- Since when the account's issuer states its invoices; a file with a total is a person's word.
    SELECT invoice.source, invoice.account_id, min(invoice.invoice_month) AS since
    FROM current_invoices AS invoice
    SEMI JOIN (FROM stated_invoices WHERE amount_gross IS NOT NULL) AS stated USING (document_sha256, invoice_ordinal)
    GROUP BY ALL
  ) AS expected USING (source, account_id)
  WHERE currency IS NOT NULL AND standing <> 'void'
)"""
"""SQL: a CTE of the final invoices, each with whether lines and a statement come to what is on record, and whether its issuer
does not state it although it stated earlier ones of the account."""

_SHARES: Final = f"""
WITH {_INVOICES}
SELECT source, account_id, currency, count(*) AS invoices, count(*) FILTER (is_witnessed) AS with_a_second_witness,
  coalesce(CAST(round(100 * CAST(sum(abs(amount_gross_minor)) FILTER (is_witnessed) AS DECIMAL(38,1))
    / nullif(sum(abs(amount_gross_minor)), 0), 1) AS DECIMAL(5,1)), 0)::VARCHAR AS percent_of_spend
FROM invoice
GROUP BY ALL ORDER BY source, account_id, currency
"""
NOT_STATED: Final = f"""
WITH {_INVOICES}
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, currency, amount_gross_minor
FROM invoice WHERE is_missed
ORDER BY invoice_month DESC, source, account_id, external_id
"""
"""SQL: the invoices that their issuer does not state although it stated earlier ones of the account."""


def shares(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """How much of the spend has a second witness, a row for each account and currency.

    Returns:
        `source`, `account_id`, `currency`; `invoices`: how many are final; `with_a_second_witness`: how many of those have one;
        `percent_of_spend`: which part of their gross that is, as text.
    """
    return fetch(connection, _SHARES)


def agreements(
    connection: duckdb.DuckDBPyConnection, target: str, months: Collection[date] | None = None
) -> dict[InvoiceKey, Agreement]:
    """Each invoice's total by its lines, by its statement, and by the last push that a finance service took.

    Args:
        connection: An open warehouse.
        target: The finance service.
        months: Only invoices of these months.
    """
    of_months = "true" if months is None else f"invoice_month IN ({month_list(months)})"
    rows = fetch(
        connection,
        f"""
        SELECT source, account_id, external_id, currency, lines_gross_minor, stated_gross_minor,
          taken.amount_gross_minor AS taken
        FROM (FROM awaited_invoices WHERE standing <> 'void' AND {of_months}) AS total
        LEFT JOIN (FROM finance_amounts WHERE target = {text_literal(target)}) AS taken
          USING (source, account_id, external_id)
        ORDER BY invoice_month, source, account_id, external_id
        """,
    )
    return {InvoiceKey.of(row): agreement for row in rows if (agreement := Agreement.of(row, row["taken"])) is not None}
