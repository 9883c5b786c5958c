"""Issuers whose invoice numbers begin anew each year or month: the same number in another month is another invoice.

A new issue of one invoice is at most one month away from the other issue, and half of its days of charges or more are the same.
A provider with a format of its own and one invoice a document numbers all its invoices in one sequence: there an issue may be a
month away and charge for other days. The lines of an electronic invoice that states no period may be of the month before its
issue. The invoice that finance has keeps its id, else the invoice that came first; the others get their month behind their id.
Finance tells them apart by source and id alone. Source of the rule: a supplier's invoice
numbers are unique within a fiscal year only (frappe/erpnext, issues 36345 and 36385).
"""

from typing import Any

import duckdb

from arcadia_dagster.formats.registry import FORMATS
from arcadia_dagster.store.query import statement, text_list

_OWN_FORMATS = text_list(format_.name for format_ in FORMATS)


def tell_apart(connection: duckdb.DuckDBPyConnection, documents: str) -> None:
    """Give each invoice that shares an id with an invoice of these documents an id of its own, whichever came first.

    Files of one folder state one invoice, whatever their months: they are left alone.

    Args:
        connection: An open transaction in which the documents are registered.
        documents: SQL: the documents' hashes, as a list of literals.
    """
    rows = connection.execute(statement(__name__, own_formats=_OWN_FORMATS, documents=documents)).fetchall()
    _name(connection, [*rows, *connection.execute(_BEARS_ITS_NUMBER_AGAIN).fetchall()])


# Where a person has dismissed all documents of the invoice that bore the number, the next one bears it: it was the same invoice
# under another month. What finance has, or a person has released, under an id of its own keeps that.
_BEARS_ITS_NUMBER_AGAIN = """
SELECT stated_id, CAST(NULL AS VARCHAR), document_sha256, invoice_ordinal
FROM (FROM document_invoices WHERE stated_id IS NOT NULL) AS own
ANTI JOIN document_invoices AS bearer ON bearer.source = own.source AND bearer.account_id = own.account_id
  AND bearer.external_id = own.stated_id
ANTI JOIN finance_records AS record ON record.source = own.source AND record.account_id = own.account_id
  AND record.invoice_external_id = own.external_id
ANTI JOIN releases AS release ON release.source = own.source
  AND release.account_id = own.account_id AND release.external_id = own.external_id
QUALIFY rank() OVER (PARTITION BY own.source, own.account_id, stated_id ORDER BY invoice_month) = 1
"""


def _name(connection: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.executemany(
            "UPDATE document_invoices SET external_id = ?, stated_id = ? WHERE document_sha256 = ? AND invoice_ordinal = ?",
            rows,
        )
