"""What earlier landings have registered: files, documents, their records, and which documents must be read anew."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import duckdb

from arcadia_dagster.formats.reader import head_at
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing import contents
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.book_exports import known_exports
from arcadia_dagster.landing.inbox import FINGERPRINT_SQL
from arcadia_dagster.landing.lost_bytes import lost_bytes
from arcadia_dagster.landing.record import Event, RecordState
from arcadia_dagster.landing.records import damaged_records, known_states
from arcadia_dagster.landing.rules import RulesNews
from arcadia_dagster.store.query import text_list, text_literal
from arcadia_dagster.warehouse import Warehouse

ARCHIVED: Final = "archive/"
"""What the name of an archived document begins with among the files that could not be taken."""


@dataclass(slots=True)
class Known:
    """What earlier landings registered.

    Attributes:
        fingerprints: Each file of the inbox as it was looked at last, by its path.
        problems: Why files could not be taken, by path.
        documents: The document that each file holds, by path.
        paths: The paths under which each document came.
        records: How each document's record was when it was read.
        damaged: The documents whose records are damaged: name and how.
        lost: The documents whose bytes were lost when they were read last: how.
        outdated: The documents that other versions of formats have read.
        kept_in: The numbers of the archive's files of what documents state, as far as the warehouse knows them.
        is_unkept: Whether no such file tells of some documents.
        rules: What is to be done about the present rules.
        unregistered: The documents of which such files tell, and which nobody has registered.
        exports: The names of the archive's records of exports to the books, by their numbers.
        latest: When the latest document arrived (UTC).
        nameless: Archived documents that are not registered because no line of their record has a name: their arrivals by the
            inbox.
    """

    fingerprints: dict[str, str]
    problems: dict[str, str]
    documents: dict[str, str]
    paths: dict[str, set[str]]
    records: dict[str, RecordState]
    damaged: dict[str, tuple[str, str]]
    lost: dict[str, str]
    outdated: list[str]
    kept_in: set[int]
    is_unkept: bool
    rules: RulesNews
    unregistered: set[str]
    exports: dict[int, str]
    latest: datetime | None
    nameless: dict[str, list[Event]] = field(default_factory=dict)

    @classmethod
    def of(cls, warehouse: Warehouse, formats: Formats) -> "Known":
        """What the warehouse has now."""
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
            lost = lost_bytes(connection)
            received = connection.execute("SELECT max(received_at) FROM document_names").fetchone()
            rules = RulesNews.of(connection, formats.rules, datetime.now(UTC).replace(tzinfo=None))
            outdated = [sha256 for sha256, _ in outdated_documents(connection, formats)]
            exports = known_exports(connection)
            kept_in, is_unkept, unregistered = (
                contents.kept_in(connection),
                contents.unkept(connection),
                contents.unregistered(connection),
            )
        return cls(
            fingerprints=fingerprints,
            problems=dict(problems),
            documents=dict(documents),
            paths={sha256: set(names) for sha256, names in paths},
            records=records,
            damaged=damaged,
            lost=lost,
            outdated=outdated,
            kept_in=kept_in,
            is_unkept=is_unkept,
            rules=rules,
            unregistered=unregistered,
            exports=exports,
            latest=None if received is None or received[0] is None else received[0].replace(tzinfo=UTC),
        )


def accepted_of(warehouse: Warehouse, documents: Collection[str]) -> set[str]:
    """Those of the documents that were read whole, and state what the register has."""
    with warehouse.read() as connection:
        found = connection.execute(
            f"SELECT document_sha256 FROM accepted_documents WHERE document_sha256 IN ({text_list(documents)})"
        ).fetchall()
    return {sha256 for (sha256,) in found}


def outdated_documents(connection: duckdb.DuckDBPyConnection, formats: Formats) -> list[tuple[str, date | None]]:
    """The documents that are to be read anew, each with the month of its invoices, where it has some.

    A document is read anew where the reading of its format has another version now; where it is a cost table and a rule for the
    column of ids has changed; where it was rejected and the formats or descriptions have changed; and where it was read by a
    description and the descriptions have changed. So the register says what a new warehouse would say. A document of one of the
    program's own formats is listed without a month where descriptions have changed: only its header tells whether one of them
    reads it now.
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


def left_as_accepted(connection: duckdb.DuckDBPyConnection, formats: Formats) -> set[str]:
    """The documents that are to be read anew, and that the landing could not read anew: it has noted why.

    The present program would lose an invoice of them (`reading.arrivals`), or their bytes are lost too.
    """
    places = connection.execute("SELECT inbox_path FROM inbox_files WHERE problem IS NOT NULL").fetchall()
    noted = {path.removeprefix(ARCHIVED) for (path,) in places if path.startswith(ARCHIVED)}
    return noted and noted.intersection(sha256 for sha256, _ in outdated_documents(connection, formats))


def _is_read_anew(formats: Formats, format_name: str | None, read_by: str, *, is_rejected: bool) -> bool:
    """Whether an outdated document is read anew whatever it is; else it depends on whether a description names its header."""
    is_own = not is_rejected and not formats.is_described(format_name)
    return not is_own or formats.has_other_reading(format_name, read_by, is_rejected=is_rejected)


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


def to_read_anew(warehouse: Warehouse, archive: Archive, formats: Formats, outdated: Sequence[str]) -> list[str]:
    """The outdated documents that must be read anew; the register notes that the others are up to date.

    A document that one of the program's own formats read and still recognises by its beginning is not read anew.
    """
    if not outdated:
        return []
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT document_sha256, format, read_by FROM accepted_documents "
            f"WHERE document_sha256 IN ({text_list(outdated)})"
        ).fetchall()
    same: dict[str, list[str]] = {}
    for sha256, format_name, read_by in rows:
        path = archive.path_of(sha256)
        if not _is_read_anew(formats, format_name, read_by, is_rejected=False) and path.exists():
            name, _ = formats.recognise(head_at(path))
            if not formats.is_described(name):
                same.setdefault(format_name, []).append(sha256)
    with warehouse.write_register() as connection:
        for format_name, hashes in same.items():
            connection.execute(
                f"UPDATE documents SET read_by = ? WHERE document_sha256 IN ({text_list(hashes)})",
                [formats.read_by(format_name, is_rejected=False)],
            )
    kept = {sha256 for hashes in same.values() for sha256 in hashes}
    return [sha256 for sha256 in outdated if sha256 not in kept]


def known_months(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> list[date]:
    """The earliest and the latest month, from the first to the last given, of which good documents state invoices."""
    rows = connection.execute(
        "SELECT unnest([min(invoice_month), max(invoice_month)]) FROM document_invoices SEMI JOIN accepted_documents "
        "USING (document_sha256) WHERE invoice_month BETWEEN ? AND ?",
        [first, last],
    ).fetchall()
    return [month for (month,) in rows if month is not None]
