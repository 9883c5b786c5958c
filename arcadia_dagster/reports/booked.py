"""What is on record to be in the books: all exports, and those that an invoice is in."""

from collections.abc import Collection
from datetime import UTC
from typing import Any

from arcadia_dagster.books import record
from arcadia_dagster.books.record import Export
from arcadia_dagster.landing.archive import Archive, UnreadableKeptError
from arcadia_dagster.reports.amounts import amounts_as_json


def read_exports(archive: Archive) -> list[Export]:
    """All exports on record, in their order.

    Raises:
        RecordError: A record cannot be read.
        OSError: The archive cannot be read.
    """
    try:
        kept = archive.all_kept(record.KEPT_IN, record.VERSION)
    except UnreadableKeptError as error:
        raise record.unreadable(error.name, error.problem) from error
    exports = [record.read(name, text) for name, text in kept]
    for place, (name, _) in enumerate(kept, start=1):
        if int(name[:6]) != place:
            raise record.RecordError(
                f"record {place:06} of {record.KEPT_IN}/ in the archive is missing: restore it from a backup; nothing is "
                "exported meanwhile, for it tells what was"
            )
    return exports


def exports_of(archive: Archive, names: Collection[str]) -> list[dict[str, Any]]:
    """The exports that an invoice is in, in their order, as plain values.

    Args:
        archive: Where they are on record.
        names: The names that the invoice has and had: `source/account/id`.

    Raises:
        RecordError: A record cannot be read.
        OSError: The archive cannot be read.
    """
    return [
        {
            "exported_at": export.at.astimezone(UTC).replace(tzinfo=None).isoformat(),
            "exported_by": export.by,
            "books": export.books,
            "files": list(export.files),
            "number": bill.number,
            "written": written,
            "currency": bill.currency,
            **amounts_as_json({"gross": bill.gross_minor}, bill.currency),
        }
        for export in read_exports(archive)
        for bill, written in export.bills
        if bill.name in names
    ]
