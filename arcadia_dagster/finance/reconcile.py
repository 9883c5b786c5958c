"""Reconciliation: what finance lists beside what is on record and what is ready, and what to do where they differ.

Deliveries trust finance's answers. This looks at finance itself: rows that are gone, rows that somebody changed, rows that we
never pushed, and invoices that it does not have as they are now. It changes nothing in finance, and on record only that finance
does not have any more what it should not have.
"""

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arcadia_dagster.billing.agreement import Agreement
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.listing import COMPARED
from arcadia_dagster.finance.outstanding import (
    REROUTED_ADVICE,
    UNCERTAIN,
    Recipient,
    ready_here_sql,
    unwanted_sql,
)
from arcadia_dagster.ledger.states import NEEDS_A_PERSON, Outcome, State
from arcadia_dagster.store.query import fetch, text_list
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS, DeliveryKey

_COMPARED = ("currency", *COMPARED)
_IDS_SHOWN = 5

NOT_LISTED = "finance does not list it any more, which is right: it should not be there"
"""What the record of an invoice says that finance should not have, once its row there is gone."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One invoice on which the two sides do not agree.

    Attributes:
        tenant_id: Who bears it.
        source: Who issued it.
        external_id: What finance knows it by.
        what: What differs, with both figures.
        advice: What to do.
    """

    tenant_id: str
    source: str
    external_id: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class OnRecord:
    """An invoice that we have, or that finance took from us.

    Attributes:
        key: Which invoice.
        finance_invoice_id: Finance's id for it; None where finance gave none.
        body: The fields of the payload as finance should have it: as it is now where it is ready, else as finance took it last;
            None where it is not ready and finance never took it.
        missing: Why finance does not have it as it is now; None where it has, or need not have it.
        needs_a_person: Whether it stays missing until a person does something.
        is_ready: Whether it is to be in finance as it is now.
        unwanted: Why finance should not have it: a person has voided it or dismissed its document, its provider has withdrawn it,
            or its route leads elsewhere; None where it may.
        is_decided: Whether it is decided that it must not be there, so that it is to be removed.
        is_uncertain: Whether the outcome of some push of it is not certain.
        invoice_external_id: The invoice's own id, where it is not what finance knows it by.
        rerouted: What a person does where its routes have changed since its push, which keeps it from being pushed.
        lines: What its lines come to, see `billing.agreement`; None where it is a part of an invoice, or that is not known.
        stated: What is stated that it comes to; None likewise.
    """

    key: DeliveryKey
    finance_invoice_id: str | None
    body: Mapping[str, Any] | None
    missing: str | None = None
    needs_a_person: bool = False
    is_ready: bool = True
    unwanted: str | None = None
    is_decided: bool = True
    is_uncertain: bool = False
    invoice_external_id: str | None = None
    rerouted: str | None = None
    lines: int | None = None
    stated: int | None = None

    def compared(self, row: Mapping[str, Any]) -> str:
        """Behind a difference, what lines and statement say of it: nothing where there is no statement, or another currency."""
        if self.body is None or self.stated is None or row["currency"] != self.body["currency"]:
            return ""
        return f" ({Agreement(row['currency'], self.lines, self.stated, row['amount_gross_minor']).words})"


