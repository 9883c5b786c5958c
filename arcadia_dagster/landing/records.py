"""What the register keeps of each document's record: the state of its file, its text and its damage.

Archive and warehouse both have the text of a record. If the record is damaged, the warehouse keeps what it knows of the
document, for it may be the only copy.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Final

import duckdb

from arcadia_dagster.landing.archive import Archive, LostBytesError
from arcadia_dagster.landing.contents import contents_of
from arcadia_dagster.landing.heads import Head
from arcadia_dagster.landing.record import MISSING, Record, RecordState, read_record
from arcadia_dagster.store.query import fetch, text_list
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError, months, schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.rows import insert

RESTORE = (
    "restore the damaged records from the newest backup, then run `arcadia ingest`; for a record without a backup run "
    "`arcadia mend DOCUMENT --reason ...`, which writes a new one"
)
"""What a person does about damaged records."""

_CATCH_UP: Final = "run `arcadia ingest`, which registers it"

_SLICE = 5_000


def texts_of(warehouse: Warehouse, documents: Iterable[str]) -> dict[str, str | None]:
    """What the record of each registered document said when it was last read whole, by the document's SHA-256."""
    with warehouse.read() as connection:
        return dict(
            connection.execute(
                f"SELECT document_sha256, record FROM documents WHERE document_sha256 IN ({text_list(documents)})"
            ).fetchall()
        )


def records_of(warehouse: Warehouse, archive: Archive, documents: Sequence[str]) -> dict[str, Record]:
    """The documents' records, as archive and warehouse have them: see `read_record`."""
    texts = texts_of(warehouse, documents)
    heads, _ = archive.heads(documents)
    records = dict(zip(documents, archive.each(partial(_record, archive, texts, heads), documents), strict=True))
    if nameless := [sha256 for sha256, record in records.items() if not record.received]:
        # The archive keeps the names apart from the record, too.
        with warehouse.read() as connection:
            for sha256, content in contents_of(connection, nameless).items():
                records[sha256] = replace(records[sha256], events=(*content.received, *records[sha256].events))
    return records


def _record(archive: Archive, texts: Mapping[str, str | None], heads: Mapping[str, Head], sha256: str) -> Record:
    return archive.record(sha256, known=texts.get(sha256), head=heads.get(sha256))


