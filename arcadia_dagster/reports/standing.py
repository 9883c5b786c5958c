"""How a month's invoices stand: each with its document and what finance has, what is held or rejected, what to do."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.agreement import Agreement
from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster.books.bill import Payment
from arcadia_dagster.finance.outstanding import unwanted_sql
from arcadia_dagster.ledger.states import NEEDS_A_PERSON, State
from arcadia_dagster.reports.figures import shown_on, vendor_name
from arcadia_dagster.reports.listing import rejected, short_hash
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import NOTHING, VOID, ready_invoices_sql


class InFinance(StrEnum):
    """What a finance service has of an invoice."""

    THERE = "in finance"
    WAITING = "waiting"
    FAILED = "failed"
    EARLIER = "in finance as it was pushed before"
    UNWANTED = "in finance, and should not be"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one finance service has of one invoice, or of the part of it that one tenant bears.

    Attributes:
        target: The service's base URL.
        tenant_id: The tenant there.
        external_id: What finance knows it by.
        what: How it stands.
        why: Why it should not be there; None where it should, or where nobody has decided.
        is_decided: Whether it is to be removed there, as a person decided.
        gross: What it comes to, in minor units; None of what should not be there.
        finance_invoice_id: Finance's id, or None.
        pushed_at: When finance last accepted it (UTC), or None.
        action: `created` or `updated`, or None.
        error: Why the last delivery failed, or None.
    """

    target: str
    tenant_id: str
    external_id: str
    what: InFinance
    gross: int | None
    finance_invoice_id: str | None
    pushed_at: datetime | None
    action: str | None
    error: str | None
    why: str | None = None
    is_decided: bool = False


@dataclass(frozen=True, slots=True)
class Unwanted:
    """An invoice that a finance service has and should not have, by a person's decision or because no document states it.

    Its invoice is void, its document was dismissed, or a route leads it to another tenant. That no document states it is
    nobody's decision: a description of a format is wrong, or something is lost, and it may stay in finance.
    """

    source: str
    account_id: str
    invoice_external_id: str
    delivery: Delivery

    @property
    def name(self) -> str:
        """How commands name its invoice: `source/account/id`, quoted for a shell."""
        return shlex.quote(InvoiceKey(self.source, self.account_id, self.invoice_external_id).name)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that an invoice is from."""

    file_name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Whether an invoice's lines, what is stated of it and what a finance service has come to the same.

    Attributes:
        target: The service's base URL; None where nothing was ever pushed.
        words: Which agree, and by how much the third differs.
        parts: Whether any two differ.
    """

    target: str | None
    words: str
    parts: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided about an invoice.

    Attributes:
        decision: `release` or `approve`.
        by: Who.
        at: When (UTC).
        reason: Why, in the person's words.
        doubts: Of a release, the doubts that it overrules.
    """

    decision: str
    by: str
    at: datetime
    reason: str
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """A version of an invoice that a newer document has replaced.

    Attributes:
        document: Its file.
        received_at: When that came (UTC).
        gross: The sum of its lines in minor units of the invoice's currency; None where they cannot be added.
        difference: What the version after it comes to, less that; None where either cannot be added.
    """

    document: Document
    received_at: datetime
    gross: int | None
    difference: int | None


@dataclass(frozen=True, slots=True)
class InvoiceStanding:
    """One invoice of the month. Amounts are in minor units; None where its lines cannot be summed.

    Attributes:
        vendor: The vendor's name.
        number: The number printed on it, else its id.
        reasons: Why it is held; empty where it is ready.
        can_release: Whether a person may overrule the reasons.
        is_void: Whether a person has decided that it must not go to finance.
        is_nothing: Whether it has no invoice and comes to 0, its provider has withdrawn it, or it is no invoice to us.
        documents: The files that it is from.
        evidence: The files that show it and are not read, such as its PDF.
        deliveries: What each finance service has of it.
        compared: Its lines, what is stated and what each finance service has; nothing where nothing is invoiced.
        awaits_approval: Whether it is held for nothing but the approval of a second person.
        issued_on: The day of issue, where a document states it.
        decided: Who let this version go to finance, and why, in order.
        earlier: The versions before, the newest first.
        paid: What a document states of another currency that is paid in, in words; None: nothing.
    """

    source: str
    account_id: str
    external_id: str
    vendor: str
    number: str
    currency: str | None
    gross: int | None
    net: int | None
    tax: int | None
    line_count: int
    reasons: tuple[str, ...]
    can_release: bool
    is_void: bool
    is_nothing: bool
    documents: tuple[Document, ...]
    deliveries: tuple[Delivery, ...]
    compared: tuple[Compared, ...] = ()
    evidence: tuple[Document, ...] = ()
    awaits_approval: bool = False
    issued_on: date | None = None
    decided: tuple[Decided, ...] = ()
    earlier: tuple[EarlierVersion, ...] = ()
    paid: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether it waits for a person, and is not pushed."""
        return bool(self.reasons) and not self.is_void and not self.is_nothing

    @property
    def key(self) -> InvoiceKey:
        """Which invoice it is."""
        return InvoiceKey(self.source, self.account_id, self.external_id)

    @property
    def name(self) -> str:
        """How commands name it, whatever else there is: `source/account/id`, quoted for a shell."""
        return shlex.quote(self.key.name)


