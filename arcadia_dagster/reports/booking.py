"""Exporting bills to the books: what is new or has changed, once, and on record.

Files are written whole, then the record is put into the archive, then the files get their names. A crash in between may leave the
record without the files, and then a person asks for them again; it never leaves files that nobody knows of.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from arcadia_dagster.books import record
from arcadia_dagster.books.accounts import Accounts
from arcadia_dagster.books.bill import Bill
from arcadia_dagster.books.booking import plan
from arcadia_dagster.books.layouts import Layout, files
from arcadia_dagster.books.record import Booked, Export, Written
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.landing import keep_export
from arcadia_dagster.private_files import as_the_person_writes
from arcadia_dagster.reports import bills as found
from arcadia_dagster.reports.bills import NotExported
from arcadia_dagster.reports.booked import read_exports
from arcadia_dagster.warehouse import Warehouse

_GONE: Final = "no document states it now, and nobody has decided that: it stays in the books as it was exported"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has done.

    Attributes:
        paths: The files; none where there was nothing to write.
        bills: What is in them, and why.
        unchanged: What was exported before as it is now, with its record.
        not_exported: What is not exported, and why.
    """

    paths: tuple[Path, ...]
    bills: tuple[tuple[Bill, Written], ...]
    unchanged: tuple[Booked, ...]
    not_exported: tuple[NotExported, ...]


def export_bills(
    warehouse: Warehouse,
    archive: Archive,
    *,
    months: Sequence[date],
    layout: Layout,
    accounts: Accounts,
    folder: Path,
    by: str,
    now: datetime,
    again: bool = False,
) -> Exported:
    """Write the bills of some months that are not in the books yet, and corrections of those that have changed.

    Args:
        warehouse: Where the invoices are.
        archive: Where it is on record what was exported.
        months: The invoices' months (first days, UTC).
        layout: For which program; each has a record of its own.
        accounts: The accounts of the books.
        folder: Where the files go; it exists. No file there is replaced.
        by: Who exports.
        now: When, with its time zone.
        again: Whether to write what was exported again; the record notes it.

    Raises:
        RecordError: A record of an earlier export cannot be read.
        LockTimeoutError, WarehouseError: See `Warehouse.read` and `Warehouse.write`.
        OSError: The archive or a file cannot be read or written.
    """
    with warehouse.hold("landing", path=archive.lock_path):
        exports = read_exports(warehouse, archive)
        known = record.booked(exports, layout)
        with warehouse.read() as connection:
            present = _with_their_names(found.bills(connection, months, accounts), known, found.stated(connection))
            exported = {bill.name for bill in present}
            waiting = [one for one in found.not_exported(connection, months) if one.name not in exported]
            gone, lost = _gone(
                known,
                months,
                exported | {one.name for one in waiting},
                found.unwanted(connection),
                found.dismissed_documents(connection),
                found.stated(connection),
            )
        todo = plan(present, known, gone=gone, today=now.date(), again=again)
        paths: tuple[Path, ...] = ()
        if todo.written:
            texts = files(layout, [bill for bill, _ in todo.written], accounts)
            made = Export(now, by, layout, (), todo.written)
            beginning = folder / f"{layout}-{_period(months)}"
            paths = put_on_record(warehouse, archive, len(exports) + 1, made, beginning, texts)
    return Exported(
        paths,
        todo.written,
        tuple(known[bill.name] for bill in todo.unchanged),
        (*waiting, *(NotExported(name, _GONE) for name in sorted(lost))),
    )


def _with_their_names(bills: Sequence[Bill], known: Mapping[str, Booked], stated: Collection[str]) -> list[Bill]:
    """The bills, each with the id under which it was exported.

    A file may come again under the provider's name, which tells a better id (see docs/manual.md). If no document states the
    earlier id any more, and the same document states one other invoice, the two are one.
    """
    renamed: dict[str, list[str]] = {}
    for name, booked in known.items():
        if name not in stated:
            renamed.setdefault(booked.bill.document_sha256, []).append(name)
    of_documents: dict[str, list[str]] = {}
    for bill in bills:
        if bill.name not in known:
            of_documents.setdefault(bill.document_sha256, []).append(bill.name)
    named = []
    for bill in bills:
        earlier = renamed.get(bill.document_sha256, [])
        if len(earlier) == 1 and of_documents.get(bill.document_sha256) == [bill.name]:
            before = known[earlier[0]].bill
            bill = replace(  # noqa: PLW2901
                bill, source=before.source, account_id=before.account_id, external_id=before.external_id
            )
        named.append(bill)
    return named


def _gone(
    known: Mapping[str, Booked],
    months: Collection[date],
    there: Collection[str],
    unwanted: Collection[str],
    dismissed: Collection[str],
    stated: Collection[str],
) -> tuple[set[str], set[str]]:
    """Of what is on record of the months and not among their invoices: what must be taken out, and what is merely not there."""
    absent = {
        name: booked.bill
        for name, booked in known.items()
        if booked.bill.month in months and booked.bill.rows and name not in there
    }
    out = {
        name
        for name, bill in absent.items()
        if name in unwanted or (name not in stated and bill.document_sha256 in dismissed)
    }
    # What has moved to another month is exported with that one.
    return out, {name for name in absent if name not in out and name not in stated}


def _period(months: Sequence[date]) -> str:
    first, last = min(months), max(months)
    return f"{first:%Y-%m}" if first == last else f"{first:%Y-%m}-to-{last:%Y-%m}"


def put_on_record(
    warehouse: Warehouse, archive: Archive, number: int, made: Export, beginning: Path, texts: Mapping[str, str]
) -> tuple[Path, ...]:
    """Write the files of an export, and put it on record with their names. The caller holds the landing's lock.

    Args:
        warehouse: Where it is noted that it is on record.
        archive: Where it is on record.
        number: Which export it is, from 1.
        made: The export, without the names of its files.
        beginning: What the paths of its files begin with, before the number.
        texts: What is in each file, by the end of its name.

    Returns:
        The files.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
        OSError: The archive or a file cannot be written.
    """
    contents = {beginning.with_name(f"{beginning.name}-{number:06}{ending}"): text for ending, text in texts.items()}
    with _written_files(contents):
        text = record.text_of(replace(made, files=tuple(path.name for path in contents)))
        keep_export(warehouse, archive, number, text)
    return tuple(contents)


@contextlib.contextmanager
def _written_files(contents: Mapping[Path, str]) -> Iterator[None]:
    """Write files under other names, and rename them once the block has ended well."""
    parts = {path: path.with_name(f".{path.name}.{uuid4().hex[:8]}.part") for path in contents}
    try:
        for path, part in parts.items():
            with as_the_person_writes(), part.open("w", encoding="utf-8", newline="") as file:
                file.write(contents[path])
                file.flush()
                os.fsync(file.fileno())
        yield
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
