"""`arcadia explain FILE`: what became of a file, why it was rejected, what it states, and what to do next.

`arcadia documents get`: a document's bytes, as they came.
"""

import argparse
import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from arcadia_dagster.commands.common import (
    OK,
    CommandError,
    complaints,
    harmless,
    print_json,
)
from arcadia_dagster.commands.home import Home
from arcadia_dagster.how_many import how_many
from arcadia_dagster.landing.archive import Archive, ArchiveError
from arcadia_dagster.landing.inbox import path_at
from arcadia_dagster.private_files import as_the_person_writes
from arcadia_dagster.warehouse import Warehouse

if TYPE_CHECKING:
    from arcadia_dagster.reports.documents import Found

_INVOICES_SHOWN = 20
_NAME_CHARACTERS = 100


def explain_file(options: argparse.Namespace, home: Home, warehouse: Warehouse, archive: Archive) -> int:
    """Print all that is known of a document.

    Raises:
        CommandError: None is meant, or several may be.
    """
    from arcadia_dagster.commands.listing import listed
    from arcadia_dagster.reports import documents

    with complaints(ValueError):
        document = _meant(warehouse, home, options.what)
    with complaints(ValueError), warehouse.read() as connection:
        months = documents.stated_months(connection, document.document_sha256)
        invoices = listed(connection, home, months) if months else []
        explained = documents.explain_document(connection, archive, document.document_sha256, invoices)
    if options.json:
        print_json({**explained, "notes": list(document.notes)})
        return OK
    for line in (*_document_lines(explained, home), *_invoice_lines(explained), *_decision_lines(explained)):
        print(harmless(line))
    for line in dict.fromkeys((*document.notes, *documents.what_to_do(explained, home.landing))):
        print(harmless(line))
    return OK


def get(options: argparse.Namespace) -> int:
    """Write a document's bytes, as they came, into a file; print where it is.

    Raises:
        CommandError: None is meant, or several may be; its bytes were changed; or another file is in the way.
    """
    from arcadia_dagster.reports import documents

    home = Home.open()
    warehouse, archive = home.existing_warehouse, home.archive
    with complaints(ValueError):
        document = _meant(warehouse, home, options.document)
    with complaints(ValueError), warehouse.read() as connection:
        name = documents.name_of(connection, document.document_sha256)
    target: Path = options.to / (Path(name).name or document.document_sha256) if options.to.is_dir() else options.to
    with complaints(ArchiveError):
        # Its hash is compared first: what was changed since is not handed out as what came.
        source = archive.examine(document.document_sha256).path
        _write_out(source, target)
    print(harmless(str(target)))
    return OK


def _meant(warehouse: "Warehouse", home: Home, text: str) -> "Found":
    """The document that a person means by what they typed.

    Raises:
        CommandError: None is meant, or several may be.
    """
    from arcadia_dagster.reports import documents

    try:
        return documents.document_meant(
            warehouse,
            path_at(text, home.settings.further_inboxes),
            home.settings.inbox,
            max_bytes=home.settings.max_document_bytes,
        )
    except (documents.NoDocumentError, documents.AmbiguousDocumentError) as error:
        raise CommandError(harmless(str(error))) from error


def _write_out(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        if target.is_file() and filecmp.cmp(source, target, shallow=False):
            return
        raise CommandError(f"{target} is there already, with other content: name another file with --to")
    part = target.with_name(f".{target.name[:_NAME_CHARACTERS]}.{uuid4().hex[:12]}.part")
    try:
        with as_the_person_writes():
            shutil.copyfile(source, part)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def opened_by(home: Home, sha256: str) -> Iterator[str]:
    """What a person opens a document with, as lines to print."""
    from arcadia_dagster.statement.shown import FOLDER, file_of

    if (file := file_of(home.settings.statements, sha256)) is not None:
        url = home.settings.statements_url.rstrip("/")
        yield f"    to open it: {f'{url}/{FOLDER}/{sha256}' if url else file.absolute().as_uri()}"
    yield f"    to write it out: arcadia documents get {_hash(sha256)} --to FILE"


def _hash(sha256: str) -> str:
    from arcadia_dagster.reports.listing import short_hash

    return short_hash(sha256)


def _time(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"


_BASES = {"file name": "the name of the file beside it", "number": "the number in its name"}


def _document_lines(explained: dict[str, Any], home: Home) -> Iterator[str]:
    document = explained["document"]
    yield f"Document {document['file_name']}"
    reason = "" if document["reason"] is None else f": {document['reason']}"
    # The reason of a dismissal begins with the word.
    yield f"  {document['reason'] if document['status'] == 'dismissed' and reason else document['status'] + reason}"
    yield f"  format {document['format'] or 'not known'}, {document['byte_size']:,} bytes, SHA-256 {document['document_sha256']}"
    if document["record_damage"] is not None:
        yield f"  its record is damaged, so nothing of it is pushed: {document['record_damage']}"
    for name in explained["names"]:
        by = ", ".join(map(_hash, name["replaced_by"]))
        replaced = f"; replaced there by {by}" if by else ""
        yield f"  in the inbox as {name['inbox_path']}, landed {_time(name['received_at'])}{replaced}"
    yield f"  its bytes are kept in {document['archived_at']}"
    yield from opened_by(home, document["document_sha256"])
    for earlier in explained["earlier"]:
        yield (
            f"  it has replaced {_hash(earlier['document_sha256'])} at {earlier['inbox_path']}, which was rejected: "
            f"{earlier['reason']}"
        )
    if explained["resources"]:
        yield f"  it is an inventory of {how_many(explained['resources'], 'resource')}"
    for invoice in explained["evidence_of"]:
        yield f"  it is evidence of {_name(invoice)}, by {_BASES[invoice['basis']]}; nothing is read from it"
    if explained["delivery_files"]:
        yield f"  it is the manifest of a delivery of {how_many(explained['delivery_files'], 'file')}"


def _invoice_lines(explained: dict[str, Any]) -> Iterator[str]:
    invoices = explained["invoices"]
    if not invoices:
        return
    yield "Invoices"
    for invoice in invoices[:_INVOICES_SHOWN]:
        amounts = (
            "no totals"
            if invoice["gross"] is None
            else f"gross {invoice['gross']}, net {invoice['net']}, tax {invoice['tax']} {invoice['currency']}"
        )
        yield f"  {_name(invoice)} of {invoice['month']}: {invoice['state']}, {amounts}"
        others = ", ".join(map(_hash, invoice["other_documents"]))
        if invoice["version"] == "superseded":
            yield f"    another version of it is current, from {others or 'no document'}: these are its amounts"
        elif others and invoice["version"] == "current":
            yield f"    {others} state other parts of it"
        yield from (f"    {reason}" for reason in invoice["reasons"])
    if len(invoices) > _INVOICES_SHOWN:
        yield f"  and {len(invoices) - _INVOICES_SHOWN:,} more: use --json"


def _decision_lines(explained: dict[str, Any]) -> Iterator[str]:
    for decision in explained["decisions"]:
        if decision["decision"] == "dismiss":
            continue
        invoice = f" {_name(decision)}" if decision["external_id"] is not None else ""
        when = _time(decision["decided_at"])
        yield f"{decision['decision']}{invoice} by {decision['decided_by']} at {when}: {decision['reason']}"


def _name(invoice: dict[str, Any]) -> str:
    return f"{invoice['source']}/{invoice['account_id']}/{invoice['external_id']}"
