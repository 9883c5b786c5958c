"""The register: which documents there are and which invoices they state, made from the archive's records and readings.

Registering the same document again with the same record changes nothing. Nothing here looks at the inbox, so that the
register made from the archive alone is the one that was made when the files arrived.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import duckdb

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing import contents, deliveries, evidence, statements
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.arrival import Arrival
from arcadia_dagster.landing.control_totals import ControlTotal, stated_of, totals_of
from arcadia_dagster.landing.descriptions import file_of
from arcadia_dagster.landing.identity import Identity, placed
from arcadia_dagster.landing.issuers import name_issuers
from arcadia_dagster.landing.learning import aliases_of, learn
from arcadia_dagster.landing.lost_bytes import lost_bytes, months_of_namesakes
from arcadia_dagster.landing.numbers_anew import tell_apart
from arcadia_dagster.landing.record import Event, Record, time_of
from arcadia_dagster.landing.records import months_of, note_records, record_row, registered
from arcadia_dagster.reading.format import BillingPeriod, StatedInvoice
from arcadia_dagster.reading.statements import InvoiceStatement
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse import months, schema
from arcadia_dagster.warehouse.keys import InvoiceKey, row_list
from arcadia_dagster.warehouse.rows import insert

NO_MONTH = (
    "neither its name nor its lines tell its month; expected the provider's file name, such as "
    "`DigitalOcean Invoice 2020 Jul (6173678-418071234).csv`, or lines that are not tax and have a start"
)


_PERIOD_FIELDS = tuple(field.name for field in fields(BillingPeriod))


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering has done.

    Attributes:
        months: The months whose invoices are concerned: they are marked as changed.
        learned: The events that must be on the records first, by their documents. Where there are some, nothing was written.
        to_keep: What the documents state, for the archive, where that does not have it.
    """

    months: set[date]
    learned: dict[str, list[Event]]
    to_keep: contents.ToKeep | None = None


def register(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    arrivals: Sequence[Arrival],
    formats: Formats,
    archived_at: Mapping[str, datetime],
) -> Registered:
    """Write what is known of these documents, in place of what was known before, within the caller's transaction.

    Nothing is written where something is learned of them (see `learning`): once that is on their records, they are registered
    by it.

    A document with a damaged record is registered by the record's last whole text. If nobody knows that text, the document's
    rows stay as they are; if it has none, it is registered by the lines that can be read.

    Args:
        connection: A connection of `Warehouse.write`.
        archive: Where the documents are; only its name for a place is asked.
        arrivals: The documents.
        formats: The formats that they were read by.
        archived_at: When a document's bytes were archived (UTC, without an offset), by its SHA-256: about the time of its
            arrival, for a record that does not tell it.
    """
    unknown = registered(
        connection,
        [arrived.record for arrived in arrivals if arrived.record.damage is not None and not arrived.record.text],
    )
    arrivals = [arrival for arrival in arrivals if arrival.record.document_sha256 not in unknown]
    tables = _Tables()
    stated = [
        (arrival, row) for arrival in arrivals for row in _document_rows(archive, arrival, tables, formats, archived_at)
    ]
    accepted = {row["document_sha256"] for row in tables.documents if row["status"] == "accepted"}
    if learned := learn(connection, arrivals, [row for _, row in stated], accepted):
        return Registered(set(), learned)
    noted = note_records(connection, archive, unknown.values())
    wanted = text_list([arrival.record.document_sha256 for arrival in arrivals])
    touched = _months_concerned(connection, wanted)
    found_again = lost_bytes(connection).keys() & {arrival.record.document_sha256 for arrival in arrivals}
    if found_again:
        touched |= months_of_namesakes(connection, text_list(found_again))
    for table in (
        schema.DOCUMENTS,
        schema.DOCUMENT_NAMES,
        schema.DOCUMENT_INVOICES,
        schema.INVENTORIES,
        schema.DELIVERY_FILES,
        schema.STATED_INVOICES,
        schema.STATED_TAXES,
        schema.BILLING_PERIODS,
    ):
        connection.execute(f"DELETE FROM {table.name} WHERE document_sha256 IN ({wanted})")
    register_facts(connection, [arrival.record for arrival in arrivals])
    aliases = aliases_of(connection)
    for _, row in stated:
        # Last, each statement gets the key of the invoice that it is about.
        if not row["is_statement"]:
            named = InvoiceKey.of(row)
            row["source"], row["account_id"], row["external_id"] = aliases.get(named, named)
    insert(connection, schema.DOCUMENTS, tables.documents)
    insert(connection, schema.DOCUMENT_NAMES, tables.names)
    insert(connection, schema.DOCUMENT_INVOICES, [row for _, row in stated])
    insert(connection, schema.INVENTORIES, tables.inventory)
    insert(connection, schema.DELIVERY_FILES, tables.delivery)
    insert(connection, schema.STATED_INVOICES, tables.statements)
    insert(connection, schema.STATED_TAXES, tables.taxes)
    insert(connection, schema.BILLING_PERIODS, tables.periods)
    renamed, other_months = name_issuers(connection)
    tell_apart(connection, wanted)
    touched |= statements.place(connection)
    touched |= evidence.place(connection, formats)
    _find_sources(connection, text_list(sorted(renamed | {arrived.record.document_sha256 for arrived in arrivals})))
    touched |= other_months | _months_concerned(connection, wanted) | _months_beside(connection, wanted)
    months.touch(connection, schema.DOCUMENT_INVOICES.name, touched)
    unread = text_list([arrival.record.document_sha256 for arrival in arrivals if arrival.is_unread])
    return Registered(touched | noted, {}, contents.renewed(connection, wanted, unread=unread))