INVOICE_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "source": ("string", "Who issued it."),
    "account_id": ("string", "The account at the source."),
    "external_id": ("string", "The id by which it is known."),
    "vendor": ("string", "The vendor's name."),
    "number": ("string", "The number printed on it, else its id."),
    "currency": ("string", "ISO 4217 code; null where its lines have several."),
    "gross": ("integer", "What it comes to, in minor units; null where its lines cannot be summed."),
    "net": ("integer", "Gross less tax, in minor units."),
    "tax": ("integer", "Its tax, in minor units."),
    "line_count": ("integer", "How many lines it has."),
    "reasons": ("list of strings", "Why it is held; empty where it is ready."),
    "can_release": ("boolean", "Whether a person may overrule the reasons."),
    "is_void": ("boolean", "Whether a person has decided that it must not go to finance."),
    "is_nothing": ("boolean", "Whether nothing is invoiced: it comes to 0, is withdrawn, or is no invoice to us."),
    "documents": ("list of objects", "The files that it is from, each with its name and its SHA-256."),
    "deliveries": ("list of objects", "What each finance service has of it."),
    "compared": ("list of objects", "Its lines, what is stated and what each finance service has, in words."),
    "evidence": ("list of objects", "The files that show it and are not read, such as its PDF."),
    "awaits_approval": ("boolean", "Whether only the approval of a second person is missing."),
    "issued_on": ("date", "The day of issue, where a document states it."),
    "decided": ("list of objects", "Who let this version go to finance, when and why."),
    "earlier": ("list of objects", "The versions before, the newest first."),
    "paid": ("string", "What a document states of another currency that is paid in."),
}
"""The fields of an invoice in the JSON of a statement: for each its type there, and what it is."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that could not be read, and that no good one has replaced.

    Attributes:
        month_is_known: Whether its name tells that it is of the month; else it arrived in it, or in the month after.
    """

    file_name: str
    sha256: str
    reason: str
    received_at: datetime
    month_is_known: bool

    @property
    def name(self) -> str:
        """How commands name it: the beginning of its SHA-256, which no other file has."""
        return short_hash(self.sha256)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a month's invoices stand.

    Attributes:
        invoices: All of them, ready and held.
        rejected: Files that may belong to the month.
        targets: The finance services that anything was ever pushed to.
        unwanted: What they have and should not.
        as_of: The last thing that happened to anything shown (UTC); None where nothing ever did.
    """

    invoices: tuple[InvoiceStanding, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    targets: tuple[str, ...] = ()
    unwanted: tuple[Unwanted, ...] = ()
    as_of: datetime | None = None

    @property
    def documents(self) -> set[str]:
        """The hashes of the files that the invoices are from, and that show them."""
        return {one.sha256 for invoice in self.invoices for one in (*invoice.documents, *invoice.evidence)}

    @property
    def held(self) -> list[InvoiceStanding]:
        """The invoices that wait for a person."""
        return [invoice for invoice in self.invoices if invoice.is_held]

    @property
    def ready(self) -> list[InvoiceStanding]:
        """The invoices that have gone to finance, or will."""
        return [invoice for invoice in self.invoices if not invoice.reasons]

    @property
    def is_split(self) -> bool:
        """Whether any invoice is borne by several tenants, in parts."""
        return any(
            delivery.external_id != invoice.external_id for invoice in self.ready for delivery in invoice.deliveries
        )

    @property
    def void(self) -> list[InvoiceStanding]:
        """The invoices that a person has decided must not go to finance."""
        return [invoice for invoice in self.invoices if invoice.is_void]

    def deliveries(self, target: str, what: InFinance) -> list[tuple[InvoiceStanding, Delivery]]:
        """The invoices, or parts of them, that stand so at a finance service."""
        return [
            (invoice, delivery)
            for invoice in self.invoices
            for delivery in invoice.deliveries
            if (delivery.target, delivery.what) == (target, what)
        ]


@dataclass(slots=True)
class _Month:
    """What was found of a month so far."""

    invoices: list[InvoiceStanding] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unwanted: list[Unwanted] = field(default_factory=list)


def targets(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The finance services that anything was pushed to, in order."""
    return [
        target
        for (target,) in connection.execute("SELECT DISTINCT target FROM finance_records ORDER BY ALL").fetchall()
    ]


