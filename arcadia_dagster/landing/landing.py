"""Landing: every complete file of the inbox is archived, read and registered, once.

One plain function, called first by every run that builds invoices and by the command line, so that it works without the
sensor. It registers files of whatever month and never changes the inbox.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from arcadia_dagster.formats.reader import ArchivedDocument, Reader, head_at
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive, ArchiveError, NotTakenError, StillChangingError, opened
from arcadia_dagster.landing.descriptions import assert_none_gone
from arcadia_dagster.landing.inbox import CONTROL_TOTAL_SUFFIX, FINGERPRINT_SQL, FileState, InboxFile, Look, look
from arcadia_dagster.landing.reading import arrivals
from arcadia_dagster.landing.record import MISSING, Event, Record, RecordState, timeless
from arcadia_dagster.landing.records import damaged_records, known_states, note_records, records_of, texts_of
from arcadia_dagster.landing.register import register, register_facts
from arcadia_dagster.landing.rules import (
    becoming_final,
    documents_ruled_otherwise,
    keep,
    known_rules,
    months_ruled_otherwise,
    note_rules,
)
from arcadia_dagster.store.query import text_list, text_literal
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import renew, touch
from arcadia_dagster.warehouse.rows import insert

Item = TypeVar("Item")

# Another landing may have much to read; what it takes need not be taken again.
_LANDING_SECONDS = 600.0
_SLICE_FILES = 5_000
_SLICE_BYTES = 2 << 30
_MAX_CONTROL_TOTAL_BYTES = 100_000


@dataclass(slots=True)
class Landed:
    """What a landing did.

    Attributes:
        documents: The SHA-256 of each document that was registered for the first time.
        months: The months whose invoices changed.
        rejected: The new documents that were rejected, by name: why.
        described: The documents that a person's description reads in place of a format of the program, by name: which of each.
        waiting: Files that are still being written: the next landing takes them.
        problems: Files that could not be taken, by their path below the inbox: why.
        damaged: The documents whose records in the archive are damaged, by SHA-256: name and how. Their invoices are held.
        seen: How many files lie in the inbox.
    """

    documents: list[str] = field(default_factory=list)
    months: set[date] = field(default_factory=set)
    rejected: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, tuple[str, str]] = field(default_factory=dict)
    seen: int = 0


@dataclass(slots=True)
class _Known:
    """What earlier landings registered.

    Attributes:
        records: How each document's record was when it was read.
        damaged: The documents whose records are damaged: name and how.
        nameless: Archived documents that are not registered, for no line tells a name: the arrivals that the inbox tells.
    """

    fingerprints: dict[str, str]
    problems: dict[str, str]
    documents: dict[str, str]
    paths: dict[str, set[str]]
    records: dict[str, RecordState]
    damaged: dict[str, tuple[str, str]]
    outdated: list[str]
    latest: datetime | None
    nameless: dict[str, list[Event]] = field(default_factory=dict)

    @classmethod
    def of(cls, warehouse: Warehouse, formats: Formats) -> "_Known":
        with warehouse.read() as connection:
            fingerprints = known_files(connection)
            problems = connection.execute(
                "SELECT inbox_path, problem FROM inbox_files WHERE problem IS NOT NULL"
            ).fetchall()
            documents = connection.execute(
                "SELECT inbox_path, document_sha256 FROM inbox_files WHERE problem IS NULL AND document_sha256 IS NOT NULL"
            ).fetchall()
            paths = connection.execute(
                "SELECT document_sha256, list(DISTINCT inbox_path) FROM document_names GROUP BY document_sha256"
            ).fetchall()
            records = known_states(connection)
            damaged = damaged_records(connection)
            received = connection.execute("SELECT max(received_at) FROM document_names").fetchone()
            outdated = [sha256 for sha256, _ in outdated_documents(connection, formats)]
        return cls(
            fingerprints=fingerprints,
            problems=dict(problems),
            documents=dict(documents),
            paths={sha256: set(found) for sha256, found in paths},
            records=records,
            damaged=damaged,
            outdated=outdated,
            latest=None if received is None or received[0] is None else received[0].replace(tzinfo=UTC),
        )


def outdated_documents(connection: duckdb.DuckDBPyConnection, formats: Formats) -> list[tuple[str, date | None]]:
    """The documents that are to be read anew, each with the month of its invoices, where it has some.

    Its format's reading has another version now. What other formats or descriptions could not read, these perhaps can. What was
    read by a description is read by it as it is now, by none where it is gone, and by none where another fits too: as it would be
    in a new warehouse. What one of the program's own formats read may have been described since; that is seen when it is looked
    at, and so no month is told.
    """
    kinds = connection.execute(
        "SELECT DISTINCT status, format, read_by FROM documents WHERE status <> 'dismissed'"
    ).fetchall()
    outdated = [
        f"(status = '{status}' AND read_by = {text_literal(read_by)} AND "
        f"format {'IS NULL' if format_ is None else f'= {text_literal(format_)}'})"
        for status, format_, read_by in kinds
        if read_by != formats.read_by(format_, is_rejected=status == "rejected")
    ]
    if not outdated:
        return []
    rows = connection.execute(
        f"SELECT document_sha256, status, format, read_by, invoice_month FROM documents WHERE {' OR '.join(outdated)} "
        "ORDER BY document_sha256"
    ).fetchall()
    return [
        (sha256, month if _is_read_anew(formats, format_, read_by, is_rejected=status == "rejected") else None)
        for sha256, status, format_, read_by, month in rows
    ]


def _is_read_anew(formats: Formats, format_name: str | None, read_by: str, *, is_rejected: bool) -> bool:
    """Whether an outdated document is read anew whatever it is; else it depends on whether a description names its header."""
    is_own = not is_rejected and not formats.is_described(format_name)
    return not is_own or formats.has_other_reading(format_name, read_by, is_rejected=is_rejected)


def land(warehouse: Warehouse, archive: Archive, reader: Reader, inbox: Path, *, settle_seconds: float) -> Landed:
    """Take what is new in the inbox. A file that changed just now is waited for, `settle_seconds` at most.

    What the archive knows and the warehouse does not is registered first, documents and what was noted of them since: a crash
    came between, or the warehouse was deleted to be rebuilt, or restored from a backup. A document whose record is damaged keeps
    what is known of it, and its invoices are held until the record is whole again.

    A document that neither record nor inbox names is registered under its hash, and held.

    Args:
        warehouse: Where documents are registered.
        archive: Where their bytes are kept.
        reader: Reads them; it keeps the lines for the steps that follow in this process.
        inbox: The folder that files are dropped in.
        settle_seconds: How long a file that was not renamed into place must lie unchanged.

    Raises:
        InboxError: The inbox is missing or cannot be read.
        FormatsError: A description is gone by which a document was read that only the archive knows.
        LockTimeoutError: Another landing took longer than ten minutes, or a writer of the warehouse longer than its lock's
            time-out.
        OSError, WarehouseError: The archive or the warehouse cannot be written.
    """
    deadline = time.monotonic() + settle_seconds
    landed = Landed()
    while True:
        with warehouse.hold("landing", path=archive.lock_path, timeout=max(warehouse.lock_timeout, _LANDING_SECONDS)):
            warehouse.sweep()
            known = _Known.of(warehouse, reader.formats)
            # A crash came between archive and register, the warehouse is a new one or from a backup, or a record was changed.
            archived = archive.records()
            behind = [
                sha256
                for sha256 in sorted(known.records.keys() | archived.keys())
                if _is_behind(known.records.get(sha256), archived.get(sha256, MISSING))
            ]
            if behind:
                _restore(warehouse, archive, reader, behind, known, landed)
                known = _Known.of(warehouse, reader.formats)
            known.nameless = {sha256: [] for sha256 in archived if sha256 not in known.records}
            _take_rules(warehouse, archive, reader, known, landed)
            found = look(inbox, known.fingerprints, now_ns=time.time_ns(), settle_seconds=settle_seconds)
            pause = _until_settled(found, settle_seconds, deadline)
            if not pause:
                _take_all(warehouse, archive, reader, inbox, found, known, landed)
                return landed
        time.sleep(pause)


def _is_behind(known: RecordState | None, archived: RecordState) -> bool:
    """Whether a record must be read. Bytes without one are a document whose arrival a crash cut short: its file comes again."""
    return archived != MISSING if known is None else archived != known


def _take_rules(warehouse: Warehouse, archive: Archive, reader: Reader, known: _Known, landed: Landed) -> None:
    """Go by the rules as they are now: keep them, register anew what they concern, and note what is final by now.

    The warehouse knows rules only once all that they concern is registered by them: a crash in between leaves nothing out.
    """
    rules = reader.formats.rules
    keep(archive.folder, rules)
    with warehouse.read() as connection:
        is_known = known_rules(connection) == rules
        concerned = documents_ruled_otherwise(connection, rules)
        months = months_ruled_otherwise(connection, rules)
        final = becoming_final(connection, _now())
    _register_archived(warehouse, archive, reader, concerned, known, landed)
    if is_known and not final:
        return
    with warehouse.write() as connection:
        if not is_known:
            months |= months_ruled_otherwise(connection, rules)
            note_rules(connection, rules)
            renew(connection, schema.RAW_INVOICES.name, months)
            landed.months |= months
        months = becoming_final(connection, _now())
        connection.execute(
            "UPDATE document_invoices SET is_final = true WHERE NOT is_final AND final_from <= ?", [_now()]
        )
        touch(connection, schema.DOCUMENT_INVOICES.name, months)
        landed.months |= months


def _now() -> datetime:
    """The time, in UTC without an offset, as the warehouse keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _until_settled(found: Look, settle_seconds: float, deadline: float) -> float:
    """Seconds until a file that was dropped just now has shown that nobody writes to it any more; 0 where none is waited for."""
    left = deadline - time.monotonic()
    if left <= 0 or not found.waiting:
        return 0.0
    youngest = max(file.state.changed_ns for file in found.waiting) / 1e9
    return min(left, max(0.05, youngest + settle_seconds - time.time()))