def register_decided(connection: duckdb.DuckDBPyConnection, archive: Archive, record: Record) -> set[date]:
    """Write a decision about an invoice, which is new on its document's record, within the caller's transaction.

    All else that `register` would write is registered already, see `is_registered_as_read`.

    Returns:
        The months whose invoices are concerned: they are marked as changed.
    """
    wanted = text_list([record.document_sha256])
    register_facts(connection, [record])
    _find_sources(connection, wanted)
    touched = _months_concerned(connection, wanted) | _months_beside(connection, wanted)
    months.touch(connection, schema.DOCUMENT_INVOICES.name, touched)
    return touched | note_records(connection, archive, [record])


def is_registered_as_read(connection: duckdb.DuckDBPyConnection, record: Record, formats: Formats) -> bool:
    """Whether reading a document again by this record would change nothing that is registered of it.

    Its bytes do not change, so that is so where this very record is registered, and the present formats, without descriptions,
    have read all of the document. What a description has read may count otherwise once an invoice is void (`reading`).
    """
    row = connection.execute(
        "SELECT record, format, read_by FROM accepted_documents WHERE document_sha256 = ? AND described_in IS NULL "
        "AND NOT coalesce(is_kept, false) AND bytes_damage IS NULL AND record_damage IS NULL",
        [record.document_sha256],
    ).fetchone()
    return row is not None and row[0] == record.text and row[2] == formats.read_by(row[1], is_rejected=False)


