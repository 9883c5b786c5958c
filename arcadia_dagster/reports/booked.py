"""What is on record to be in the books: all exports, and those that an invoice is in."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from typing import Any

from arcadia_dagster.books import record
from arcadia_dagster.books.record import Export
from arcadia_dagster.kept_names import number_of
from arcadia_dagster.landing.archive import Archive, UnreadableKeptError
from arcadia_dagster.landing.book_exports import known_exports
from arcadia_dagster.reports.amounts import amounts_as_json
from arcadia_dagster.warehouse import Warehouse


def read_exports(warehouse: Warehouse, archive: Archive) -> list[Export]:
    """All exports on record, in their order.

    Args:
        warehouse: Where it is noted which records there are.
        archive: Where the records are.

    Raises:
        RecordError: A record cannot be read, or is missing.
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
        OSError: The archive cannot be read.
    """
    # First: what is exported meanwhile is in the archive, and not among them.
    with warehouse.read() as connection:
        known = known_exports(connection)
    try:
        kept = archive.all_kept(record.KEPT_IN, record.VERSION)
    except UnreadableKeptError as error:
        raise record.unreadable(error.name, error.problem) from error
    exports = [record.read(name, text) for name, text in kept]
    if (missing := _missing([name for name, _ in kept], known)) is not None:
        raise record.RecordError(
            f"record {missing:06} of {record.KEPT_IN}/ in the archive is missing: restore it from a backup; nothing is "
            "exported meanwhile, for it tells what was"
        )
    return exports


def _missing(names: Sequence[str], known: Mapping[int, str]) -> int | None:
    """The number of the first record that is missing, between those that are there or of those that are known."""
    gaps = [place for place, name in enumerate(names, start=1) if number_of(name) != place]
    return min([*gaps[:1], *(number for number, name in known.items() if name not in names)], default=None)


def exports_of(warehouse: Warehouse, archive: Archive, names: Collection[str]) -> list[dict[str, Any]]:
    """The exports that an invoice is in, in their order, as plain values.

    Args:
        warehouse: Where it is noted which records there are.
        archive: Where the records are.
        names: The names that the invoice has and had: `source/account/id`.

    Raises:
        RecordError, LockTimeoutError, WarehouseError, OSError: See `read_exports`.
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
        for export in read_exports(warehouse, archive)
        for bill, written in export.bills
        if bill.name in names
    ]
