"""Invoices as bills of the books: the ready ones with what their lines come to, and why the others are not exported."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from arcadia_dagster.billing.services import service_name_sql
from arcadia_dagster.billing.vendors import vendor_sql
from arcadia_dagster.books.accounts import Accounts
from arcadia_dagster.books.bill import Bill, Charge, Payment, Share, Terms, rows_of
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import ready_invoices_sql


@dataclass(frozen=True, slots=True)
class NotExported:
    """An invoice that is not exported, and why.

    Attributes:
        name: How commands name it: `source/account/id`.
        reason: Why, in the words that hold it.
    """

    name: str
    reason: str


def bills(connection: duckdb.DuckDBPyConnection, months: Collection[date], accounts: Accounts) -> list[Bill]:
    """The bills of the ready invoices of some months (first days, UTC), by month and invoice."""
    parts: dict[InvoiceKey, list[dict[str, Any]]] = {}
    for row in fetch(connection, _parts_sql(months)):
        parts.setdefault(InvoiceKey(row["source"], row["account_id"], row["invoice_external_id"]), []).append(row)
    charges = _charges(connection, months)
    return [_bill(key, rows, charges.get(key, []), accounts) for key, rows in parts.items()]


def _bill(key: InvoiceKey, parts: list[dict[str, Any]], charges: list[Charge], accounts: Accounts) -> Bill:
    first = parts[0]
    shares = [
        Share(part["tenant_id"], tuple(part["projects"]), part["amount_net_minor"], part["amount_tax_minor"])
        for part in parts
    ]
    return Bill(
        *key,
        number=first["invoice_number"] or key.external_id,
        vendor_name=first["vendor_name"],
        month=first["invoice_month"],
        dated=first["issued_on"] or first["period_end"],
        currency=first["currency"],
        payable=accounts.payable_of(key.source),
        rows=rows_of(charges, shares, accounts, source=key.source, currency=first["currency"]),
        document_sha256=first["document_sha256"],
        terms=_terms(first),
    )


def _terms(row: Mapping[str, Any]) -> Terms:
    payment = None
    if row["payment_currency"] is not None:
        payment = Payment(row["payment_currency"], row["payment_amount"], row["payment_rate"])
    return Terms(
        **{
            name: row[name]
            for name in ("due_on", "terms", "purchase_order", "seller_name", "seller_tax_id", "seller_country")
        },
        refers_to=row["refers_to"],
        payment=payment,
    )


def _parts_sql(months: Collection[date]) -> str:
    return f"""
    SELECT ready.*, terms.terms, terms.seller_name, terms.seller_country, terms.refers_to, terms.payment_currency,
      terms.payment_amount, terms.payment_rate
    FROM ({ready_invoices_sql()}) AS ready
    LEFT JOIN invoice_terms AS terms
      ON terms.source = ready.source AND terms.account_id = ready.account_id
      AND terms.external_id = ready.invoice_external_id
    WHERE ready.invoice_month IN ({month_list(months)})
    ORDER BY ready.invoice_month, ready.source, ready.account_id, ready.invoice_external_id, ready.tenant_id
    """


def charges_sql(where: str) -> str:
    """SQL: what the lines come to: of each invoice a row for each service and project, and for each wording of a tax.

    Args:
        where: SQL: which lines.
    """
    vendor = vendor_sql("source", "NULL")
    service = service_name_sql("service_name", category="charge_category", vendor=vendor)
    return f"""
    SELECT source, account_id, external_id, charge_category = 'Tax' AS is_tax,
      CASE WHEN charge_category = 'Tax' THEN coalesce(nullif(trim(description), ''), {service}) ELSE {service} END AS what,
      nullif(trim(project), '') AS project, sum(amount) AS amount
    FROM cost_lines WHERE {where} GROUP BY ALL ORDER BY ALL
    """


def _charges(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> dict[InvoiceKey, list[Charge]]:
    found: dict[InvoiceKey, list[Charge]] = {}
    rows = connection.execute(charges_sql(f"invoice_month IN ({month_list(months)})")).fetchall()
    for source, account_id, external_id, *charge in rows:
        found.setdefault(InvoiceKey(source, account_id, external_id), []).append(Charge(*charge))
    return found


def not_exported(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> list[NotExported]:
    """The invoices of some months that somebody awaits and that are not ready, or not built yet, and why."""
    # What is held and not built anew yet is told once: why it is held.
    return [*{one.name: one for one in reversed([*_waiting(connection, months)])}.values()][::-1]


def _waiting(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> Iterator[NotExported]:
    within = f"invoice_month IN ({month_list(months)})"
    for row in fetch(
        connection,
        "SELECT source, account_id, external_id, array_to_string(hold_reasons, '; ') AS reasons FROM waiting_invoices "
        f"WHERE {within} ORDER BY invoice_month, source, account_id, external_id",
    ):
        yield NotExported(InvoiceKey.of(row).name, f"held: {row['reasons']}")
    for row in fetch(
        connection,
        f"""
        SELECT DISTINCT source, account_id, external_id FROM document_invoices WHERE {within} AND invoice_month IN (
          SELECT invoice_month FROM stale_months) ORDER BY ALL
        """,
    ):
        yield NotExported(InvoiceKey.of(row).name, "something new is known of its month: run `arcadia ingest` first")


def unwanted(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the invoices that must not be in the books: void, withdrawn by their provider, or dismissed.

    Those count too that were never pushed to finance: of them no delivery tells that their document was dismissed.
    """
    rows = connection.execute(
        """
        SELECT source, account_id, invoice_external_id FROM unwanted_invoices
        UNION SELECT source, account_id, external_id FROM standing_invoices WHERE standing IN ('void', 'nothing')
        """
    ).fetchall()
    return {InvoiceKey(*row).name for row in rows}


def dismissed_documents(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The SHA-256 of each document that a person has dismissed."""
    rows = connection.execute("SELECT document_sha256 FROM documents WHERE status = 'dismissed'").fetchall()
    return {sha256 for (sha256,) in rows}


def stated(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the invoices that a document states."""
    rows = connection.execute("SELECT DISTINCT source, account_id, external_id FROM document_invoices").fetchall()
    return {InvoiceKey(*row).name for row in rows}
