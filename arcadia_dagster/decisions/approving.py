"""Approving an invoice as a second person: for its figures, and by another person than those who have released it."""

from datetime import datetime
from decimal import Decimal

import duckdb

from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.billing.currency import from_minor
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.keys import InvoiceKey


class ApprovalError(ValueError):
    """The invoice cannot be approved, or not by this person; the message says why."""


def approved_figures(
    connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey, document_sha256: str, *, by: str
) -> dict[str, str]:
    """The figures that an approval is for, as the record has them: currency, gross and tax in major units.

    Args:
        connection: An open warehouse.
        invoice: The invoice.
        document_sha256: The document of its current version.
        by: Who approves it.

    Raises:
        ApprovalError: It waits for no approval, or this person has released it.
    """
    totals = next(
        iter(
            fetch(
                connection,
                "SELECT status, hold_reasons, awaits_approval, currency, amount_gross_minor, amount_tax_minor, "
                "invoice_month IN (SELECT invoice_month FROM stale_months) AS is_stale FROM tax_split_totals "
                f"WHERE {invoice.condition} AND document_sha256 = ?",
                [document_sha256],
            )
        ),
        None,
    )
    name = invoice.external_id
    # Where it waits already, its figures are what the person approves, whatever else of its month is to be built again.
    if totals is None or (totals["is_stale"] and not totals["awaits_approval"]):
        raise ApprovalError(f"this version of {name} is not built yet: run `arcadia ingest` first")
    if totals["status"] == "ready":
        raise ApprovalError(f"{name} waits for no approval{_earlier(connection, invoice)}")
    if not totals["awaits_approval"]:
        raise ApprovalError(
            f"{name} cannot be approved, for it is held: {'; '.join(totals['hold_reasons'])}; another person than the one who "
            "releases it can approve it then"
        )
    if by.lower() in _released_by(connection, invoice, document_sha256):
        raise ApprovalError(f"{name} was released by {by}: another person must approve it")
    currency = totals["currency"]
    gross, tax = (from_minor(totals[f"amount_{what}_minor"], currency) for what in ("gross", "tax"))
    # The totals may not be built with an approval yet: what is on record counts.
    earlier = _approved_as_it_is(connection, invoice, document_sha256, (currency, gross, tax))
    if earlier is not None:
        approver, at = earlier
        raise ApprovalError(
            f"{name}: nothing to approve: approved by {approver} at {at:%Y-%m-%d %H:%M} UTC; `arcadia ingest` lets it go on"
        )
    return {"approved_currency": currency, "approved_gross": f"{gross:f}", "approved_tax": f"{tax:f}"}


def must_be_approved(
    connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey, limits: Limits, *, gross: Decimal | None = None
) -> bool:
    """Whether a second person must approve an invoice that a first one has released.

    Args:
        connection: An open warehouse.
        invoice: The invoice.
        limits: Which invoices must be.
        gross: What finance is to have, in major units, where that is not what its lines come to.
    """
    row = connection.execute(
        f"SELECT currency, amount_gross_minor, invoice_month FROM tax_split_totals WHERE {invoice.condition}"
    ).fetchone()
    if row is None or row[1] is None:
        return False
    currency, minor, month = row
    return limits.need(from_minor(minor, currency) if gross is None else gross, currency, month)


def _released_by(connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey, document_sha256: str) -> set[str]:
    rows = connection.execute(
        f"SELECT DISTINCT lower(decided_by) FROM releases WHERE {invoice.condition} AND document_sha256 = ?",
        [document_sha256],
    ).fetchall()
    return {name for (name,) in rows}


def _approved_as_it_is(
    connection: duckdb.DuckDBPyConnection,
    invoice: InvoiceKey,
    document_sha256: str,
    figures: tuple[str, Decimal, Decimal],
) -> tuple[str, datetime] | None:
    """Who was the last to approve these figures, and when (UTC); who has released this version does not count."""
    released_by = _released_by(connection, invoice, document_sha256)
    rows = connection.execute(
        f"SELECT decided_by, decided_at FROM approvals WHERE {invoice.condition} AND approved_currency = ? "
        "AND approved_gross = ? AND approved_tax = ? ORDER BY decided_at DESC",
        list(figures),
    ).fetchall()
    return next(((by, at) for by, at in rows if by.lower() not in released_by), None)


def _earlier(connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey) -> str:
    row = connection.execute(
        f"SELECT decided_by, decided_at FROM approvals WHERE {invoice.condition} ORDER BY decided_at DESC LIMIT 1"
    ).fetchone()
    return "" if row is None else f"; {row[0]} has approved it at {row[1]:%Y-%m-%d %H:%M} UTC"