def digests_of_finance(connection: duckdb.DuckDBPyConnection) -> dict[date, str]:
    """For each month, a digest of all that finance is on record to have of it: another one once finance has answered."""
    return dict(
        connection.execute(
            "SELECT invoice_month, CAST(bit_xor(hash(record)) AS VARCHAR) FROM finance_records AS record GROUP BY ALL"
        ).fetchall()
    )


def standings(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> dict[date, Standing]:
    """How the invoices of each of the months stand.

    Args:
        connection: An open warehouse.
        months: The months.
    """
    if not months:
        return {}
    by_month = {month: _Month() for month in months}
    services = targets(connection)
    deliveries: dict[InvoiceKey, list[Delivery]] = {}
    for row in fetch(connection, _deliveries_sql(months)):
        key = InvoiceKey(row["source"], row["account_id"], row["invoice_external_id"])
        delivery = _delivery(row)
        deliveries.setdefault(key, []).append(delivery)
        if delivery.what == InFinance.UNWANTED or (delivery.what == InFinance.EARLIER and not row["is_stated"]):
            by_month[row["invoice_month"]].unwanted.append(Unwanted(*key, delivery))
    taken = {
        (row["target"], InvoiceKey.of(row)): row["amount_gross_minor"] for row in fetch(connection, _taken_sql(months))
    }
    decided, replaced = _decisions(connection, months), _replaced(connection, months)
    for row in fetch(connection, _invoices_sql(months)):
        key = InvoiceKey.of(row)
        standing = _invoice(row, deliveries.get(key, []), {target: taken.get((target, key)) for target in services})
        by_month[row["invoice_month"]].invoices.append(
            replace(
                standing,
                decided=tuple(decided.get(key, ())),
                earlier=tuple(_earlier(replaced.get(key, ()), row["lines_gross_minor"], row["currency"])),
            )
        )
    for document, in_months in rejected_documents(connection):
        for month in in_months:
            if month in by_month:
                by_month[month].rejected.append(document)
    times = _times(connection, months)
    return {
        month: Standing(
            invoices=tuple(shown.invoices),
            rejected=tuple(shown.rejected),
            targets=tuple(services),
            unwanted=tuple(shown.unwanted),
            as_of=max([*times.get(month, []), *(document.received_at for document in shown.rejected)], default=None),
        )
        for month, shown in by_month.items()
    }


def rejected_documents(connection: duckdb.DuckDBPyConnection) -> list[tuple[Rejected, tuple[date, ...]]]:
    """The rejected documents that no good one has replaced, each with the months whose statements show it."""
    return [
        (
            Rejected(
                document.file_name,
                document.document_sha256,
                document.reason,
                document.received_at,
                document.month_is_known,
            ),
            document.months,
        )
        for document in rejected(connection)
    ]


def _invoices_sql(months: Collection[date]) -> str:
    return f"""
    SELECT total.*, raw.vendor_name, raw.documents, raw.issued_on, shown.evidence, terms.payment_currency,
      terms.payment_amount, terms.payment_rate,
      coalesce(raw.invoice_number, total.external_id) AS number
    FROM standing_invoices AS total
    LEFT JOIN (
      SELECT source, account_id, external_id, invoice_month, max(invoice_number) AS invoice_number,
        max(vendor_name) AS vendor_name, max(issued_on) AS issued_on,
        list({{'file_name': file_name, 'sha256': document_sha256}} ORDER BY received_at, document_sha256) AS documents
      FROM (SELECT DISTINCT source, account_id, external_id, invoice_month, invoice_number, vendor_name, issued_on,
          file_name, document_sha256, received_at FROM current_invoices)
      WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL
    ) AS raw USING (source, account_id, external_id, invoice_month)
    LEFT JOIN (
      SELECT source, account_id, external_id,
        list({{'file_name': file_name, 'sha256': document_sha256}} ORDER BY received_at, document_sha256) AS evidence
      FROM invoice_evidence JOIN (SELECT document_sha256, file_name, received_at FROM documents) USING (document_sha256)
      GROUP BY ALL
    ) AS shown USING (source, account_id, external_id)
    LEFT JOIN (
      SELECT source, account_id, external_id, payment_currency, payment_amount, payment_rate FROM invoice_terms
    ) AS terms USING (source, account_id, external_id)
    WHERE total.invoice_month IN ({month_list(months)})
    ORDER BY total.invoice_month, total.source, abs(total.amount_gross_minor) DESC NULLS FIRST, total.account_id,
      total.external_id
    """


def _decisions(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> dict[InvoiceKey, list[Decided]]:
    """Who let the months' invoices go to finance, in order."""
    decided: dict[InvoiceKey, list[Decided]] = {}
    for row in fetch(connection, _decided_sql(months)):
        approved = row["approved_gross"]
        # An approval is for figures, and does not count for a version with others.
        if approved is None or to_minor(approved, row["currency"]) == row["amount_gross_minor"]:
            decided.setdefault(InvoiceKey.of(row), []).append(
                Decided(
                    row["decision"], row["decided_by"], row["decided_at"], row["reason"], tuple(row["doubts"] or ())
                )
            )
    return decided


def _replaced(
    connection: duckdb.DuckDBPyConnection, months: Collection[date]
) -> dict[InvoiceKey, list[dict[str, Any]]]:
    """The earlier versions of the months' invoices, the newest first."""
    replaced: dict[InvoiceKey, list[dict[str, Any]]] = {}
    for row in fetch(connection, _earlier_sql(months)):
        replaced.setdefault(InvoiceKey.of(row), []).append(row)
    return replaced


def _decided_sql(months: Collection[date]) -> str:
    """SQL: the decisions that let the months' invoices go to finance: releases of the current version, and approvals."""
    return f"""
    SELECT decision.source, decision.account_id, decision.external_id, decision, decided_by, decided_at, reason,
      list_filter(total.released_reasons, lambda doubt: len(list_filter(coalesce(overruled, []),
        lambda seen: starts_with(doubt, seen))) > 0) AS doubts, total.currency, total.amount_gross_minor, approved_gross
    FROM (FROM releases UNION ALL FROM approvals) AS decision
    JOIN (FROM tax_split_totals WHERE invoice_month IN ({month_list(months)})) AS total USING (source, account_id, external_id)
    WHERE (approved_currency IS NULL AND decision.document_sha256 = total.document_sha256 AND len(total.released_reasons) > 0)
      OR (approved_currency = total.currency AND total.status = 'ready')
    ORDER BY decided_at, decided_by, decision
    """


def _earlier_sql(months: Collection[date]) -> str:
    """SQL: the versions of the months' invoices that newer documents have replaced, the newest first; not the parts of one."""
    return f"""
    SELECT source, account_id, external_id, document_sha256, any_value(file_name) AS file_name, max(received_at) AS received_at,
      CASE WHEN count(lines_total) = count(*) THEN sum(lines_total) END AS lines_total
    FROM raw_invoices WHERE status = 'superseded' AND invoice_month IN ({month_list(months)})
      AND NOT coalesce(is_statement, false)
    GROUP BY ALL ORDER BY received_at DESC, document_sha256
    """


def _earlier(rows: Iterable[Mapping[str, Any]], gross: int | None, currency: str | None) -> Iterator[EarlierVersion]:
    after = gross
    for row in rows:
        can_be_added = row["lines_total"] is not None and currency in EXPONENTS
        own = to_minor(row["lines_total"], currency) if can_be_added and currency is not None else None
        yield EarlierVersion(
            Document(row["file_name"], row["document_sha256"]),
            row["received_at"],
            own,
            None if own is None or after is None else after - own,
        )
        after = own


def _taken_sql(months: Collection[date]) -> str:
    """SQL: what each finance service took last of the months' invoices."""
    return f"""
    SELECT * FROM finance_amounts SEMI JOIN (FROM tax_split_totals WHERE invoice_month IN ({month_list(months)})) AS total
      USING (source, account_id, external_id)
    """


def _compared(row: Mapping[str, Any], taken: Mapping[str, int | None]) -> Iterator[Compared]:
    if row["standing"] in {VOID, NOTHING}:
        return
    for target, gross in taken.items() or [(None, None)]:
        if (agreement := Agreement.of(row, gross)) is not None:
            yield Compared(target, agreement.words, agreement.parts)


def _invoice(
    row: Mapping[str, Any], deliveries: Collection[Delivery], taken: Mapping[str, int | None]
) -> InvoiceStanding:
    return InvoiceStanding(
        source=row["source"],
        account_id=row["account_id"],
        external_id=row["external_id"],
        vendor=vendor_name(row["source"], row["vendor_name"]),
        number=row["number"],
        currency=row["currency"],
        gross=row["amount_gross_minor"],
        net=row["amount_net_minor"],
        tax=row["amount_tax_minor"],
        line_count=row["line_count"],
        reasons=tuple(row["hold_reasons"]),
        can_release=row["can_release"],
        awaits_approval=bool(row["awaits_approval"]),
        issued_on=row["issued_on"],
        is_void=row["standing"] == VOID,
        is_nothing=row["standing"] == NOTHING,
        documents=tuple(Document(document["file_name"], document["sha256"]) for document in row["documents"] or ()),
        deliveries=tuple(deliveries),
        compared=tuple(_compared(row, taken)),
        evidence=tuple(Document(document["file_name"], document["sha256"]) for document in row["evidence"] or ()),
        paid=None
        if row["payment_currency"] is None
        else Payment(row["payment_currency"], row["payment_amount"], row["payment_rate"]).words(row["currency"]),
    )


def _delivery(row: Mapping[str, Any]) -> Delivery:
    """How a row of `_deliveries_sql` stands."""
    is_current = row["pushed_sha256"] == row["payload_sha256"]
    if row["payload_sha256"] is None:
        what = InFinance.EARLIER if row["why"] is None else InFinance.UNWANTED
    elif row["state"] == State.DELIVERED and is_current:
        what = InFinance.THERE
    elif row["state"] in NEEDS_A_PERSON and is_current:
        what = InFinance.FAILED
    else:
        what = InFinance.WAITING
    return Delivery(
        target=row["target"],
        tenant_id=row["tenant_id"],
        external_id=row["external_id"],
        what=what,
        gross=row["amount_gross_minor"],
        finance_invoice_id=row["finance_invoice_id"],
        pushed_at=row["pushed_to_finance_at"],
        action=row["action"],
        error=row["last_error"],
        why=row["why"],
        is_decided=bool(row["is_decided"]),
    )


def _deliveries_sql(months: Collection[date]) -> str:
    """SQL: every ready invoice, or part of one, at every finance service, with its record there, if any.

    It also has finance's invoices that are not ready, or that no document states: their payload is NULL, and `why` says why
    they should not be there, where a person has decided so.
    """
    in_months = f"invoice_month IN ({month_list(months)})"
    record = "state, payload_sha256 AS pushed_sha256, finance_invoice_id, pushed_to_finance_at, action, last_error"
    key = "tenant_id, source, account_id, external_id"
    return f"""
    WITH ready AS MATERIALIZED (
      SELECT {key}, invoice_external_id, invoice_month, amount_gross_minor, payload_sha256
      FROM ({ready_invoices_sql()})
    ), target AS (SELECT DISTINCT target FROM finance_records),
    record AS (SELECT target, {key}, invoice_external_id, invoice_month, {record} FROM finance_records)
    SELECT target, {key}, wanted.invoice_external_id, wanted.invoice_month, amount_gross_minor, payload_sha256,
      record.* EXCLUDE (target, {key}, invoice_external_id, invoice_month)
    FROM (SELECT * FROM ready CROSS JOIN target WHERE {in_months}) AS wanted LEFT JOIN record USING (target, {key})
    UNION ALL BY NAME
    SELECT record.* REPLACE (coalesce(total.invoice_month, record.invoice_month) AS invoice_month), unwanted.why,
      unwanted.is_decided, coalesce(stated.is_stated, false) AS is_stated
    FROM (
      FROM record SEMI JOIN records_in_finance USING (target, {key})
      -- Without what a person has seen to.
      SEMI JOIN unsettled_records USING (target, {key})
    ) AS record
    LEFT JOIN ({unwanted_sql()}) AS unwanted USING (target, {key}, invoice_external_id)
    LEFT JOIN (
      SELECT DISTINCT source, account_id, external_id AS invoice_external_id, true AS is_stated FROM document_invoices
    ) AS stated USING (source, account_id, invoice_external_id)
    LEFT JOIN tax_split_totals AS total
      ON total.source = record.source AND total.account_id = record.account_id
      AND total.external_id = record.invoice_external_id
    ANTI JOIN ready
      ON ready.tenant_id = record.tenant_id AND ready.source = record.source
      AND ready.account_id = record.account_id AND ready.external_id = record.external_id
    WHERE coalesce(total.invoice_month, record.invoice_month) IN ({month_list(months)})
    ORDER BY target, tenant_id, source, account_id, external_id
    """


def _times(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> dict[date, list[datetime]]:
    """When anything on each month's statement last changed: a document came, a person decided, finance answered."""
    shown = {month: shown_on(month) for month in months}
    rows = connection.execute(
        f"""
        SELECT invoice_month, false, max(greatest(raw.received_at, decided_at))
        FROM raw_invoices AS raw LEFT JOIN decisions USING (document_sha256)
        WHERE invoice_month IN ({month_list({shown_month for window in shown.values() for shown_month in window})}) GROUP BY ALL
        UNION ALL
        SELECT invoice_month, true, max(greatest(intended_at, answered_at)) FROM finance_attempts
        WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL
        """
    ).fetchall()
    return {
        month: [
            at
            for shown_month, is_finance, at in rows
            if at is not None and (shown_month == month if is_finance else shown_month in window)
        ]
        for month, window in shown.items()
    }