def register_facts(connection: duckdb.DuckDBPyConnection, records: Iterable[Record]) -> None:
    """Write the aliases and decisions that the records tell, in place of what they told before.

    A document may count as an old description reads it, for it would lose an invoice by the present one (`reading`). A void
    invoice cannot be lost: a document that states one that is void since is noted to be read anew, whatever record has the void.
    """
    records = list(records)
    wanted = text_list([record.document_sha256 for record in records])
    void = {InvoiceKey.of(event) for record in records for event in record.of("decided") if event["decision"] == "void"}
    void_since = void and void - void_invoices(connection)
    for table in (schema.INVOICE_ALIASES, schema.DECISIONS):
        connection.execute(f"DELETE FROM {table.name} WHERE document_sha256 IN ({wanted})")
    insert(
        connection,
        schema.INVOICE_ALIASES,
        [_fact(record, event, "learned_at") for record in records for event in record.of("alias")],
    )
    insert(
        connection,
        schema.DECISIONS,
        [_fact(record, event, "decided_at") for record in records for event in record.of("decided")],
    )
    if void_since:
        connection.execute(
            "UPDATE documents SET read_by = '' WHERE is_kept AND document_sha256 IN (SELECT document_sha256 "
            f"FROM document_invoices WHERE (source, account_id, external_id) IN ({row_list(sorted(void_since))}))"
        )


def void_invoices(connection: duckdb.DuckDBPyConnection) -> set[InvoiceKey]:
    """The invoices that must not be in finance, as people decided."""
    rows = connection.execute("SELECT source, account_id, external_id FROM void_invoices").fetchall()
    return {InvoiceKey(*row) for row in rows}


class _Tables:
    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.names: list[dict[str, Any]] = []
        self.inventory: list[dict[str, Any]] = []
        self.delivery: list[dict[str, Any]] = []
        self.statements: list[dict[str, Any]] = []
        self.taxes: list[dict[str, Any]] = []
        self.periods: list[dict[str, Any]] = []


def _document_rows(
    archive: Archive, arrival: Arrival, tables: _Tables, formats: Formats, archived_at: Mapping[str, datetime]
) -> list[dict[str, Any]]:
    """Add the document's own rows to the tables; return those of the invoices that it states."""
    record, reading = arrival.record, arrival.reading
    name = arrival.names.best
    received_at = min(map(time_of, record.received), default=None) or archived_at[record.document_sha256]
    tables.names += [
        {
            "document_sha256": record.document_sha256,
            "file_name": event["file_name"],
            "inbox_path": event["inbox_path"],
            "received_at": time_of(event),
        }
        for event in record.received
    ]
    status, reason = "accepted", reading.reason
    identities: list[tuple[StatedInvoice, Identity]] = []
    if reason is None:
        invoices = placed(reading.invoices, arrival.names.facts, name, formats.rules)
        identities = [(invoice, identity) for invoice, identity in invoices if identity is not None]
        if len(identities) < len(invoices):
            reason = NO_MONTH
    if reason is not None:
        status, identities = "rejected", []
    dismissal = next((event for event in record.of("decided") if event["decision"] == "dismiss"), None)
    if dismissal is not None:
        status, identities = "dismissed", []
        reason = f"dismissed by {dismissal['decided_by']}: {dismissal['reason']}" + (f" ({reason})" if reason else "")
    tables.documents.append(
        {
            "document_sha256": record.document_sha256,
            "file_name": name,
            "byte_size": arrival.byte_size,
            "format": reading.format,
            "received_at": received_at,
            "invoice_month": min((identity.month for _, identity in identities), default=None),
            "status": status,
            "reason": reason,
            "record_count": reading.records,
            "written_as": reading.written_as,
            "read_by": formats.read_by(reading.format, is_rejected=status == "rejected"),
            "described_in": file_of(arrival.described) if status == "accepted" else None,
            "is_kept": arrival.is_kept,
            **record_row(archive, record),
        }
    )
    if status != "dismissed":
        # What a manifest lists, and what is stated of billing periods, counts where the bytes are lost, too.
        tables.periods += [
            {
                "document_sha256": record.document_sha256,
                "line_number": number,
                **{name: getattr(period, name) for name in _PERIOD_FIELDS},
                "received_at": received_at,
            }
            for number, period in enumerate(reading.periods, start=1)
        ]
        tables.delivery += [
            {
                "document_sha256": record.document_sha256,
                "folder": file.folder,
                "file_name": file.file_name,
                "row_count": file.rows,
            }
            for file in reading.delivery
        ]
    if status == "accepted":
        tables.inventory += [
            {
                "document_sha256": record.document_sha256,
                "line_number": row.line_number,
                "resource_id": row.resource_id,
                "resource_name": row.resource_name,
                "resource_type": row.resource_type,
                "account_id": row.account_id or "unknown",
                "project": row.project,
                "received_at": received_at,
            }
            for row in reading.inventory
        ]
        for ordinal, stated in enumerate(reading.statements, start=1):
            tables.statements.append(_statement_row(record.document_sha256, ordinal, stated))
            tables.taxes += _tax_rows(record.document_sha256, ordinal, stated)
    totals = totals_of(record.of("control_total"))
    ids = [{identity.external_id, identity.invoice_number or identity.external_id} for _, identity in identities]
    others = set().union(*ids)
    return [
        _invoice_row(
            record,
            invoice,
            identity,
            stated_of(totals, own, others),
            received_at,
            arrival.names.conflict,
            file_name=name,
        )
        for (invoice, identity), own in zip(identities, ids, strict=True)
    ]


