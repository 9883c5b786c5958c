"""What a decision is about: the document, invoice or account that a person means, and what finance has of it."""

from dataclasses import dataclass
from datetime import date

import duckdb

from arcadia_dagster.decisions.decision import DecisionError
from arcadia_dagster.landing.inbox import readable
from arcadia_dagster.warehouse.keys import InvoiceKey


@dataclass(frozen=True, slots=True)
class LastInvoice:
    """The last invoice of an account.

    Attributes:
        key: Which invoice.
        document_sha256: The document of its totals.
        month: Its invoice month (UTC).
    """

    key: InvoiceKey
    document_sha256: str
    month: date


def document_by_name(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[str, str]:
    """The SHA-256 and the file name of the document that a person means by its file name, or by the beginning of its SHA-256.

    Raises:
        DecisionError: There is none, or several have the name.
    """
    rows = connection.execute(
        """
        SELECT DISTINCT document_sha256, document.file_name, document.received_at
        FROM documents AS document LEFT JOIN document_names AS name USING (document_sha256)
        WHERE name.file_name = $1 OR (length($1) >= 8 AND starts_with(document_sha256, lower($1)))
        ORDER BY document.received_at
        """,
        [readable(text)],
    ).fetchall()
    if not rows:
        raise DecisionError(f"there is no document {text}; name its file, or the beginning of its SHA-256")
    if len(rows) > 1:
        hashes = ", ".join(f"{sha256[:12]} (received {received:%Y-%m-%d %H:%M})" for sha256, _, received in rows)
        raise DecisionError(
            f"{text} is the name of several documents: {hashes}; name one by the beginning of its SHA-256"
        )
    return rows[0][0], rows[0][1]


def current_document(connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey) -> str:
    """The SHA-256 of the document that states the current version of an invoice.

    Of the files that state it together it is the newest, as in its totals: a statement is one only where nothing has its lines.

    Raises:
        DecisionError: Its month is not built yet.
    """
    row = connection.execute(
        f"SELECT document_sha256 FROM current_invoices WHERE {invoice.condition} "
        "ORDER BY coalesce(is_statement, false), received_at DESC, document_sha256 DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise DecisionError(
            f"{invoice.external_id} is registered, but its month is not built yet: run `arcadia ingest` first"
        )
    return str(row[0])


def last_invoice(connection: duckdb.DuckDBPyConnection, account: str) -> LastInvoice:
    """The last invoice of the account that a person means by its id, or by `source/account`.

    Raises:
        DecisionError: There is no such account, or there are several.
    """
    rows = connection.execute(
        """
        SELECT source, account_id, arg_max(external_id, (invoice_month, external_id)),
          arg_max(document_sha256, (invoice_month, external_id)), max(invoice_month)
        FROM tax_split_totals WHERE $1 IN (account_id, source || '/' || account_id) GROUP BY ALL ORDER BY ALL
        """,
        [account],
    ).fetchall()
    if not rows:
        raise DecisionError(
            f"there is no account {account}; `arcadia status` shows the accounts whose invoices are expected"
        )
    if len(rows) > 1:
        names = ", ".join(f"{source}/{account_id}" for source, account_id, *_ in rows)
        raise DecisionError(f"several accounts have that name: {names}; name one of them")
    source, account_id, external_id, document_sha256, month = rows[0]
    return LastInvoice(InvoiceKey(source, account_id, external_id), document_sha256, month)


def invoices_in_finance(connection: duckdb.DuckDBPyConnection, document_sha256: str) -> list[str]:
    """The ids of a document's invoices that some finance service has, in order."""
    rows = connection.execute(
        "SELECT DISTINCT external_id FROM document_invoices SEMI JOIN ("
        "  SELECT source, account_id, invoice_external_id AS external_id FROM records_in_finance"
        ") USING (source, account_id, external_id) WHERE document_sha256 = ? ORDER BY ALL",
        [document_sha256],
    ).fetchall()
    return [external_id for (external_id,) in rows]
