"""Lists: every invoice with its amounts and its state, and every file that is rejected or was not taken, with the reason."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.agreement import Agreement
from arcadia_dagster.finance.standing import DELIVERY_STATES, InvoiceState, Part
from arcadia_dagster.formats.registry import month_of_name
from arcadia_dagster.landing.inbox import file_name_of
from arcadia_dagster.reports.amounts import amounts_as_json
from arcadia_dagster.reports.status import Sums
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list, previous_month
from arcadia_dagster.warehouse.relations import NOTHING, VOID

_HASH_SHOWN: Final = 12

NOT_BUILT: Final = "something new is known of its month: run `arcadia ingest`"


@dataclass(frozen=True, slots=True)
class DocumentName:
    """A document, by the best name that it came under."""

    file_name: str
    document_sha256: str


@dataclass(frozen=True, slots=True)
class ListedInvoice:
    """An invoice in its current version. Amounts are in minor units of the currency; None where its lines cannot be summed.

    Attributes:
        month: The first day of its month (UTC).
        number: The number printed on it, or None.
        currency: ISO 4217; None where the lines state several, or the invoice is not built yet.
        reasons: Why it is held, or why finance does not have it.
        can_release: Whether it is held for doubts only, which a person may overrule.
        documents: The files that state it.
        parts: What each tenant bears, where it is ready.
        agreement: Whether its lines, what is stated of it and what finance has come to the same; None where nothing is invoiced.
    """

    month: date
    source: str
    account_id: str
    external_id: str
    number: str | None
    currency: str | None
    gross_minor: int | None
    net_minor: int | None
    tax_minor: int | None
    state: InvoiceState
    reasons: tuple[str, ...]
    can_release: bool
    documents: tuple[DocumentName, ...]
    parts: tuple[Part, ...] = ()
    agreement: Agreement | None = None

    @property
    def name(self) -> str:
        """What commands know it by, whatever else there is: `source/account/id`."""
        return InvoiceKey(self.source, self.account_id, self.external_id).name

    def as_json(self) -> dict[str, Any]:
        """Plain values: the month as `2026-04`, amounts as integers in minor units and as decimal text in major units."""
        minor = {"gross": self.gross_minor, "net": self.net_minor, "tax": self.tax_minor}
        return {
            "month": f"{self.month:%Y-%m}",
            "source": self.source,
            "account_id": self.account_id,
            "external_id": self.external_id,
            "invoice_number": self.number,
            "currency": self.currency,
            **amounts_as_json(minor, self.currency),
            "state": self.state.value,
            "agreement": None if self.agreement is None else self.agreement.words,
            "reasons": list(self.reasons),
            "can_release": self.can_release,
            "documents": [
                {"file_name": document.file_name, "document_sha256": document.document_sha256}
                for document in self.documents
            ],
            "parts": [
                {
                    "tenant_id": part.tenant_id,
                    "external_id": part.external_id,
                    "state": part.state.value,
                    "reason": part.reason,
                }
                for part in self.parts
            ],
        }


@dataclass(frozen=True, slots=True)
class RejectedDocument:
    """A document that could not be read, and that no good one has replaced.

    Attributes:
        file_name: The best name it came under.
        inbox_paths: Its paths below the inbox at which no good one has come; none where its damaged record has lost them.
        format: The format it was recognised as, or None.
        reason: Why, with line, column, value and what was expected.
        received_at: When it first arrived (UTC).
        months: The months that it may belong to: those that its names tell; else that in which it arrived and the one before, for
            an invoice comes after its month.
        month_is_known: Whether its names tell the month.
    """

    document_sha256: str
    file_name: str
    inbox_paths: tuple[str, ...]
    format: str | None
    reason: str
    received_at: datetime
    months: tuple[date, ...]
    month_is_known: bool

    def as_json(self) -> dict[str, Any]:
        """Plain values: months as `2026-04`, times in ISO 8601 (UTC)."""
        return {
            "file_name": self.file_name,
            "document_sha256": self.document_sha256,
            "inbox_paths": list(self.inbox_paths),
            "format": self.format,
            "reason": self.reason,
            "received_at": self.received_at.isoformat(),
            "months": [f"{month:%Y-%m}" for month in self.months],
        }


@dataclass(frozen=True, slots=True)
class NotTaken:
    """What lies in the inbox and could not be taken, such as a link, and why."""

    inbox_path: str
    problem: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"inbox_path": self.inbox_path, "problem": self.problem}


def short_hash(document_sha256: str) -> str:
    """The beginning of a SHA-256, which tells the document from all others and fits into a command."""
    return document_sha256[:_HASH_SHOWN]


def state_of(standing: str, parts: Sequence[Part]) -> InvoiceState:
    """The state of an invoice.

    Args:
        standing: How its totals stand, see `standing_invoices`.
        parts: What may go to finance of it. None where the register says otherwise by now than the totals.
    """
    if standing == NOTHING:
        return InvoiceState.WITHDRAWN
    if standing == VOID:
        return InvoiceState.VOIDED
    if standing == InvoiceState.HELD:
        return InvoiceState.HELD
    return max((part.state for part in parts), key=DELIVERY_STATES.index, default=InvoiceState.UNBUILT)


def invoices(
    connection: duckdb.DuckDBPyConnection,
    parts: Mapping[InvoiceKey, Sequence[Part]],
    months: Collection[date] | None = None,
    agreements: Mapping[InvoiceKey, Agreement] | None = None,
) -> list[ListedInvoice]:
    """Every invoice in its current version, by month, source, account and id; those too whose month is not built yet.

    Args:
        connection: An open warehouse.
        parts: What may go to finance of each, see `arcadia_dagster.finance.outstanding.parts`.
        months: Only these.
        agreements: See `arcadia_dagster.reports.witnesses.agreements`.
    """
    agreed = agreements or {}
    return [
        _listed(row, parts.get(key, ()), agreed.get(key))
        for row in _rows(connection, months)
        for key in [InvoiceKey.of(row)]
    ]


def _rows(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None) -> list[dict[str, Any]]:
    of_months = "true" if months is None else f"invoice_month IN ({month_list(months)})"
    key = "source, account_id, external_id"
    document = (
        "list(DISTINCT {'file_name': file_name, 'document_sha256': document_sha256}"
        " ORDER BY {'file_name': file_name, 'document_sha256': document_sha256}) AS documents"
    )
    return fetch(
        connection,
        f"""
        WITH current AS (
          SELECT {key}, max(invoice_number) AS number, {document}
          FROM current_invoices WHERE {of_months} GROUP BY ALL
        ), unbuilt AS (
          SELECT {key}, min(invoice_month) AS invoice_month, max(invoice_number) AS number, {document}
          FROM document_invoices JOIN (SELECT document_sha256, file_name FROM documents) USING (document_sha256)
          ANTI JOIN tax_split_totals USING ({key})
          -- Of what another invoice has taken the place of, nothing is left to build.
          ANTI JOIN (
            SELECT {key} FROM raw_invoices
            GROUP BY {key} HAVING bool_and(status = 'superseded')
              AND NOT bool_or(invoice_month IN (SELECT invoice_month FROM stale_months))
          ) AS superseded USING ({key})
          GROUP BY {key}
        )
        SELECT total.*, current.number, current.documents
        FROM standing_invoices AS total LEFT JOIN current USING ({key}) WHERE {of_months}
        UNION ALL BY NAME
        SELECT *, '{InvoiceState.UNBUILT}' AS standing FROM unbuilt WHERE {of_months}
        ORDER BY invoice_month, source, account_id, external_id
        """,
    )


def _listed(row: Mapping[str, Any], parts: Sequence[Part], agreement: Agreement | None) -> ListedInvoice:
    state = state_of(row["standing"], parts)
    return ListedInvoice(
        month=row["invoice_month"],
        source=row["source"],
        account_id=row["account_id"],
        external_id=row["external_id"],
        number=row["number"],
        currency=row["currency"],
        gross_minor=row["amount_gross_minor"],
        net_minor=row["amount_net_minor"],
        tax_minor=row["amount_tax_minor"],
        state=state,
        reasons=_reasons(state, row["hold_reasons"] or (), parts),
        can_release=state is InvoiceState.HELD and bool(row["can_release"]),
        documents=tuple(DocumentName(**document) for document in row["documents"] or ()),
        parts=tuple(parts) if state in DELIVERY_STATES else (),
        agreement=agreement,
    )


def _reasons(state: InvoiceState, hold_reasons: Iterable[str], parts: Sequence[Part]) -> tuple[str, ...]:
    if state is InvoiceState.UNBUILT:
        return (NOT_BUILT,)
    if state in DELIVERY_STATES:
        return tuple(dict.fromkeys(part.reason for part in parts if part.reason is not None))
    return tuple(hold_reasons)


def sums(listed: Iterable[ListedInvoice]) -> list[Sums]:
    """The sums of invoices in each currency, by its code. What is withdrawn counts in none, and what cannot be summed neither."""
    totals: dict[str, Counter[str]] = {}
    for invoice in listed:
        if invoice.state is InvoiceState.WITHDRAWN or invoice.currency is None or invoice.gross_minor is None:
            continue
        total = totals.setdefault(invoice.currency, Counter())
        for name in ("gross_minor", "net_minor", "tax_minor"):
            total[name] += getattr(invoice, name)
    return [Sums(currency, **totals[currency]) for currency in sorted(totals)]


def rejected(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[RejectedDocument]:
    """The rejected documents that no good one has replaced, the one that came first before all others.

    Args:
        connection: An open warehouse.
        months: Only those that may belong to one of these.
    """
    rows = fetch(
        connection,
        """
        SELECT document_sha256, document.file_name, format, coalesce(reason, '') AS reason, document.received_at,
          list(inbox_path ORDER BY inbox_path) FILTER (inbox_path IS NOT NULL) AS inbox_paths
        FROM unreplaced_documents AS document
        LEFT JOIN (
          SELECT document_sha256, inbox_path FROM document_names
          ANTI JOIN replaced_documents AS replaced USING (document_sha256, inbox_path)
        ) AS name USING (document_sha256)
        GROUP BY ALL ORDER BY received_at, document_sha256
        """,
    )
    documents = [_rejected(row) for row in rows]
    return [document for document in documents if months is None or set(document.months) & set(months)]


def _rejected(row: Mapping[str, Any]) -> RejectedDocument:
    paths = row["inbox_paths"] or ()
    names = [path.rpartition("/")[2] for path in paths] or [row["file_name"]]
    named = sorted({month for name in names if (month := month_of_name(name)) is not None})
    arrived = row["received_at"].date().replace(day=1)
    return RejectedDocument(
        document_sha256=row["document_sha256"],
        file_name=row["file_name"],
        inbox_paths=tuple(paths),
        format=row["format"],
        reason=row["reason"],
        received_at=row["received_at"],
        months=tuple(named) or (previous_month(arrived), arrived),
        month_is_known=bool(named),
    )


def not_taken(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[NotTaken]:
    """What lies in the inbox and could not be taken at the last look, by path.

    Args:
        connection: An open warehouse.
        months: Without those whose name tells another month.
    """
    rows = connection.execute(
        "SELECT inbox_path, problem FROM inbox_files WHERE problem IS NOT NULL ORDER BY inbox_path"
    ).fetchall()
    files = [NotTaken(*row) for row in rows]
    if months is None:
        return files
    month_of = {file.inbox_path: month_of_name(file_name_of(file.inbox_path)) for file in files}
    return [file for file in files if month_of[file.inbox_path] in {None, *months}]
