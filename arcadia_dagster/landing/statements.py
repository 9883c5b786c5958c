"""Which invoice a statement is about: the one with the same id in other documents, under any account.

A statement may name an invoice by the number printed on it where its lines have an id, may not know the account, and may come
first. So each landing places it anew by the present register; its own words stay in `stated_invoices`.
"""

from datetime import date

import duckdb

from arcadia_dagster.reading.format import UNKNOWN_ACCOUNT
from arcadia_dagster.warehouse.keys import InvoiceKey


def place(connection: duckdb.DuckDBPyConnection) -> set[date]:
    """Give each statement the key of the invoice that it is about.

    Of several invoices with the statement's id, the one of its account counts, else one where invoice or statement has no
    account, else any; of these the one with the nearest month.

    Returns:
        The months of the invoices that have gained or lost a statement.
    """
    rows = connection.execute(
        f"""
        WITH named AS (
          SELECT source, account_id, external_id, invoice_month, unnest([external_id, stated_id, invoice_number]) AS name
          FROM document_invoices WHERE NOT {_STATES}
          UNION
          SELECT invoice.source, invoice.account_id, invoice.external_id, invoice.invoice_month, alias.alias_external_id
          FROM document_invoices AS invoice JOIN invoice_aliases AS alias USING (source, account_id, external_id)
          WHERE NOT {_STATES}
        ), statement AS (
          SELECT own.document_sha256, own.invoice_ordinal, own.source, own.account_id, own.external_id, own.invoice_month,
            coalesce(stated.account_id, '{UNKNOWN_ACCOUNT}') AS own_account,
            -- A number that begins anew has its month behind it, see `numbers_anew`.
            CASE WHEN own.stated_id IS NULL THEN stated.external_id ELSE own.external_id END AS own_id,
            unnest([stated.external_id, stated.invoice_number]) AS name
          FROM document_invoices AS own JOIN stated_invoices AS stated USING (document_sha256, invoice_ordinal)
          WHERE {_STATES}
        ), found AS (
          SELECT statement.document_sha256, statement.invoice_ordinal, named.account_id AS found_account,
            named.external_id AS found_id, named.invoice_month AS found_month
          FROM statement JOIN named ON named.source = statement.source AND named.name = statement.name
          QUALIFY row_number() OVER (
            PARTITION BY statement.document_sha256, statement.invoice_ordinal
            ORDER BY named.account_id = own_account DESC, '{UNKNOWN_ACCOUNT}' IN (named.account_id, own_account) DESC,
              abs(datediff('month', named.invoice_month, statement.invoice_month)), named.account_id, named.external_id
          ) = 1
        )
        SELECT DISTINCT coalesce(found_account, own_account) AS new_account, coalesce(found_id, own_id) AS new_id,
          document_sha256, invoice_ordinal, account_id, external_id, source
        FROM statement LEFT JOIN found USING (document_sha256, invoice_ordinal)
        WHERE (new_account, new_id) <> (account_id, external_id)
        """
    ).fetchall()
    touched: set[date] = set()
    for account, external_id, sha256, ordinal, old_account, old_id, source in rows:
        for key in (InvoiceKey(source, old_account, old_id), InvoiceKey(source, account, external_id)):
            touched |= _months(connection, key)
        connection.execute(
            "UPDATE document_invoices SET account_id = ?, external_id = ? WHERE document_sha256 = ? AND invoice_ordinal = ?",
            [account, external_id, sha256, ordinal],
        )
    return touched


_STATES = "(coalesce(is_statement, false) OR coalesce(yields, false))"


def _months(connection: duckdb.DuckDBPyConnection, key: InvoiceKey) -> set[date]:
    rows = connection.execute(
        "SELECT DISTINCT invoice_month FROM document_invoices WHERE source = ? AND account_id = ? AND external_id = ?",
        key,
    ).fetchall()
    return {month for (month,) in rows}