def _invoice_row(
    record: Record,
    invoice: StatedInvoice,
    identity: Identity,
    control: ControlTotal,
    received_at: datetime,
    names_conflict: str | None,
    *,
    file_name: str,
) -> dict[str, Any]:
    currency = invoice.currencies[0] if len(invoice.currencies) == 1 else None
    return {
        "document_sha256": record.document_sha256,
        "invoice_ordinal": invoice.ordinal,
        "source": identity.source,
        "account_id": identity.account_id,
        "external_id": identity.external_id,
        "invoice_number": identity.invoice_number,
        "invoice_month": identity.month,
        "period_start": identity.period_start,
        "period_end": identity.period_end,
        "issued_on": invoice.issued_on,
        "currency": currency,
        "stated_total": invoice.stated_total if control.total is None else control.total,
        "stated_tax": _stated_tax(invoice, control),
        "stated_problem": control.problem_for(currency),
        "line_count": invoice.line_count,
        "lines_total": invoice.lines_total,
        "lines_sketch": list(invoice.lines_sketch),
        "charges_sketch": list(invoice.charges_sketch),
        "charge_days": list(invoice.charge_days),
        "names_conflict": names_conflict,
        "id_basis": identity.id_basis,
        "month_basis": identity.month_basis,
        "lines_month": invoice.lines_month,
        "is_final": invoice.is_final or _is_past(identity.final_from),
        "final_from": identity.final_from,
        "states_tax": invoice.states_tax or bool(invoice.stated_tax) or bool(control.tax),
        "stated_by": control.stated_by
        or (file_name if invoice.is_statement and invoice.stated_total is not None else None),
        "is_statement": invoice.is_statement,
        "yields": invoice.yields,
        "vendor_by_rule": identity.vendor,
        "vendor_name": invoice.vendor_name,
        "unnamed_issuer": invoice.unnamed_issuer,
        "may_be_part": invoice.may_be_part,
        "lacks_tax": invoice.lacks_tax,
        "doubts": list(invoice.doubts),
        "rounded_lines": invoice.rounded_lines,
        "open_reason": invoice.open_reason,
        "refers_to": invoice.refers_to,
        "withdrawn": invoice.withdrawn,
        "open_until": _open_until(invoice, identity, received_at),
        "billing_ends_at": invoice.billing_ends_at,
        "received_at": received_at,
    }


def _statement_row(document_sha256: str, ordinal: int, stated: InvoiceStatement) -> dict[str, Any]:
    same = (
        *("source", "account_id", "external_id", "invoice_number", "kind", "status", "currency", "issued_on", "due_on"),
        *("period_start", "period_end", "terms", "purchase_order", "seller_name", "seller_tax_id", "seller_country"),
        *(
            "buyer_name",
            "buyer_tax_id",
            "refers_to",
            "replaced_by",
            "payment_currency",
            "payment_amount",
            "payment_rate",
        ),
    )
    return {
        "document_sha256": document_sha256,
        "invoice_ordinal": ordinal,
        **{name: getattr(stated, name) for name in same},
        **{f"amount_{name}": getattr(stated, name) for name in ("gross", "net", "tax", "credits")},
    }


