"""Reconciliation: what finance lists beside what we recorded, and what to do where the two differ.

Deliveries trust finance's answers. This looks at finance itself: rows that are gone, rows that somebody changed, rows that we
never pushed. It changes nothing on either side.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arcadia_dagster.finance.outstanding import InvoiceKey, Recipient
from arcadia_dagster.finance.states import Outcome
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.query import fetch, text_list, text_literal

AMOUNTS = ("amount_gross_minor", "amount_net_minor", "amount_tax_minor")
_COMPARED = ("currency", *AMOUNTS)

_AGAIN = "arcadia push {id} --again"


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One invoice on which the two sides do not agree.

    Attributes:
        source: Who issued it.
        external_id: The invoice's id there.
        what: What differs, with both figures.
        advice: What to do.
    """

    source: str
    external_id: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An invoice that finance took, as it was sent last.

    Attributes:
        key: Which invoice.
        finance_invoice_id: Finance's id for it.
        body: The fields of the payload.
        is_wanted: Whether finance should have it still: it is neither void nor is its document dismissed.
    """

    key: InvoiceKey
    finance_invoice_id: str
    body: Mapping[str, Any]
    is_wanted: bool


def taken(warehouse: Warehouse, recipient: Recipient) -> list[Taken]:
    """What finance has, as far as its answers tell.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    to = f"target = {text_literal(recipient.target)} AND tenant_id = {text_literal(recipient.tenant_id)}"
    with warehouse.read() as connection:
        rows = fetch(
            connection,
            f"""
            WITH sent AS (
              SELECT source, account_id, external_id, arg_max(payload, answered_at) AS payload
              FROM finance_attempts
              WHERE {to} AND outcome IN ({text_list([Outcome.CREATED.value, Outcome.UPDATED.value])})
              GROUP BY ALL
            ), stated AS (
              SELECT DISTINCT source, account_id, external_id, true AS is_stated FROM document_invoices
            ), void AS (
              SELECT DISTINCT source, account_id, external_id, true AS is_void FROM decisions WHERE decision = 'void'
            )
            SELECT record.source, record.account_id, record.external_id, record.finance_invoice_id, sent.payload,
              coalesce(stated.is_stated, false) AND NOT coalesce(void.is_void, false) AS is_wanted
            FROM (SELECT * FROM finance_records WHERE {to} AND finance_invoice_id IS NOT NULL) AS record
            JOIN sent USING (source, account_id, external_id)
            LEFT JOIN stated USING (source, account_id, external_id)
            LEFT JOIN void USING (source, account_id, external_id)
            ORDER BY ALL
            """,
        )
    return [
        Taken(
            InvoiceKey(row["source"], row["account_id"], row["external_id"]),
            row["finance_invoice_id"],
            json.loads(row["payload"]),
            row["is_wanted"],
        )
        for row in rows
    ]


def differences(ours: Iterable[Taken], theirs: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Where the two sides do not agree, in order.

    Args:
        ours: What finance took.
        theirs: Finance's rows of our tenant, each with `source`, `external_id`, `invoice_id`, `currency` and the amounts in
            minor units. Rows of sources that we never pushed are somebody else's.
    """
    listed: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in theirs:
        listed.setdefault((row["source"], row["external_id"]), []).append(row)
    found: list[Difference] = []
    known = {(invoice.key.source, invoice.key.external_id): invoice for invoice in ours}
    for (source, external_id), invoice in known.items():
        rows = listed.get((source, external_id), [])
        found += [Difference(source, external_id, *told) for told in _told(invoice, rows)]
    sources = {source for source, _ in known}
    found += [
        Difference(
            source,
            external_id,
            f"finance has it as {rows[0]['invoice_id']}, and no push of it is on record here",
            "if its file is in the archive, `arcadia ingest` pushes it and records that; else it is to be looked at there",
        )
        for (source, external_id), rows in listed.items()
        if source in sources and (source, external_id) not in known
    ]
    return sorted(found)


def _told(invoice: Taken, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    again = f"`{_AGAIN.format(id=invoice.key.external_id)}` puts it right"
    if not rows:
        gone = f"finance does not list it; it had answered with {invoice.finance_invoice_id}"
        return [(gone, again)] if invoice.is_wanted else []
    if not invoice.is_wanted:
        return [("finance has it, though it is void or its document was dismissed", "remove it in finance by hand")]
    if len(rows) > 1:
        ids = ", ".join(str(row["invoice_id"]) for row in rows)
        return [(f"finance has {len(rows)} rows of it: {ids}", "finance must keep one of them: tell those who run it")]
    (row,) = rows
    found = [
        f"{name} is {row[name]} in finance and {invoice.body[name]} here"
        for name in _COMPARED
        if row[name] != invoice.body[name]
    ]
    if str(row["invoice_id"]) != invoice.finance_invoice_id:
        found.append(f"its id is {row['invoice_id']} in finance and {invoice.finance_invoice_id} here")
    return [("; ".join(found), again)] if found else []
