"""Invoices whose issuer one file names and another does not: the named issuer counts, whichever file came first.

A line may leave its issuer out (AWS documents that there are some), and so may all lines of one file of a delivery. Lines
without an issuer stay under their provider until then, and never decide the source: they would split the invoice.
"""

from datetime import date

import duckdb

from arcadia_dagster.billing.vendors import source_sql

OWN_SOURCE = f"coalesce({source_sql('unnamed_issuer')}, 'unknown')"
"""SQL: the source of what names no issuer, from what stands for one (`unnamed_issuer`)."""


def name_issuers(connection: duckdb.DuckDBPyConnection) -> tuple[set[str], set[date]]:
    """Give invoices without an issuer the one that other documents name for the same invoice, or else their provider.

    The same invoice has the same account, and the same id of the provider's or by its rule, in the same or the next month. Where
    others name several issuers, it stays with its provider.

    Args:
        connection: An open transaction in which the documents are registered.

    Returns:
        The documents that state an invoice under another source now, by their hashes, and the months of these invoices.
    """
    rows = connection.execute(
        f"""
        WITH unnamed AS (
          SELECT document_sha256, invoice_ordinal, source, account_id, coalesce(stated_id, external_id) AS own_id,
            invoice_month, unnamed_issuer, {OWN_SOURCE} AS own_source
          FROM (FROM document_invoices WHERE unnamed_issuer IS NOT NULL AND id_basis IN ('document', 'rule'))
        ), named AS (
          SELECT source, account_id, coalesce(stated_id, external_id) AS own_id, invoice_month, vendor_name, vendor_by_rule
          FROM document_invoices WHERE unnamed_issuer IS NULL
        ), found AS (
          SELECT unnamed.document_sha256, unnamed.invoice_ordinal, min(named.source) AS source,
            min(named.vendor_name) AS vendor_name, min(named.vendor_by_rule) AS vendor_by_rule
          FROM unnamed JOIN named USING (account_id, own_id)
          WHERE abs(datediff('month', named.invoice_month, unnamed.invoice_month)) <= 1
          GROUP BY ALL HAVING count(DISTINCT named.source) = 1
        )
        SELECT coalesce(found.source, own_source) AS source,
          CASE WHEN found.source IS NULL THEN nullif(unnamed_issuer, '') ELSE found.vendor_name END AS vendor_name,
          found.vendor_by_rule, document_sha256, invoice_ordinal, invoice_month
        FROM unnamed LEFT JOIN found USING (document_sha256, invoice_ordinal)
        WHERE coalesce(found.source, own_source) <> unnamed.source
        """
    ).fetchall()
    if rows:
        connection.executemany(
            "UPDATE document_invoices SET source = ?, vendor_name = ?, vendor_by_rule = ? "
            "WHERE document_sha256 = ? AND invoice_ordinal = ?",
            [row[:-1] for row in rows],
        )
    return {row[3] for row in rows}, {row[-1] for row in rows}
