"""Mending a damaged record where there is no backup, from the warehouse, the readable lines and a person's word.

What the record said when it was last read whole is in the warehouse. What was added since is in the file, as far as its lines can
be read. What neither has is lost: a person must agree to that, and the document's invoices are held until a person has looked
at each.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from arcadia_dagster.decisions.decision import DecisionError, assert_is_reason, assert_known
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.heads import Head
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.reading import reader_as_landed
from arcadia_dagster.landing.record import DamagedError, Event, Record, broken, decided, event_of, not_as_noted
from arcadia_dagster.landing.records import records_of
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse import Warehouse

_SHOWN = 200


def mend(
    warehouse: Warehouse,
    archive: Archive,
    *,
    document_sha256: str,
    reason: str,
    by: str,
    now: datetime,
    formats: Formats | None = None,
) -> tuple[set[date], list[str]]:
    """Write a damaged record anew from what can still be known, with the decision `mend`, and register its document.

    The damaged file stays beside the new one. Where a line is lost for good, the document's invoices are held until a person has
    released or voided each, for the line may have said that one is void.

    Args:
        warehouse: Where the document is registered.
        archive: Where its record is.
        document_sha256: The document.
        reason: Why, in the person's words.
        by: Who.
        now: When, with its time zone.
        formats: The formats that documents are read by, where people have described some.

    Returns:
        The months that the stages must build again, and what is lost: the lines that cannot be read, as far as they can be shown.

    Raises:
        DecisionError: There is no such document, its record is whole, or the reason is blank.
        LockTimeoutError: A landing, or a writer of the warehouse, took longer than the lock's time-out.
        OSError, WarehouseError: The archive or the warehouse cannot be written.
    """
    assert_is_reason("mend", reason)
    with warehouse.hold("landing", path=archive.lock_path):
        assert_known(warehouse, document_sha256, None)
        record = records_of(warehouse, archive, [document_sha256])[document_sha256]
        if record.damage is None:
            raise DecisionError(f"the record of document {document_sha256[:12]} is whole: there is nothing to mend")
        heads, _ = archive.heads([document_sha256])
        lines, lost = _kept(record, archive.record_bytes(document_sha256), heads.get(document_sha256))
        events = [event_of(line) for line in lines]
        if not any(event["event"] == "received" for event in events):
            events = [*_received(warehouse, document_sha256, now), *events]
        # A whole beginning stays as it is, byte for byte. Lines that are no chain are made one.
        content = b"".join(line + b"\n" for line in lines)
        before, events = (b"", events) if lost or len(events) > len(lines) else (content, [])
        events.append(decided("mend", invoice=None, reason=reason, by=by, at=now, overruled=lost))
        with reader_as_landed(warehouse, formats or Formats()) as reader:
            landing = Landing(warehouse, archive, reader)
            mended = landing.mend(document_sha256, before, events)
            return landing.register_again(mended, landing.read_again(mended)), lost


def _kept(record: Record, content: bytes, head: Head | None) -> tuple[list[bytes], list[str]]:
    """The lines that are known or can be read, without their line ends, and what is lost, in words.

    Records only grow, so a damaged line in the place of a known line is that known line.
    """
    lines, lost = record.text.encode().split(b"\n")[:-1], []
    for line in content.split(b"\n")[len(lines) :]:
        if not line.strip(b"\0 \r\t"):
            continue
        try:
            event_of(line)
        except DamagedError:
            lost.append(line.decode("utf-8", "backslashreplace").replace("\0", "\\0")[:_SHOWN])
        else:
            lines.append(line)
    if not lost:
        readable = b"".join(line + b"\n" for line in lines)
        change = broken(record.document_sha256, readable) or not_as_noted(record.document_sha256, readable, head)
        lost += [f"({change})"] if change is not None else []
    if not lines and not lost:
        lost.append("(how many lines it had is not known)")
    return lines, lost


def _received(warehouse: Warehouse, document_sha256: str, now: datetime) -> Sequence[Event]:
    """The arrivals of the document that the warehouse knows; its hash stands for a name where it knows none."""
    with warehouse.read() as connection:
        rows = fetch(
            connection,
            "SELECT received_at, file_name, inbox_path FROM document_names "
            f"WHERE document_sha256 = '{document_sha256}' ORDER BY ALL",
        )
    names = [(row["received_at"].replace(tzinfo=UTC), row["file_name"], row["inbox_path"]) for row in rows]
    return [
        {"at": at.isoformat(), "event": "received", "file_name": file_name, "inbox_path": inbox_path}
        for at, file_name, inbox_path in names or [(now.astimezone(UTC), document_sha256, document_sha256)]
    ]