def damaged_records(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """The registered documents whose records are damaged: by SHA-256, the name and what is wrong, with path and line."""
    rows = connection.execute(
        "SELECT document_sha256, file_name, record_damage FROM damaged_documents ORDER BY file_name, document_sha256"
    ).fetchall()
    return {sha256: (name, damage) for sha256, name, damage in rows}


def known_states(connection: duckdb.DuckDBPyConnection) -> dict[str, RecordState]:
    """The state of each registered document's record when it was read; without those that an earlier version read."""
    rows = connection.execute(
        "SELECT document_sha256, coalesce(record_bytes, -1), coalesce(record_changed_ns, -1) FROM documents"
    ).fetchall()
    return {sha256: RecordState(size, changed) for sha256, size, changed in rows}


def changed_records(
    connection: duckdb.DuckDBPyConnection, archived: Mapping[str, RecordState]
) -> dict[str, RecordState]:
    """The registered documents whose records have changed since they were read, by SHA-256, with their present state.

    Args:
        connection: An open warehouse.
        archived: The present states of the records, from before the warehouse was opened: see `Archive.records`.
    """
    return {
        sha256: archived.get(sha256, MISSING)
        for sha256, state in sorted(known_states(connection).items())
        if state != archived.get(sha256, MISSING)
    }


def unsound_records(warehouse: Warehouse, archive: Archive, *, every: bool) -> dict[str, tuple[str, str]]:
    """The documents whose records are damaged now, whether landing has noticed or not; as `damaged_records` gives them.

    Args:
        warehouse: Where documents are registered; there need not be one.
        archive: Where their records are.
        every: Read every record; else only those whose files have changed since they were read.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    return _examined(warehouse, archive, every=every)[0]


def _examined(warehouse: Warehouse, archive: Archive, *, every: bool) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """The documents whose records are damaged now, and those whose records are whole and say what the warehouse does not know."""
    registered: dict[str, RecordState] = {}
    names: dict[str, str] = {}
    damaged: dict[str, tuple[str, str]] = {}
    if warehouse.exists():
        with warehouse.read() as connection:
            damaged, registered = damaged_records(connection), known_states(connection)
            names = dict(connection.execute("SELECT document_sha256, file_name FROM documents").fetchall())
    archived = archive.records()
    changed = [
        sha256
        for sha256 in {**registered, **archived}
        if (every or registered.get(sha256) != archived.get(sha256, MISSING))
        # Bytes without a record may belong to a file that arrives just now.
        and (sha256 in registered or archived[sha256] != MISSING)
    ]
    unsound = {sha256: damage for sha256, damage in damaged.items() if sha256 not in changed}
    ahead: list[str] = []
    for start in range(0, len(changed), _SLICE):
        hashes = changed[start : start + _SLICE]
        texts = texts_of(warehouse, hashes) if registered else {}
        heads, _ = archive.heads(hashes)
        for record in archive.each(partial(_record, archive, texts, heads), hashes):
            sha256 = record.document_sha256
            if (damage := damage_of(archive, record)) is not None:
                unsound[sha256] = (names.get(sha256, record.names[0]), damage)
            elif record.text != texts.get(sha256):
                ahead.append(sha256)
    return dict(sorted(unsound.items(), key=lambda item: (item[1][0], item[0]))), ahead


def barred_invoices(warehouse: Warehouse, archive: Archive) -> dict[InvoiceKey, str]:
    """The invoices that are not pushed for what the records say now, whether landing has noticed or not: each with the reason.

    They are those of documents whose records are damaged, and of documents whose records say what the warehouse does not know,
    as after a crash within a decision, or in a warehouse from a backup. If the warehouse does not know a document at all, nobody
    knows which invoices it concerns: then they are all invoices. While a landing runs, what it has not registered yet counts
    for nothing: it could have come a moment later.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
    """
    damaged, ahead = _examined(warehouse, archive, every=False)
    if ahead:
        with suppress(LockTimeoutError), warehouse.hold("landing", path=archive.lock_path, timeout=0):
            damaged, ahead = _examined(warehouse, archive, every=False)
            return {**_behind(warehouse, ahead), **_of_damaged(warehouse, damaged)}
    return _of_damaged(warehouse, damaged)


def _of_damaged(warehouse: Warehouse, damaged: Mapping[str, tuple[str, str]]) -> dict[InvoiceKey, str]:
    of_documents = _invoices_of(warehouse, damaged)
    return {key: f"its record is damaged: {damaged[sha256][1]}; {RESTORE}" for key, sha256 in of_documents.items()}


def _behind(warehouse: Warehouse, ahead: Collection[str]) -> dict[InvoiceKey, str]:
    """The invoices of which the warehouse does not know all that the records of these documents say."""
    if not ahead:
        return {}
    known = texts_of(warehouse, ahead)
    if unknown := sorted(set(ahead) - known.keys()):
        with warehouse.read() as connection:
            keys = connection.execute(
                "SELECT DISTINCT source, account_id, external_id FROM document_invoices"
            ).fetchall()
        reason = f"the archive has document {unknown[0][:12]}, which the warehouse does not know: {_CATCH_UP}"
        return {InvoiceKey(*key): reason for key in keys}
    reason = f"its record in the archive says more than the warehouse knows: {_CATCH_UP}"
    return dict.fromkeys(_invoices_of(warehouse, ahead), reason)


def _invoices_of(warehouse: Warehouse, documents: Collection[str]) -> dict[InvoiceKey, str]:
    """The invoices that documents state, each with the last of these documents."""
    if not documents:
        return {}
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT document_sha256, source, account_id, external_id FROM document_invoices "
            f"WHERE document_sha256 IN ({text_list(documents)}) ORDER BY ALL"
        ).fetchall()
    return {InvoiceKey(*key): sha256 for sha256, *key in rows}


def damage_of(archive: Archive, record: Record) -> str | None:
    """What is wrong with a record, with its path and line; None where it is whole."""
    return None if record.damage is None else f"{archive.record_place(record.document_sha256)}: {record.damage}"


def note_records(connection: duckdb.DuckDBPyConnection, archive: Archive, records: Iterable[Record]) -> set[date]:
    """Note the present state of registered documents' records, within the caller's transaction. Their earlier facts stay.

    Returns:
        The months of invoices that a damaged record holds now, or holds no more: their totals are to be built anew.
    """
    by_document = {record.document_sha256: record for record in records}
    if not by_document:
        return set()
    wanted = text_list(by_document)
    rows = fetch(connection, f"SELECT * FROM documents WHERE document_sha256 IN ({wanted})")
    now = [{**row, **record_row(archive, by_document[row["document_sha256"]])} for row in rows]
    changed = [
        row["document_sha256"]
        for row, before in zip(now, rows, strict=True)
        if row["record_damage"] != before["record_damage"]
    ]
    connection.execute(f"DELETE FROM documents WHERE document_sha256 IN ({wanted})")
    insert(connection, schema.DOCUMENTS, now)
    concerned = months_of(connection, text_list(changed))
    months.renew(connection, schema.COST_LINES.name, concerned)
    return concerned


def hand_on(before: Warehouse, after: Warehouse, archive: Archive) -> None:
    """Have the new warehouse know what the records of documents said whose ends the archive does not have any more.

    So a record that ends earlier than it did, as one from a backup, and one that is gone hold their invoices in the new warehouse
    too. A text that does not go on from the archive's is that of a changed warehouse, and is not handed on.

    Args:
        before: The warehouse of before; where it cannot be read, nothing is handed on.
        after: The new one, without documents.
        archive: Where the records are.

    Raises:
        ArchiveError: A record cannot be read.
        WarehouseError: The new warehouse cannot be written.
    """
    try:
        with before.read() as connection:
            rows = fetch(connection, "SELECT * FROM documents WHERE record IS NOT NULL ORDER BY document_sha256")
    except (WarehouseError, duckdb.Error):
        return
    contents = archive.each(archive.record_bytes, [row["document_sha256"] for row in rows])
    longer = [
        # It is registered anew, as what an earlier version has registered; without its bytes it stays rejected.
        {**row, "record_bytes": None, "record_changed_ns": None, "record_damage": None, "read_by": ""}
        | {"status": "rejected", "reason": str(LostBytesError(archive.place_of(row["document_sha256"]), "is missing"))}
        for row, content in zip(rows, contents, strict=True)
        if (text := row["record"].encode()) != content and text.startswith(content)
        if read_record(row["document_sha256"], text).damage is None
    ]
    if longer:
        with after.write_register() as connection:
            insert(connection, schema.DOCUMENTS, longer)


def registered(connection: duckdb.DuckDBPyConnection, records: Iterable[Record]) -> dict[str, Record]:
    """The records whose documents are registered."""
    by_document = {record.document_sha256: record for record in records}
    rows = connection.execute(
        f"SELECT document_sha256 FROM documents WHERE document_sha256 IN ({text_list(by_document)})"
    ).fetchall()
    return {sha256: by_document[sha256] for (sha256,) in rows}


def record_row(archive: Archive, record: Record) -> dict[str, Any]:
    """What the register keeps of a document's record itself."""
    return {
        "record_bytes": record.state.byte_size,
        "record_changed_ns": record.state.changed_ns,
        "record": record.text or None,
        "record_damage": damage_of(archive, record),
    }


def months_of(connection: duckdb.DuckDBPyConnection, wanted: str) -> set[date]:
    """The months of these documents' invoices, of every other version of those, and of all others with their ids."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT other.invoice_month
        FROM document_invoices AS own JOIN document_invoices AS other
          ON coalesce(other.stated_id, other.external_id) = coalesce(own.stated_id, own.external_id)
        WHERE own.document_sha256 IN ({wanted})
        """
    ).fetchall()
    return {month for (month,) in rows}
