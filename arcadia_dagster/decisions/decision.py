"""What people decide about documents and invoices, on the record: release, approve, dismiss, void, end.

A decision is kept beside the document that it was made about, in the archive, so that a rebuilt warehouse has it too.
"""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from arcadia_dagster.decisions.approving import ApprovalError, approved_figures
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.reading import reader_as_landed
from arcadia_dagster.landing.reasons import EXPECTED, is_reason
from arcadia_dagster.landing.record import Event, Record, decided, restored_by, timeless
from arcadia_dagster.landing.records import damage_of, records_of
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey

Decision = Literal["release", "approve", "dismiss", "void", "end"]


class DecisionError(ValueError):
    """The decision cannot be taken; the message says why."""


def decide(
    warehouse: Warehouse,
    archive: Archive,
    *,
    decision: Decision,
    document_sha256: str,
    invoice: InvoiceKey | None,
    reason: str,
    by: str,
    now: datetime,
    formats: Formats | None = None,
    as_stated: tuple[Decimal, Decimal | None] | None = None,
) -> set[date]:
    """Put a decision on the document's record and register it, so that the document's months are built again.

    Taking the same decision again changes nothing but what a crash left undone.

    Args:
        warehouse: Where the document is registered.
        archive: Where its record is.
        decision: `release`, `approve` and `void` are about an invoice, `dismiss` about a whole document; `end` is about the
            account of an invoice, which is its last.
        document_sha256: The document; for an invoice, the one that states its current version.
        invoice: The invoice; None for a document.
        reason: Why, in the person's words.
        by: Who.
        now: When, with its time zone.
        formats: The formats that documents are read by, where people have described some.
        as_stated: With a release: the total and the tax that finance is to have, as they are stated; None: as its lines are.

    Returns:
        The months that the stages must build again.

    Raises:
        DecisionError: There is no such document, it does not state that invoice, the reason is blank, the invoice is not held
            or held for what nobody can overrule; or it waits for no approval, or for that of another person.
        LockTimeoutError: A landing, or a writer of the warehouse, took longer than the lock's time-out.
        OSError, WarehouseError: The archive or the warehouse cannot be written.
    """
    assert_is_reason(decision, reason)
    if (invoice is None) != (decision == "dismiss"):
        raise DecisionError(f"{decision}: expected {'a document' if decision == 'dismiss' else 'an invoice'}")
    event = decided(decision, invoice=invoice, reason=reason, by=by, at=now)
    with warehouse.hold("landing", path=archive.lock_path):
        assert_known(warehouse, document_sha256, invoice)
        if decision == "release" and invoice is not None:
            event["overruled"] = _doubts(warehouse, document_sha256, invoice, also_ready=as_stated is not None)
            if as_stated is not None:
                total, tax = as_stated
                event |= {"stated_total": f"{total:f}", "stated_tax": None if tax is None else f"{tax:f}"}
        if decision == "approve" and invoice is not None:
            event |= _approved(warehouse, document_sha256, invoice, by=by)
        before = _whole_record(warehouse, archive, document_sha256)
        record, is_new = _with(before, event)
        with reader_as_landed(warehouse, formats or Formats()) as reader:
            landing = Landing(warehouse, archive, reader)
            # A document of a million lines takes seconds to read.
            if is_new and decision != "dismiss" and landing.is_registered_as_read(before):
                landing.note({document_sha256: [event]})
                return landing.register_decided(archive.record(document_sha256))
            arrivals = landing.read_again(record)
            if is_new:
                landing.note({document_sha256: [event]})
            return landing.register_again(archive.record(document_sha256), arrivals)


def _with(record: Record, event: Event) -> tuple[Record, bool]:
    """The record with the decision, and whether the decision is new: the same one again is not."""
    if any(timeless(earlier) == timeless(event) for earlier in record.of("decided")):
        return record, False
    return replace(record, events=(*record.events, event)), True


def _whole_record(warehouse: Warehouse, archive: Archive, document_sha256: str) -> Record:
    """The document's record, which a decision is to be put on."""
    record = records_of(warehouse, archive, [document_sha256])[document_sha256]
    if record.damage is not None:
        raise DecisionError(
            f"the record of document {document_sha256[:12]} is damaged ({damage_of(archive, record)}), so no decision can be "
            f"written to it: {restored_by(document_sha256)}. Until then nothing of the document is pushed"
        )
    return record


def assert_is_reason(decision: str, reason: str) -> None:
    """Check that a reason can be put on the record.

    Raises:
        DecisionError: It is none (see `reasons.is_reason`), or no text: a terminal hands on whatever bytes were typed.
    """
    if not is_reason(reason):
        raise DecisionError(f"{decision}: a reason is needed, because it is kept on record: {EXPECTED}")
    try:
        reason.encode()
    except UnicodeEncodeError as error:
        raise DecisionError(f"{decision}: the reason is not UTF-8 text; type it again") from error


def assert_known(warehouse: Warehouse, document_sha256: str, invoice: InvoiceKey | None) -> None:
    """Check that the document is registered, and states the invoice where one is given.

    Raises:
        DecisionError: It is not, or does not.
    """
    with warehouse.read() as connection:
        registered = connection.execute(
            "SELECT count(*) FROM documents WHERE document_sha256 = ?", [document_sha256]
        ).fetchone()
        stated = connection.execute(
            "SELECT source, account_id, external_id FROM document_invoices WHERE document_sha256 = ?", [document_sha256]
        ).fetchall()
    if registered == (0,):
        raise DecisionError(f"there is no document {document_sha256}")
    if invoice is not None and invoice not in stated:
        raise DecisionError(f"document {document_sha256} does not state the invoice {' '.join(invoice)}")


def _approved(warehouse: Warehouse, document_sha256: str, invoice: InvoiceKey, *, by: str) -> dict[str, str]:
    """The figures that a person approves."""
    with warehouse.read() as connection:
        try:
            return approved_figures(connection, invoice, document_sha256, by=by)
        except ApprovalError as error:
            raise DecisionError(str(error)) from error


def _doubts(warehouse: Warehouse, document_sha256: str, invoice: InvoiceKey, *, also_ready: bool) -> list[str]:
    """The doubts that hold this version of the invoice; if it is ready, the doubts that would hold it without a release."""
    with warehouse.read() as connection:
        row = connection.execute(
            "SELECT status, can_release, hold_reasons, released_reasons, awaits_approval FROM tax_split_totals "
            "WHERE source = ? AND account_id = ? AND external_id = ? AND document_sha256 = ?",
            [*invoice, document_sha256],
        ).fetchone()
    if row is None:
        raise DecisionError(f"this version of {invoice.external_id} is not built yet: run `arcadia ingest` first")
    status, can_release, reasons, released, awaits_approval = row
    if also_ready and (status == "ready" or awaits_approval):
        return list(released)
    if status == "ready":
        raise DecisionError(f"{invoice.external_id} is not held: there is nothing to release")
    if not can_release:
        raise DecisionError(f"{invoice.external_id} cannot be released: {'; '.join(reasons)}")
    return list(reasons)