def _tax_rows(document_sha256: str, ordinal: int, stated: InvoiceStatement) -> list[dict[str, Any]]:
    return [
        {
            "document_sha256": document_sha256,
            "invoice_ordinal": ordinal,
            "tax_ordinal": number,
            "category": tax.category,
            "rate": tax.rate,
            "taxable_amount": tax.taxable,
            "tax_amount": tax.amount,
            "reason": tax.reason,
        }
        for number, tax in enumerate(stated.taxes, start=1)
    ]


def _stated_tax(invoice: StatedInvoice, control: ControlTotal) -> Decimal | None:
    """The stated tax of the invoice: a control total states that of the whole invoice, a document that of its own part."""
    is_of_whole = control.total is not None and invoice.may_be_part
    return control.tax if control.tax is not None or is_of_whole else invoice.stated_tax


def _is_past(moment: datetime | None) -> bool:
    """Whether a time, in UTC without an offset, has come."""
    return moment is not None and moment <= datetime.now(UTC).replace(tzinfo=None)


def _open_until(invoice: StatedInvoice, identity: Identity, received_at: datetime) -> datetime | None:
    """The end of the billing period, where the document came before: until then the id may change (FOCUS 1.2, InvoiceId).

    Nothing but a name that a person gave says that a document without an id is an invoice: before the end of its month it is the
    month so far, such as what DigitalOcean's control panel gives as a preview.
    """
    ends_at = invoice.billing_ends_at
    if ends_at is None and identity.open_until is not None and not invoice.is_one_off:
        ends_at = identity.open_until
    return ends_at if ends_at is not None and received_at < ends_at else None


def _find_sources(connection: duckdb.DuckDBPyConnection, wanted: str) -> None:
    """Lead decisions to the invoice that they were made about where its source has another name now."""
    connection.execute(
        f"""
        UPDATE decisions AS decision SET source = invoice.source
        FROM document_invoices AS invoice
        WHERE decision.document_sha256 IN ({wanted}) AND invoice.document_sha256 = decision.document_sha256
          AND invoice.account_id = decision.account_id AND invoice.external_id = decision.external_id
          AND invoice.source <> decision.source
        """
    )


