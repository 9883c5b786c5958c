"""Retiring a description of a format: what happens to the documents that were read by it."""

from dataclasses import dataclass
from datetime import date, datetime

from arcadia_dagster.decisions.decision import DecisionError, assert_is_reason, decide
from arcadia_dagster.decisions.subjects import invoices_in_finance
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.descriptions import is_dismissed, read_by
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.reading import reader_as_landed
from arcadia_dagster.landing.record import decided
from arcadia_dagster.landing.records import records_of
from arcadia_dagster.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Retired:
    """What became of the documents of a description.

    Attributes:
        months: The invoice months that the stages must build again.
        read_otherwise: The documents that another format reads from now on, by their SHA-256.
        dismissed: The documents that are taken out.
        in_finance: The ids of the dismissed documents' invoices that finance has.
    """

    months: set[date]
    read_otherwise: list[str]
    dismissed: list[str]
    in_finance: list[str]


def retire(
    warehouse: Warehouse, archive: Archive, *, name: str, reason: str, by: str, now: datetime, formats: Formats
) -> Retired:
    """Take out every document that was read by a description, so that the description can be given up.

    If the description is gone already, another format that reads the same invoices in a document reads it from now on.

    Args:
        warehouse: Where the documents are registered.
        archive: Where their records are.
        name: What the description calls their format.
        reason: Why, in the person's words.
        by: Who.
        now: When, with its time zone.
        formats: The formats as they are now.

    Raises:
        DecisionError: The reason is blank, or a document's record is damaged.
        LockTimeoutError: A landing, or a writer of the warehouse, took longer than the lock's time-out.
        OSError, WarehouseError: The archive or the warehouse cannot be written.
    """
    assert_is_reason("retire", reason)
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT document_sha256 FROM accepted_documents WHERE format = ? ORDER BY ALL", [name]
        ).fetchall()
        documents = [sha256 for (sha256,) in rows]
        # Once a document is dismissed, no table says which invoices it stated.
        in_finance = {sha256: invoices_in_finance(connection, sha256) for sha256 in documents}
    lost = _not_registered(warehouse, archive, name)
    months: set[date] = set()
    kept: list[str] = []
    if formats.described(name) is None:
        months, kept = _read_otherwise(warehouse, archive, formats, documents)
    dismissed = [sha256 for sha256 in documents if sha256 not in kept]
    for sha256 in dismissed:
        months |= decide(
            warehouse,
            archive,
            decision="dismiss",
            document_sha256=sha256,
            invoice=None,
            reason=reason,
            by=by,
            now=now,
            formats=formats,
        )
    # A rebuilt warehouse does not have them, and cannot register them while their description is gone.
    dismissal = decided("dismiss", invoice=None, reason=reason, by=by, at=now)
    with warehouse.hold("landing", path=archive.lock_path), reader_as_landed(warehouse, formats) as reader:
        Landing(warehouse, archive, reader).note({sha256: [dismissal] for sha256 in lost})
    pushed = {external_id for sha256 in dismissed for external_id in in_finance[sha256]}
    return Retired(months, kept, [*dismissed, *lost], sorted(pushed))


def _not_registered(warehouse: Warehouse, archive: Archive, name: str) -> list[str]:
    """The archive's documents that the warehouse does not know and that were read by the description last."""
    with warehouse.read() as connection:
        registered = {sha256 for (sha256,) in connection.execute("SELECT document_sha256 FROM documents").fetchall()}
    records = (archive.record(sha256) for sha256 in sorted(archive.records().keys() - registered))
    return [
        record.document_sha256
        for record in records
        if record.damage is None and not is_dismissed(record) and read_by(record) == name
    ]


def _read_otherwise(
    warehouse: Warehouse, archive: Archive, formats: Formats, documents: list[str]
) -> tuple[set[date], list[str]]:
    """Register the documents in which the present formats lose no invoice, and return them."""
    with warehouse.hold("landing", path=archive.lock_path):
        records = records_of(warehouse, archive, documents)
        if damaged := [sha256[:12] for sha256, record in records.items() if record.damage is not None]:
            raise DecisionError(
                f"the records of these documents are damaged: {', '.join(damaged)}; `arcadia status` says how"
            )
        with reader_as_landed(warehouse, formats) as reader:
            landing = Landing(warehouse, archive, reader)
            arrivals, _ = landing.read([archive.examine(sha256, was_accepted=True) for sha256 in documents], records)
            readable = [arrival for arrival in arrivals if arrival.reading.reason is None and not arrival.is_kept]
            months = landing.register(readable) if readable else set()
        return months, [arrival.record.document_sha256 for arrival in readable]