def on_record(warehouse: Warehouse, recipient: Recipient) -> list[OnRecord]:
    """Every invoice in the warehouse, and every one that went to the recipient.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    to = recipient.is_recipients_sql
    with warehouse.read() as connection:
        rows = fetch(
            connection,
            f"""
            WITH ready AS ({ready_here_sql(recipient)}), sent AS (
              SELECT {DELIVERY_KEY_COLUMNS}, any_value(invoice_external_id) AS invoice_external_id,
                arg_max(payload, answered_at) FILTER (outcome IN ({text_list([Outcome.CREATED.value, Outcome.UPDATED.value])}))
                  AS payload,
                bool_or({UNCERTAIN}) AS is_uncertain
              FROM finance_attempts WHERE {to} GROUP BY ALL
            ), stated AS (
              SELECT DISTINCT source, account_id, external_id AS invoice_external_id FROM document_invoices
            ), unwanted AS ({unwanted_sql(to)}
            ), record AS (
              SELECT {DELIVERY_KEY_COLUMNS}, finance_invoice_id FROM finance_records WHERE {to}
            ), known AS (
              SELECT {DELIVERY_KEY_COLUMNS}, invoice_external_id FROM invoice_parts SEMI JOIN stated
                USING (source, account_id, invoice_external_id)
              UNION SELECT {DELIVERY_KEY_COLUMNS}, invoice_external_id FROM sent
            )
            SELECT known.*, record.finance_invoice_id, sent.payload, coalesce(sent.is_uncertain, false) AS is_uncertain,
              coalesce(unwanted.why, decided.why) AS unwanted, coalesce(unwanted.is_decided, true) AS is_decided,
              ready.payload_sha256, ready.pushed_sha256, ready.state, ready.last_error, ready.is_missing, ready.rerouted,
              ready.currency, ready.amount_gross_minor, ready.amount_net_minor, ready.amount_tax_minor,
              total.lines_gross_minor, total.stated_gross_minor
            FROM known
            LEFT JOIN record USING ({DELIVERY_KEY_COLUMNS})
            LEFT JOIN sent USING ({DELIVERY_KEY_COLUMNS}, invoice_external_id)
            LEFT JOIN unwanted USING ({DELIVERY_KEY_COLUMNS}, invoice_external_id)
            LEFT JOIN unwanted_invoices AS decided USING (source, account_id, invoice_external_id)
            LEFT JOIN ready USING ({DELIVERY_KEY_COLUMNS}, invoice_external_id)
            LEFT JOIN (
              SELECT source, account_id, external_id, external_id AS invoice_external_id, lines_gross_minor, stated_gross_minor
              FROM tax_split_totals
            ) AS total USING (source, account_id, external_id, invoice_external_id)
            ORDER BY known.source, known.account_id, known.external_id, known.tenant_id
            """,
        )
    return [_on_record(row) for row in rows]


def _on_record(row: Mapping[str, Any]) -> OnRecord:
    is_ready = row["payload_sha256"] is not None
    taken = json.loads(row["payload"]) if row["payload"] else None
    is_same = row["pushed_sha256"] == row["payload_sha256"]
    missing = _missing(row["state"], row["last_error"], is_same=is_same) if row["is_missing"] else None
    return OnRecord(
        DeliveryKey.of(row),
        row["finance_invoice_id"],
        {name: row[name] for name in _COMPARED} if is_ready else taken,
        missing=missing,
        rerouted=None if row["rerouted"] is None else REROUTED_ADVICE.format_map(row),
        needs_a_person=is_same and row["state"] in NEEDS_A_PERSON,
        is_ready=is_ready,
        unwanted=row["unwanted"],
        is_decided=row["is_decided"],
        is_uncertain=row["is_uncertain"],
        invoice_external_id=row["invoice_external_id"],
        lines=row["lines_gross_minor"],
        stated=row["stated_gross_minor"],
    )


def _missing(state: str | None, error: str | None, *, is_same: bool) -> str:
    """Why finance does not have an invoice as it is now, as far as the record tells."""
    if state is None:
        return "no push of it is on record"
    if not is_same:
        return "it has changed since its last push"
    if state == State.PENDING:
        return "its last push has no answer on record"
    return f"{state}: {error}"


def listed(
    rows: Iterable[Mapping[str, Any]], sources: Collection[str], show: Callable[[str], str] = str
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Finance's rows of these sources, by source and external id, with ids as text; rows of other sources are left out.

    Args:
        rows: Rows with `listing.FIELDS`.
        sources: Whose rows.
        show: Makes somebody else's words fit to be shown.

    Raises:
        ConfigurationFailure: Something among them is no invoice.
    """
    rows_of: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        source = row["source"]
        if isinstance(source, str) and source in sources:
            normal = _normal(row)
            if normal is None:
                raise ConfigurationFailure(
                    "finance lists something that is no invoice (ids are text or integers, amounts are integers): "
                    f"{show(json.dumps(row, ensure_ascii=False))}; check SKYAI_FINANCE_LIST_PATH"
                )
            rows_of.setdefault((source, normal["external_id"]), []).append(normal)
    return rows_of