def _months_concerned(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of these documents' invoices, and of the others that hang on what these documents state now."""
    return (
        months_of(connection, wanted)
        | _months_after(connection, wanted)
        | _months_of_periods(connection, wanted)
        | _months_of_other_buyers(connection, wanted)
        | _months_of_other_formats(connection, wanted)
    )


def _months_of_periods(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of the invoices that these documents may hold, or let go, by what they state of billing periods."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT invoice.invoice_month
        FROM (FROM billing_periods WHERE document_sha256 IN ({wanted})) AS period
        JOIN document_invoices AS invoice USING (source)
        WHERE invoice.billing_ends_at BETWEEN period.starts_at AND period.ends_at + INTERVAL 1 DAY
        """
    ).fetchall()
    return {month for (month,) in rows}


def _months_of_other_buyers(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of the accounts of these documents whose invoices are addressed to several buyers: each is compared with all."""
    rows = connection.execute(
        f"""
        WITH addressed AS (
          SELECT invoice.document_sha256, invoice.source, invoice.account_id, invoice.invoice_month, stated.buyer_tax_id
          FROM (FROM stated_invoices WHERE buyer_tax_id IS NOT NULL) AS stated
          JOIN document_invoices AS invoice USING (document_sha256, invoice_ordinal)
        )
        SELECT DISTINCT other.invoice_month
        FROM (FROM addressed WHERE document_sha256 IN ({wanted})) AS own
        JOIN addressed AS other USING (source, account_id)
        WHERE other.buyer_tax_id <> own.buyer_tax_id
        """
    ).fetchall()
    return {month for (month,) in rows}


def _months_of_other_formats(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months beside those of these documents in which one of their invoices may be that of another document.

    An electronic invoice without a period is of the month in which it was issued, its lines are mostly of the month before.
    """
    rows = connection.execute(
        f"""
        WITH alone AS (
          SELECT document_sha256, source, currency, coalesce(yields, false) AS yields, invoice_month,
            date_trunc('month', issued_on) = invoice_month AS may_be_of_another
          FROM document_invoices WHERE is_final
        )
        SELECT DISTINCT other.invoice_month
        FROM (FROM alone WHERE document_sha256 IN ({wanted})) AS own JOIN alone AS other USING (source, currency)
        WHERE own.yields <> other.yields AND CASE WHEN own.yields THEN own.may_be_of_another ELSE other.may_be_of_another END
          AND abs(datediff('month', own.invoice_month, other.invoice_month)) = 1
        """
    ).fetchall()
    return {month for (month,) in rows}


def _months_beside(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of the invoices of documents that lie beside these ones, where one of those may hold the other."""
    return deliveries.months_beside(connection, wanted) | _months_beside_rejects(connection, wanted)


def _months_beside_rejects(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of the invoices of the folders in which one of these documents lies and one is rejected, or was.

    While it is, it may have lines of theirs.
    """
    rows = connection.execute(
        f"""
        WITH lying AS (
          SELECT document_sha256, regexp_extract(inbox_path, '^(.*)/', 1) AS folder FROM document_names
          WHERE contains(inbox_path, '/')
        ), concerned AS (
          SELECT folder FROM lying WHERE document_sha256 IN ({wanted})
          INTERSECT
          SELECT folder FROM lying
          SEMI JOIN documents USING (document_sha256) ANTI JOIN accepted_documents USING (document_sha256)
        )
        SELECT DISTINCT invoice_month FROM document_invoices
        SEMI JOIN (FROM lying SEMI JOIN concerned USING (folder)) AS beside USING (document_sha256)
        WHERE may_be_part
        """
    ).fetchall()
    return {month for (month,) in rows}


def _months_after(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The next months of accounts for which these documents change whether all invoices of a month state tax.

    An invoice without tax is held if all invoices of the month before had some.
    """
    rows = connection.execute(
        f"""
        WITH changed AS (
          SELECT source, account_id, invoice_month,
            bool_and(states_tax) FILTER (is_final) AS state_tax,
            bool_and(states_tax) FILTER (is_final AND document_sha256 NOT IN ({wanted})) AS stated_tax
          FROM document_invoices
          SEMI JOIN (FROM document_invoices WHERE document_sha256 IN ({wanted})) AS own
            USING (source, account_id, invoice_month)
          GROUP BY ALL HAVING state_tax IS DISTINCT FROM stated_tax
        )
        SELECT DISTINCT min(later.invoice_month)
        FROM changed JOIN document_invoices AS later
          ON later.source = changed.source AND later.account_id = changed.account_id
          AND later.invoice_month > changed.invoice_month
        GROUP BY changed.source, changed.account_id, changed.invoice_month
        """
    ).fetchall()
    return {month for (month,) in rows}


_AMOUNTS: Final = ("stated_total", "stated_tax", "approved_gross", "approved_tax")


def _fact(record: Record, event: dict[str, Any], time_column: str) -> dict[str, Any]:
    values = {name: value for name, value in event.items() if name not in {"event", "at"}}
    # JSON has no decimals: amounts are text in the archive.
    values |= {name: Decimal(values[name]) for name in _AMOUNTS if values.get(name) is not None}
    return {**values, "document_sha256": record.document_sha256, time_column: time_of(event)}
