"""Issuers whose numbers begin anew, as many do each year, and some each month: the invoice of another month is another invoice.

An invoice does not move by more than a month by itself, and by a month only with its charges: an issue of it that is put into the
next month charges for days of which the other one did. A provider whose documents are read by a format of their own, an invoice
each, numbers all of them in one row: there it may move by a month with other days. The one that finance has keeps the id that it
states, else the one that came first; the id of another is followed by its month. Finance tells them apart by source and id alone.
Source of the rule: a supplier's invoice numbers are unique within a fiscal year only (frappe/erpnext, issues 36345 and 36385).
"""

import duckdb

from arcadia_dagster.formats.registry import FORMATS
from arcadia_dagster.store.query import statement, text_list

_OWN_FORMATS = text_list(format_.name for format_ in FORMATS)


def tell_apart(connection: duckdb.DuckDBPyConnection, documents: str) -> None:
    """Give the invoices that share an id with one of these documents' the ids that they are kept under, whatever came first.

    Files of one folder state one invoice, whatever their months: they are left alone.

    Args:
        connection: An open transaction in which the documents are registered.
        documents: SQL: the documents' hashes, as a list of literals.
    """
    rows = connection.execute(statement(__name__, own_formats=_OWN_FORMATS, documents=documents)).fetchall()
    if rows:
        connection.executemany(
            "UPDATE document_invoices SET external_id = ?, stated_id = ? WHERE document_sha256 = ? AND invoice_ordinal = ?",
            rows,
        )