def _normal(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A row with its ids as text; None where it cannot be compared."""
    ids = {name: row[name] for name in ("external_id", "invoice_id")}
    # By their very types: for Python true is an integer.
    is_comparable = (
        all(type(value) in {str, int} for value in ids.values())
        and isinstance(row["currency"], str)
        and all(type(row[name]) is int for name in COMPARED)
    )
    return {**row, **{name: str(value) for name, value in ids.items()}} if is_comparable else None


def by_row(ours: Iterable[OnRecord]) -> dict[tuple[str, str], OnRecord]:
    """Our invoices by source and id, as finance tells them apart; of several accounts, the one that should be there."""
    return {
        (invoice.key.source, invoice.key.external_id): invoice
        for invoice in sorted(
            ours,
            key=lambda invoice: (invoice.is_ready, invoice.unwanted is None, invoice.body is not None, invoice.key),
        )
    }


def settle(
    warehouse: Warehouse,
    recipient: Recipient,
    ours: Sequence[OnRecord],
    theirs: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
) -> None:
    """Record that invoices which finance should not have are no longer there.

    Their payloads' hashes are cleared too: an invoice that is wanted again is pushed again.

    Args:
        warehouse: Where the records are; the caller keeps deliveries away.
        recipient: Who was asked.
        ours: What is on record of a tenant.
        theirs: What it lists of that tenant, see `listed`.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    unwanted = [
        invoice
        for invoice in ours
        if invoice.unwanted and (invoice.finance_invoice_id is not None or invoice.is_uncertain)
    ]
    known = by_row(ours)
    gone = [
        invoice.key
        for invoice in unwanted
        if (row := (invoice.key.source, invoice.key.external_id)) not in theirs or known[row] is not invoice
    ]
    if not gone:
        return
    with warehouse.write() as connection:
        recipient.ledger.settle(connection, gone, NOT_LISTED, is_gone=True)


def differences(
    tenant_id: str,
    ours: Sequence[OnRecord],
    theirs: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    show: Callable[[str], str] = str,
) -> list[Difference]:
    """Where the two sides do not agree, in order.

    Args:
        tenant_id: Of which tenant.
        ours: What we have of it, and what finance took.
        theirs: What finance lists of it, see `listed`.
        show: Makes somebody else's words fit to be shown.
    """
    known = by_row(ours)
    differing = [
        Difference(tenant_id, *key, *difference)
        for key, invoice in known.items()
        if (difference := _difference(invoice, theirs.get(key, []), show)) is not None
    ]
    differing += [
        Difference(
            tenant_id,
            show(source),
            show(external_id),
            f"finance has it as {_ids(rows, show)}, but no push of it is on record here",
            "if its file is in the archive, run `arcadia ingest`: it pushes the invoice and records that; if not, ask the people "
            "who run finance where it comes from",
        )
        for (source, external_id), rows in theirs.items()
        if (source, external_id) not in known
    ]
    return sorted(differing)


def _difference(
    invoice: OnRecord, rows: Sequence[Mapping[str, Any]], show: Callable[[str], str]
) -> tuple[str, str] | None:
    """What differs and what to do about it."""
    if not rows:
        return _unlisted_difference(invoice)
    ids = _ids(rows, show)
    if invoice.unwanted is not None:
        return f"finance has it as {ids}, though {invoice.unwanted}", _remove(invoice)
    if len(rows) > 1:
        return f"finance has {len(rows)} rows of it: {ids}", "ask the people who run finance to keep one of them"
    if invoice.body is None:
        pushed = "the outcome of a push of it is not certain" if invoice.is_uncertain else "no push of it is on record"
        return (
            f"finance has it as {ids}, but {pushed} here, and it is not ready to be pushed",
            f"run `arcadia explain {_name(invoice)}`: it says why",
        )
    (row,) = rows
    fields = [
        f"{field} is {show(str(row[field]))} in finance and {invoice.body[field]} here"
        for field in _COMPARED
        if row[field] != invoice.body[field]
    ]
    if invoice.finance_invoice_id not in {None, row["invoice_id"]}:
        fields.append(f"its id is {ids} in finance and {invoice.finance_invoice_id} here")
    there = "; ".join(fields) + (invoice.compared(row) if fields else "")
    if invoice.missing is not None:
        there = there or "its amounts are the same there"
        return f"finance has it as {ids}, but has not confirmed this version: {invoice.missing}; {there}", _push(
            invoice
        )
    return (there, _again(invoice)) if fields else None


def _unlisted_difference(invoice: OnRecord) -> tuple[str, str] | None:
    if invoice.missing is not None:
        return f"finance does not list it: {invoice.missing}", _push(invoice)
    if invoice.unwanted is None and invoice.body is not None:
        return (
            f"finance does not list it, but it had answered its push with the id {invoice.finance_invoice_id}",
            _again(invoice),
        )
    return None


def _remove(invoice: OnRecord) -> str:
    if invoice.is_decided:
        return "remove it in finance by hand, then run `arcadia reconcile` again"
    return (
        "do one of these: undo the change of the routes; or remove this one in finance by hand; or push it as it is routed now. "
        f"`arcadia push {_name(invoice)}` says how"
    )


def _push(invoice: OnRecord) -> str:
    if invoice.rerouted is not None:
        return invoice.rerouted
    if invoice.needs_a_person:
        return f"correct what its error says, then run `arcadia push {_name(invoice)} --again`"
    return f"a running deployment pushes it; to push it now: `arcadia push {_name(invoice)}`"


def _again(invoice: OnRecord) -> str:
    if not invoice.is_ready:
        return f"it is held; run `arcadia explain {_name(invoice)}`: it says why. It is pushed when it is ready"
    return f"run `arcadia push {_name(invoice)} --again`"


def _name(invoice: OnRecord) -> str:
    return shlex.quote(invoice.invoice_external_id or invoice.key.external_id)


def _ids(rows: Sequence[Mapping[str, Any]], show: Callable[[str], str]) -> str:
    more = f" and {len(rows) - _IDS_SHOWN} more" if len(rows) > _IDS_SHOWN else ""
    return ", ".join(show(row["invoice_id"]) for row in rows[:_IDS_SHOWN]) + more
