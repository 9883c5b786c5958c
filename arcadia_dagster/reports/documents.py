"""What became of a file: its document, its paths, its status, its invoices, and the documents that have replaced it."""

import hashlib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from arcadia_dagster.formats.einvoice import EInvoices
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import (
    CONTROL_TOTAL_SUFFIX,
    FINGERPRINT_SQL,
    fingerprint,
    is_temporary,
    place_at,
    readable,
)
from arcadia_dagster.landing.records import RESTORE
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.reports.listing import ListedInvoice, short_hash
from arcadia_dagster.store.query import fetch, text_list, text_literal
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey

FEWEST_DIGITS: Final = 8
"""So many digits of a SHA-256 name a document at least."""

_SHA256_DIGITS: Final = 64
_HEXADECIMAL: Final = frozenset("0123456789abcdef")


class NoDocumentError(LookupError):
    """No document is meant; the message says what there is instead and what to do."""


class AmbiguousDocumentError(LookupError):
    """Several documents may be meant; the message names each."""


@dataclass(frozen=True, slots=True)
class Found:
    """The document that a person means.

    Attributes:
        notes: What the person should know about the file that they named.
    """

    document_sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Name:
    """A path below the inbox that a document came under; `is_there`: whether the last look at the inbox found it there."""

    inbox_path: str
    document_sha256: str
    is_there: bool


def count_documents(connection: duckdb.DuckDBPyConnection) -> int:
    """How many documents there are, whatever became of them."""
    [(count,)] = connection.execute("SELECT count(*) FROM documents").fetchall()
    return int(count)