def _take_all(
    warehouse: Warehouse, archive: Archive, reader: Reader, inbox: Path, found: Look, known: _Known, landed: Landed
) -> None:
    """Archive, read and register what the look at the inbox found."""
    landed.seen = found.seen
    landed.problems.update(found.problems)
    landed.waiting += [file.inbox_path for file in found.waiting]
    for outdated in _slices([(sha256, 0) for sha256 in _read_otherwise(warehouse, archive, reader, known.outdated)]):
        _register(warehouse, archive, reader, [archive.examine(sha256) for sha256 in outdated], known, landed)
    documents = [file for file in found.complete if not file.is_control_total]
    for files in _slices([(file, file.state.byte_size) for file in documents]):
        _take(warehouse, archive, reader, files, known, landed)
    if known.nameless:
        _register_archived(warehouse, archive, reader, list(known.nameless), known, landed)
        with warehouse.read() as connection:
            known.damaged = damaged_records(connection)
    totals = [file for file in found.complete if file.is_control_total]
    totals += _totals_of_replaced_files(inbox, found, known)
    _take_control_totals(warehouse, archive, reader, totals, known, landed)
    landed.problems.update(_totals_taken_away(warehouse, inbox))
    landed.damaged = known.damaged
    if landed.problems != known.problems:
        _note_problems(warehouse, found, landed)
    if landed.documents:
        landed.rejected = _rejected(warehouse, landed.documents)