def documents_to_look_at(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The hashes of the documents that people can look at: evidence, and electronic invoices."""
    rows = connection.execute(
        "SELECT document_sha256 FROM invoice_evidence UNION "
        f"SELECT document_sha256 FROM accepted_documents WHERE format = '{EInvoices.name}'"
    ).fetchall()
    return {sha256 for (sha256,) in rows}


def name_of(connection: duckdb.DuckDBPyConnection, document_sha256: str) -> str:
    """The file name of a document that is known."""
    condition = f"document_sha256 = {text_literal(document_sha256)}"
    [(name,)] = connection.execute(f"SELECT file_name FROM documents WHERE {condition}").fetchall()
    return str(name)


def document_meant(warehouse: Warehouse, text: str, inbox: Path, *, max_bytes: int) -> Found:
    """The document that a person means by a file, its path in the inbox, its name, or the beginning of its SHA-256.

    Of several documents of one path, it is the one that lies there now, else the one that came last. A file is read only if a
    document is as long, and while the warehouse is not open: nobody could write it meanwhile.

    Args:
        warehouse: The warehouse.
        text: What the person typed: a path as the shell knows it, or below the inbox; a file's name; 8 digits at least.
        inbox: The inbox.
        max_bytes: A larger file was never taken: it is not read.

    Raises:
        NoDocumentError: None is meant.
        AmbiguousDocumentError: Several may be.
        OSError: The file that is named cannot be read.
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    hashes: dict[Path, str] = {}
    while True:
        try:
            with warehouse.read() as connection:
                return _meant(connection, text, inbox, _Bytes(max_bytes, hashes))
        except _UnreadError as unread:
            with unread.file.open("rb") as content:
                hashes[unread.file] = hashlib.file_digest(content, "sha256").hexdigest()


class _UnreadError(Exception):
    """A file is to be read first, once the warehouse is closed."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self.file = file


@dataclass(frozen=True, slots=True)
class _Bytes:
    """What is known of files' bytes: the hash of each that was read."""

    max_bytes: int
    hashes: Mapping[Path, str]

    def document(self, connection: duckdb.DuckDBPyConnection, file: Path) -> str | None:
        """The document that has the file's bytes.

        Raises:
            _UnreadError: A document is as long, and nobody has read the file yet.
        """
        size = file.stat().st_size
        as_long = connection.execute(f"SELECT count(*) FROM documents WHERE byte_size = {size}").fetchone()
        if size > self.max_bytes or as_long == (0,):
            return None
        if (sha256 := self.hashes.get(file)) is None:
            raise _UnreadError(file)
        is_known = connection.execute(f"SELECT count(*) FROM documents WHERE document_sha256 = '{sha256}'").fetchone()
        return None if is_known == (0,) else sha256


def _meant(connection: duckdb.DuckDBPyConnection, text: str, inbox: Path, bytes_: _Bytes) -> Found:
    file = Path(text).expanduser()
    inside = _below(inbox, file)
    if inside is None and not file.exists() and os.path.lexists(inbox / file):
        inside = _below(inbox, inbox / file)
    if inside is not None:
        return _in_inbox(connection, inside, inbox / inside, bytes_)
    if file.is_file() and (sha256 := bytes_.document(connection, file)) is not None:
        return Found(sha256, (f"{readable(text)} has the bytes of this document",))
    wanted = readable(text)
    for condition in (f"inbox_path = {text_literal(os.path.normpath(wanted))}", _called(wanted)):
        if names := _current(_names(connection, condition)):
            return Found(_only(connection, names, wanted), _other_bytes(file, wanted))
    if file.is_file():
        raise NoDocumentError(
            f"{wanted} was not landed: no document has its bytes. Copy it into {inbox} and run `arcadia ingest`"
        )
    if file.is_dir():
        raise NoDocumentError(f"{wanted} is a folder: name a file")
    raise NoDocumentError(
        f"there is no invoice {wanted}, and no document: name an invoice by its id, its number or source/account/id, a file by "
        f"its path or its name, or a document by {FEWEST_DIGITS} digits or more of its SHA-256; `arcadia invoices` lists the "
        "invoices, `arcadia invoices --rejected` the files that were rejected"
    )


def _below(inbox: Path, file: Path) -> Path | None:
    """The file's path below the inbox, whatever links lead to the inbox; None where it is elsewhere."""
    inbox_ = Path(os.path.realpath(inbox))
    # The file's own folder is resolved, not the file: a link in the inbox lies in the inbox.
    file_ = Path(os.path.realpath(file.parent)) / file.name
    return file_.relative_to(inbox_) if file_ != inbox_ and file_.is_relative_to(inbox_) else None


def _in_inbox(connection: duckdb.DuckDBPyConnection, inside: Path, file: Path, bytes_: _Bytes) -> Found:
    path = readable(inside.as_posix())
    status = file.lstat() if os.path.lexists(file) else None
    [known] = fetch(
        connection,
        "SELECT max(document_sha256) AS document_sha256, max(problem) AS problem, "
        f"max({FINGERPRINT_SQL}) AS fingerprint "
        f"FROM inbox_files WHERE inbox_path = {text_literal(path)}",
    )
    names = _current(_names(connection, f"inbox_path = {text_literal(path)}"))
    notes: tuple[str, ...] = ()
    if status is None:
        notes = (f"{path} is no longer in the inbox",)
    elif names and known["fingerprint"] != fingerprint(status):
        notes = (f"{path} has changed since it was landed: run `arcadia ingest` to take it as it is now",)
    if names:
        return Found(_only(connection, names, path), notes)
    if known["problem"] is not None:
        raise NoDocumentError(f"{path} was not taken: {known['problem']}")
    if known["document_sha256"] is not None and path.lower().endswith(CONTROL_TOTAL_SUFFIX):
        return Found(known["document_sha256"], (*notes, f"{path} states the total that this document must come to"))
    if status is None:
        raise NoDocumentError(f"there is no file {path} in the inbox, and there was none")
    if file.is_dir() and not file.is_symlink():
        raise NoDocumentError(f"{path} is a folder of the inbox: name a file in it")
    if any(is_temporary(part) for part in inside.parts[-1:]):
        raise NoDocumentError(
            f"{path} is not taken: its name says that it is not finished. Rename it when it is finished"
        )
    if not file.is_symlink() and file.is_file() and (sha256 := bytes_.document(connection, file)) is not None:
        note = f"{path} has the same bytes as this document; `arcadia ingest` will record it as another name of the document"
        return Found(sha256, (note,))
    raise NoDocumentError(f"{path} lies in the inbox and is not landed yet: run `arcadia ingest`")


def _called(text: str) -> str:
    """SQL over names of documents: whether the text is the file's name, or the beginning of its SHA-256."""
    prefix = text.lower()
    is_hash = FEWEST_DIGITS <= len(prefix) <= _SHA256_DIGITS and set(prefix) <= _HEXADECIMAL
    by_hash = f" OR starts_with(document_sha256, {text_literal(prefix)})" if is_hash else ""
    return f"file_name = {text_literal(text)}{by_hash}"


def _names(connection: duckdb.DuckDBPyConnection, condition: str) -> list[_Name]:
    """The names of documents for which the condition holds, the latest first; of one that has lost its paths, its best name."""
    rows = connection.execute(
        f"""
        WITH named AS (
          SELECT document_sha256, file_name, inbox_path, received_at FROM document_names
          UNION ALL
          SELECT document_sha256, file_name, document_sha256 AS inbox_path, received_at FROM documents
          ANTI JOIN document_names USING (document_sha256)
        )
        SELECT inbox_path, name.document_sha256, lies.document_sha256 IS NOT DISTINCT FROM name.document_sha256
        FROM (SELECT * FROM named WHERE {condition}) AS name
        LEFT JOIN (SELECT inbox_path, document_sha256 FROM inbox_files) AS lies USING (inbox_path)
        ORDER BY name.received_at DESC, inbox_path
        """
    ).fetchall()
    return [_Name(*row) for row in rows]


def _current(names: Iterable[_Name]) -> list[_Name]:
    """Of the documents that came under each path, the one that lies there, else the latest."""
    newest: dict[str, _Name] = {}
    for name in names:
        if name.inbox_path not in newest or name.is_there:
            newest[name.inbox_path] = name
    return list(newest.values())


def _only(connection: duckdb.DuckDBPyConnection, names: Sequence[_Name], text: str) -> str:
    hashes = {name.document_sha256 for name in names}
    if len(hashes) == 1:
        return hashes.pop()
    rows = connection.execute(
        f"SELECT document_sha256, status, received_at FROM documents WHERE document_sha256 IN ({text_list(sorted(hashes))}) "
        "ORDER BY received_at, document_sha256"
    ).fetchall()
    paths = {name.document_sha256: name.inbox_path for name in reversed(names)}
    each = "; ".join(
        f"{short_hash(sha256)} ({paths[sha256]}, {status}, received {received:%Y-%m-%d %H:%M} UTC)"
        for sha256, status, received in rows
    )
    raise AmbiguousDocumentError(
        f"{text} may be any of {len(rows)} documents: {each}; name one by the beginning of its SHA-256"
    )


def _other_bytes(file: Path, text: str) -> tuple[str, ...]:
    if not file.is_file():
        return ()
    return (
        f"the file {text} here has other bytes, which were not landed: this is the document that came under its name",
    )


def explain_document(
    connection: duckdb.DuckDBPyConnection, archive: Archive, document_sha256: str, invoices: Iterable[ListedInvoice]
) -> dict[str, Any]:
    """All that is known of a document, as plain values: times in ISO 8601 (UTC), amounts as in `ListedInvoice.as_json`.

    Keys: `document` (`document_sha256`, `file_name`, `byte_size`, `format`, `status`, `reason`, `received_at`, `record_count`,
    `record_damage`: what is wrong with its record, `archived_at`: the path of its bytes in the archive), `names` (each
    `inbox_path` with `received_at` and `replaced_by`: the accepted documents that came there later), `is_replaced` (whether
    nothing is left to do about a rejected one), `invoices` (those that it states; `version` is `current`, `superseded` or
    `unbuilt`, `other_documents` are the hashes of the others that state the current version), `earlier` (rejected documents that
    it has replaced), `resources` and `delivery_files` (how many it lists), `evidence_of` (the invoices that it shows though it is
    not read, and by what: `basis`), `decisions`.

    Args:
        connection: An open warehouse.
        archive: Where its bytes are.
        document_sha256: The document, which is known.
        invoices: All invoices of the months that it states, or more.
    """
    is_document = f"document_sha256 = {text_literal(document_sha256)}"
    [document] = fetch(
        connection,
        "SELECT document_sha256, file_name, byte_size, format, status, reason, received_at, record_count, record_damage "
        f"FROM documents WHERE {is_document}",
    )
    names = fetch(connection, f"SELECT inbox_path, received_at FROM document_names WHERE {is_document} ORDER BY ALL")
    replaced: dict[str, list[str]] = {}
    for path, by in connection.execute(
        f"SELECT inbox_path, replaced_by FROM replaced_documents WHERE {is_document} ORDER BY ALL"
    ).fetchall():
        replaced.setdefault(path, []).append(by)
    is_open = bool(fetch(connection, f"SELECT 1 AS found FROM unreplaced_documents WHERE {is_document}"))
    return {
        "document": {
            **document,
            "reason": None if document["status"] == "accepted" else document["reason"],
            "received_at": document["received_at"].isoformat(),
            "archived_at": archive.place_of(document_sha256),
        },
        "names": [
            {
                "inbox_path": name["inbox_path"],
                "received_at": name["received_at"].isoformat(),
                "replaced_by": replaced.get(name["inbox_path"], []),
            }
            for name in names
        ],
        "is_replaced": document["status"] == "rejected" and not is_open,
        "invoices": _stated(connection, is_document, document_sha256, invoices),
        "earlier": [
            {**row, "received_at": row["received_at"].isoformat()}
            for row in fetch(
                connection,
                "SELECT DISTINCT document_sha256, inbox_path, reason, received_at "
                "FROM replaced_documents "
                "JOIN (SELECT document_sha256, reason, received_at, status FROM documents) USING (document_sha256) "
                f"WHERE replaced_by = {text_literal(document_sha256)} AND status = 'rejected' ORDER BY received_at, inbox_path",
            )
        ],
        "resources": _count(connection, f"SELECT count(*) FROM inventories WHERE {is_document}"),
        "evidence_of": fetch(
            connection,
            f"SELECT source, account_id, external_id, basis FROM invoice_evidence WHERE {is_document} ORDER BY ALL",
        ),
        "delivery_files": _count(connection, f"SELECT count(*) FROM delivery_files WHERE {is_document}"),
        "decisions": [
            {**row, "decided_at": row["decided_at"].isoformat()}
            for row in fetch(
                connection,
                "SELECT decision, decided_at, decided_by, reason, source, account_id, external_id FROM decisions "
                f"WHERE {is_document} ORDER BY ALL",
            )
        ],
    }


def what_to_do(explained: Mapping[str, Any], landing: LandingResource) -> Iterator[str]:
    """What a person does next, ready to paste; a command for the first invoice of a kind is the example for the others.

    Args:
        explained: See `explain_document`.
        landing: Where its inboxes are.
    """
    document = explained["document"]
    if document["record_damage"] is not None:
        yield RESTORE
    if document["status"] == "rejected":
        if explained["is_replaced"]:
            yield "a good file has taken its place: nothing is left to do"
            return
        open_paths = [name["inbox_path"] for name in explained["names"] if not name["replaced_by"]]
        places = " and ".join(
            shlex.quote(place_at(path, landing.inbox_path, landing.further_inboxes)) for path in open_paths
        )
        yield f"put a good file in its place, {places or landing.inbox}, and run `arcadia ingest`;"
        yield f"or take it out: arcadia dismiss {short_hash(document['document_sha256'])} --reason ..."
        return
    states: dict[str, dict[str, Any]] = {}
    for invoice in explained["invoices"]:
        states.setdefault(f"{invoice['state']}{invoice['can_release']}", invoice)
    for invoice in states.values():
        name = shlex.quote(InvoiceKey.of(invoice).name)
        match invoice["state"]:
            case "held" if invoice["can_release"]:
                yield f"to let it go to finance as it is: arcadia release {name} --reason ..."
            case "refused" | "abandoned":
                yield f"once its cause is put right: arcadia push {name} --again"
            case _:
                continue
    if explained["invoices"]:
        yield f"for its lines and what finance has: arcadia explain {shlex.quote(InvoiceKey.of(explained['invoices'][0]).name)}"


def stated_months(connection: duckdb.DuckDBPyConnection, document_sha256: str) -> set[date]:
    """The months (first days, UTC) in which the invoices of a document stand, in whatever version."""
    key = "source, account_id, external_id"
    rows = connection.execute(
        f"""
        WITH stated AS (
          SELECT DISTINCT {key} FROM document_invoices WHERE document_sha256 = {text_literal(document_sha256)}
        )
        SELECT invoice_month FROM tax_split_totals SEMI JOIN stated USING ({key})
        UNION SELECT invoice_month FROM document_invoices SEMI JOIN stated USING ({key})
        """
    ).fetchall()
    return {month for (month,) in rows}


def _stated(
    connection: duckdb.DuckDBPyConnection, is_document: str, document_sha256: str, invoices: Iterable[ListedInvoice]
) -> list[dict[str, Any]]:
    rows = connection.execute(
        f"SELECT source, account_id, external_id FROM document_invoices WHERE {is_document} ORDER BY invoice_ordinal"
    ).fetchall()
    listed: Mapping[tuple[str, ...], ListedInvoice] = {
        (invoice.source, invoice.account_id, invoice.external_id): invoice for invoice in invoices
    }
    versions = {
        (source, account, external_id): status
        for source, account, external_id, status in connection.execute(
            f"SELECT source, account_id, external_id, status FROM raw_invoices WHERE {is_document}"
        ).fetchall()
    }
    return [
        {
            **listed[row].as_json(),
            "version": versions.get(row, "unbuilt"),
            "other_documents": [
                stated.document_sha256 for stated in listed[row].documents if stated.document_sha256 != document_sha256
            ],
        }
        for row in dict.fromkeys(rows)
        if row in listed
    ]


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    rows = connection.execute(query).fetchall()
    return int(rows[0][0])