def _read_otherwise(warehouse: Warehouse, archive: Archive, reader: Reader, outdated: Sequence[str]) -> list[str]:
    """Those of the outdated documents that are to be read anew; of the others it is noted that they are as they were.

    What one of the program's own formats read, and still does, need not be: its beginning tells.
    """
    if not outdated:
        return []
    with warehouse.read() as connection:
        found = connection.execute(
            "SELECT document_sha256, format, read_by FROM documents WHERE status = 'accepted' "
            f"AND document_sha256 IN ({text_list(outdated)})"
        ).fetchall()
    same: dict[str, list[str]] = {}
    for sha256, format_name, read_by in found:
        path = archive.path_of(sha256)
        if not _is_read_anew(reader.formats, format_name, read_by, is_rejected=False) and path.exists():
            name, _ = reader.formats.recognise(head_at(path))
            if not reader.formats.is_described(name):
                same.setdefault(format_name, []).append(sha256)
    with warehouse.write() as connection:
        for format_name, hashes in same.items():
            connection.execute(
                f"UPDATE documents SET read_by = ? WHERE document_sha256 IN ({text_list(hashes)})",
                [reader.formats.read_by(format_name, is_rejected=False)],
            )
    kept = {sha256 for hashes in same.values() for sha256 in hashes}
    return [sha256 for sha256 in outdated if sha256 not in kept]


def _rejected(warehouse: Warehouse, documents: Sequence[str]) -> dict[str, str]:
    """Which of the documents were rejected, by name: why."""
    with warehouse.read() as connection:
        return dict(
            connection.execute(
                "SELECT file_name, reason FROM documents WHERE status = 'rejected' "
                f"AND document_sha256 IN ({text_list(documents)}) ORDER BY file_name"
            ).fetchall()
        )


def known_files(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The fingerprint of each inbox file at the last landing, by its path. What could not be taken is looked at again."""
    # By column: row by row, a hundred thousand of them take ten times as long.
    paths, fingerprints = (
        connection.execute(
            f"SELECT inbox_path, {FINGERPRINT_SQL} AS fingerprint FROM inbox_files WHERE problem IS NULL"
        )
        .fetchnumpy()
        .values()
    )
    return dict(zip(paths.tolist(), fingerprints.tolist(), strict=True))


def _restore(
    warehouse: Warehouse, archive: Archive, reader: Reader, archived: Sequence[str], known: _Known, landed: Landed
) -> None:
    """Register archived documents that the warehouse does not know, or does not know all of; note which records are damaged.

    Raises:
        FormatsError: A description is gone by which one of them was read.
    """
    assert_none_gone((archive.record(sha256) for sha256 in archived), reader.formats)
    anew: list[str] = []
    # Which ids are aliases must be known before the first invoice is placed.
    for hashes in _slices([(sha256, 0) for sha256 in archived]):
        texts, records = texts_of(warehouse, hashes), records_of(warehouse, archive, hashes)
        noted = [one for sha256, one in records.items() if _is_registered(one, known, texts.get(sha256))]
        others = [one for sha256, one in records.items() if not _is_registered(one, known, texts.get(sha256))]
        # What no line names is named by its file in the inbox, where that is still there.
        others = [one for one in others if one.damage is None or one.received]
        with warehouse.write() as connection:
            landed.months |= note_records(connection, archive, noted)
            register_facts(connection, others)
        anew += [record.document_sha256 for record in others]
    _register_archived(warehouse, archive, reader, anew, known, landed)


def _is_registered(record: Record, known: _Known, text: str | None) -> bool:
    """Whether nothing is to be learned of a record: it says what it said, or what it says cannot be trusted."""
    before = known.records.get(record.document_sha256)
    if before is None:
        return False
    if text is None and record.damage is None and record.document_sha256 not in known.damaged:
        # Registered by an earlier version, which kept its length only.
        return record.state.byte_size == before.byte_size
    return record.damage is not None or record.text == text


def _register_archived(
    warehouse: Warehouse, archive: Archive, reader: Reader, archived: Sequence[str], known: _Known, landed: Landed
) -> None:
    """Register archived documents, in slices that are bounded in bytes."""
    paths = {sha256: archive.path_of(sha256) for sha256 in archived}
    sizes = [(sha256, path.stat().st_size if path.exists() else 0) for sha256, path in paths.items()]
    for hashes in _slices(sizes):
        documents = list(_intact(archive, hashes, landed))
        landed.documents += [
            document.document_sha256 for document in documents if document.document_sha256 not in known.records
        ]
        _register(warehouse, archive, reader, documents, known, landed)


def _intact(archive: Archive, hashes: Sequence[str], landed: Landed) -> Iterator[ArchivedDocument]:
    """The archived documents; one that was changed since, or is gone, is shown, and the others go on."""
    for sha256 in hashes:
        try:
            yield archive.examine(sha256)
        except ArchiveError as error:
            landed.problems[f"archive/{sha256}"] = str(error)


def _take(
    warehouse: Warehouse, archive: Archive, reader: Reader, files: Sequence[InboxFile], known: _Known, landed: Landed
) -> None:
    """Archive a slice of files, and register the documents that are new or have a new name."""
    taken: list[tuple[InboxFile, ArchivedDocument]] = []
    for file in files:
        try:
            taken.append((file, archive.take(file)))
        except StillChangingError:
            landed.waiting.append(file.inbox_path)
        except NotTakenError as error:
            landed.problems[file.inbox_path] = str(error)
    arrived: dict[str, ArchivedDocument] = {}
    news: dict[str, list[Event]] = {}
    for file, document in sorted(taken, key=lambda pair: (pair[0].state.changed_ns, pair[0].inbox_path)):
        sha256 = document.document_sha256
        paths = known.paths.setdefault(sha256, set())
        if not paths:
            landed.documents.append(sha256)
        if file.inbox_path not in paths and not _is_refused(file, sha256, known, landed):
            paths.add(file.inbox_path)
            received = _received(file, known)
            if _is_nameless(archive, sha256, known):
                known.nameless[sha256].append(received)
                continue
            _add_once(archive, news, sha256, received)
            arrived[sha256] = document
            known.nameless.pop(sha256, None)
    archive.append_all(news)
    archive.sync()
    looked_at = [(file, document.document_sha256) for file, document in taken if file.inbox_path not in landed.problems]
    _register(warehouse, archive, reader, list(arrived.values()), known, landed, looked_at)
    known.documents.update({file.inbox_path: sha256 for file, sha256 in looked_at})


def _totals_of_replaced_files(inbox: Path, found: Look, known: _Known) -> list[InboxFile]:
    """Control totals that are as they were, beside a file that holds another document now."""
    looked_at = {file.inbox_path for file in (*found.complete, *found.waiting)}
    paths = [
        path
        for path, sha256 in known.documents.items()
        if path.lower().endswith(CONTROL_TOTAL_SUFFIX)
        and path not in looked_at
        and known.documents.get(path[: -len(CONTROL_TOTAL_SUFFIX)], sha256) != sha256
    ]
    return [
        InboxFile(path, inbox / path, FileState.of((inbox / path).lstat())) for path in paths if (inbox / path).exists()
    ]


def _totals_taken_away(warehouse: Warehouse, inbox: Path) -> dict[str, str]:
    """The control totals that are gone while their documents still lie in the inbox, by path: that they still count.

    Where the document is gone too, the inbox was cleared of what has landed, and nothing is said by that.
    """
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT inbox_path, stated_by FROM inbox_files JOIN document_invoices USING (document_sha256) "
            "WHERE problem IS NULL AND stated_by IS NOT NULL AND contains(lower(stated_by), lower(inbox_path)) ORDER BY ALL"
        ).fetchall()
    suffixes = (CONTROL_TOTAL_SUFFIX, CONTROL_TOTAL_SUFFIX.upper())
    return {
        f"{path}{CONTROL_TOTAL_SUFFIX}": "it was taken away, and what it stated still counts: put it back, or write the word "
        "none into it, to take back what it stated; then run `arcadia ingest`"
        for path, stated_by in rows
        if f"{path}{CONTROL_TOTAL_SUFFIX}".lower() in stated_by.lower().split(" and ")
        and (inbox / path).exists()
        and not any((inbox / f"{path}{suffix}").exists() for suffix in suffixes)
    }


def _lay_at(warehouse: Warehouse, paths: Sequence[str]) -> dict[str, str]:
    """The documents that came under these paths last, of files that are gone from the inbox since; by path."""
    if not paths:
        return {}
    with warehouse.read() as connection:
        return dict(
            connection.execute(
                "SELECT inbox_path, arg_max(document_sha256, (received_at, document_sha256)) FROM document_names "
                f"WHERE inbox_path IN ({text_list(paths)}) GROUP BY inbox_path"
            ).fetchall()
        )


def _take_control_totals(
    warehouse: Warehouse,
    archive: Archive,
    reader: Reader,
    files: Sequence[InboxFile],
    known: _Known,
    landed: Landed,
) -> None:
    """Note the totals that `<file>.total` states with the documents of those files."""
    news: dict[str, list[Event]] = {}
    looked_at = []
    besides = {file.inbox_path: file.inbox_path[: -len(CONTROL_TOTAL_SUFFIX)] for file in files}
    gone = _lay_at(warehouse, [beside for beside in besides.values() if beside not in known.documents])
    for file in files:
        beside = besides[file.inbox_path]
        sha256 = known.documents.get(beside) or gone.get(beside)
        if sha256 is None:
            landed.problems[file.inbox_path] = f"there is no document {beside} beside it whose total it could state"
            continue
        try:
            with opened(file) as source:
                text = source.read(_MAX_CONTROL_TOTAL_BYTES).decode("utf-8-sig", "replace").strip()
        except StillChangingError:
            landed.waiting.append(file.inbox_path)
            continue
        except NotTakenError as error:
            landed.problems[file.inbox_path] = str(error)
            continue
        if _is_refused(file, sha256, known, landed):
            continue
        stated = {"event": "control_total", "file_name": file.name, "inbox_path": file.inbox_path, "text": text}
        _add_once(archive, news, sha256, stated)
        looked_at.append((file, sha256))
    archive.append_all(news)
    if looked_at:
        _register(warehouse, archive, reader, [archive.examine(sha256) for sha256 in news], known, landed, looked_at)


def _is_nameless(archive: Archive, sha256: str, known: _Known) -> bool:
    """Whether the document has a record of which no line tells a name: nothing is appended to that."""
    return (
        sha256 in known.nameless and archive.record_path(sha256).exists() and archive.record(sha256).damage is not None
    )


def _is_refused(file: InboxFile, sha256: str, known: _Known, landed: Landed) -> bool:
    """Whether nothing can be noted of the file, for the record of its document is damaged; it is tried again at each look."""
    if sha256 in known.damaged:
        _, damage = known.damaged[sha256]
        landed.problems[file.inbox_path] = f"the record of its document in the archive is damaged ({damage})"
    return sha256 in known.damaged


def _register(
    warehouse: Warehouse,
    archive: Archive,
    reader: Reader,
    documents: Sequence[ArchivedDocument],
    known: _Known,
    landed: Landed,
    looked_at: Sequence[tuple[InboxFile, str]] = (),
) -> None:
    """Read the documents without the lock, then write them and what was looked at in one transaction."""
    records = {
        sha256: replace(record, events=(*record.events, *known.nameless.get(sha256, ())))
        for sha256, record in records_of(warehouse, archive, [one.document_sha256 for one in documents]).items()
    }
    found, lost = arrivals(warehouse, reader, documents, records)
    landed.problems.update({f"archive/{sha256}": problem for sha256, problem in lost.items()})
    for arrival in found:
        if arrival.reading.passed_over is not None:
            which = f"{arrival.reading.format}, and not the program's own {arrival.reading.passed_over}"
            landed.described[arrival.record.names[0]] = which
    with warehouse.write() as connection:
        if found:
            landed.months |= register(connection, archive, found, reader.formats)
        paths = text_list([file.inbox_path for file, _ in looked_at])
        connection.execute(f"DELETE FROM inbox_files WHERE inbox_path IN ({paths})")
        insert(connection, schema.INBOX_FILES, [_file_row(file, sha256, None) for file, sha256 in looked_at])


def _note_problems(warehouse: Warehouse, found: Look, landed: Landed) -> None:
    """Keep what could not be taken where a check can show it, and forget what is no longer so."""
    by_path = {file.inbox_path: file for file in found.complete}
    with warehouse.write() as connection:
        connection.execute("DELETE FROM inbox_files WHERE problem IS NOT NULL")
        rows = []
        for path, problem in landed.problems.items():
            connection.execute("DELETE FROM inbox_files WHERE inbox_path = ?", [path])
            file = by_path.get(path)
            rows.append(_file_row(file, None, problem) if file else {"inbox_path": path, "problem": problem})
        insert(connection, schema.INBOX_FILES, rows)


def _received(file: InboxFile, known: _Known) -> Event:
    """The arrival: by the file's change time, and never before what was received earlier.

    A folder that is moved into the inbox keeps the change times of its files; versions must not change places for that.
    """
    at = datetime.fromtimestamp(file.state.changed_ns / 1e9, UTC)
    if known.latest is not None:
        at = max(at, known.latest + timedelta(microseconds=1))
    known.latest = at
    return {"event": "received", "at": at.isoformat(), "file_name": file.name, "inbox_path": file.inbox_path}


def _add_once(archive: Archive, news: dict[str, list[Event]], sha256: str, event: Event) -> None:
    """Add an event to what is to be appended, unless the record has it already, as after a crash before it was registered."""
    told = [*archive.record(sha256).of(event["event"]), *news.get(sha256, ())]
    same = [
        timeless(known)
        for known in told
        if known["event"] == event["event"] and known.get("inbox_path") == event.get("inbox_path")
    ]
    is_known = timeless(event) in same if event["event"] == "received" else same[-1:] == [timeless(event)]
    if not is_known:
        news.setdefault(sha256, []).append({"at": datetime.now(UTC).isoformat(), **event})


def _file_row(file: InboxFile, sha256: str | None, problem: str | None) -> dict[str, Any]:
    return {
        "inbox_path": file.inbox_path,
        "byte_size": file.state.byte_size,
        "modified_ns": file.state.modified_ns,
        "changed_ns": file.state.changed_ns,
        "inode": file.state.inode,
        "document_sha256": sha256,
        "problem": problem,
    }


def _slices(items: Sequence[tuple[Item, int]]) -> Iterator[list[Item]]:
    """The items in slices that are bounded in number and in bytes, so that memory is too."""
    slice_: list[Item] = []
    size = 0
    for item, byte_size in items:
        if slice_ and (len(slice_) >= _SLICE_FILES or size + byte_size > _SLICE_BYTES):
            yield slice_
            slice_, size = [], 0
        slice_.append(item)
        size += byte_size
    if slice_:
        yield slice_
