"""The stage `cost_lines`: the lines of the current invoices, normalised and matched."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

import duckdb

from arcadia_dagster.billing.matching import matched_sql
from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.descriptions import kept_documents, recorded_descriptions
from arcadia_dagster.landing.known import left_as_accepted, outdated_documents
from arcadia_dagster.landing.lost_bytes import lost_bytes, note_lost_bytes
from arcadia_dagster.stages.due import MonthRange, due_months
from arcadia_dagster.stages.stated import add_what_is_stated
from arcadia_dagster.store.query import temporary_tables, text_list
from arcadia_dagster.store.threads import SMALL_BYTES, use_threads_for
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.months import month_list, replace, versions
from arcadia_dagster.warehouse.seals import building

_RESTAGES = 10
_HASH_SHOWN = 12


def build_cost_lines(
    warehouse: Warehouse, archive: Archive, reader: Reader, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `cost_lines` by the lines of their current documents, and the lines that make up stated totals.

    A document keeps the lines that it has if its bytes in the archive are lost: then its invoices are held. It also does if the
    present program would lose an invoice of it: then they count as they were accepted. Documents are read without the lock. Under
    it the versions are compared: if another run has replaced one of the months meanwhile, this one reads the missing documents
    and compares again.

    Returns:
        The months that were built: see `due_months`.

    Raises:
        WarehouseError: An accepted document can no longer be read, or is read differently, and its lines are not there; or other
            runs kept replacing the months.
        LockTimeoutError: See `Warehouse.write`.
    """
    for _ in range(_RESTAGES):
        with warehouse.read() as connection:
            wanted = due_months(connection, schema.COST_LINES.name, months, range_)
            seen = versions(connection, schema.RAW_INVOICES.name, wanted)
            documents = _current_documents(connection, wanted)
            as_accepted = left_as_accepted(connection, reader.formats).intersection(documents)
            readable = [sha256 for sha256 in documents if sha256 not in as_accepted]
            _assert_read_as_now(connection, reader, readable)
            kept = kept_documents(connection)
        lost = _stage(archive, reader, readable, kept)
        whole = [sha256 for sha256 in readable if sha256 not in lost]
        with warehouse.write() as connection:
            if versions(connection, schema.RAW_INVOICES.name, wanted) != seen:
                continue
            with building(connection, schema.COST_LINES.name, wanted, seen):
                if (size := reader.text_bytes(whole)) > SMALL_BYTES:
                    use_threads_for(connection, size)
                lines = _cost_lines_sql(reader, whole, wanted)
                with temporary_tables(connection) as make:
                    if unread := {*lost, *as_accepted}:
                        make("kept", _kept_sql(unread, wanted))
                        _assert_kept(connection, unread, wanted, lost)
                        lines += " UNION ALL BY NAME FROM kept"
                    replace(connection, schema.COST_LINES, wanted, lines)
                if lost:
                    note_lost_bytes(connection, lost)
                add_what_is_stated(connection, wanted)
            return wanted
    raise WarehouseError(f"cost_lines: other runs replaced the same months {_RESTAGES} times; run it again")


def _current_documents(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> list[str]:
    rows = connection.execute(
        f"SELECT DISTINCT document_sha256 FROM {_with_lines_sql(months)} ORDER BY document_sha256"
    ).fetchall()
    return [sha256 for (sha256,) in rows]


def _assert_read_as_now(connection: duckdb.DuckDBPyConnection, reader: Reader, documents: Collection[str]) -> None:
    """Check that no document would be read otherwise than when its invoices were registered.

    A landing reads documents anew when a description or a rule has changed; a run of this stage alone has not landed.
    """
    outdated = {sha256 for sha256, _ in outdated_documents(connection, reader.formats)} - lost_bytes(connection).keys()
    if changed := sorted(sha256 for sha256 in outdated.intersection(documents) if not reader.has(sha256)):
        [read] = connection.execute(
            "SELECT format, read_by FROM documents WHERE document_sha256 = ?", [changed[0]]
        ).fetchall()
        raise WarehouseError(
            f"document {changed[0]}: {reader.formats.changed_since(*read)} has changed since it was read: run `arcadia ingest`, "
            "or materialize documents together with this month's raw_invoices and cost_lines"
        )


def _stage(archive: Archive, reader: Reader, documents: Collection[str], kept: Collection[str]) -> dict[str, str]:
    """Read the documents that the reader does not have yet.

    Returns:
        The documents whose bytes are lost, by SHA-256: what is wrong and what to do.
    """
    missing, lost = archive.examine_each([sha256 for sha256 in documents if not reader.has(sha256)], documents)
    by = recorded_descriptions(
        archive, [document.document_sha256 for document in missing if document.document_sha256 in kept]
    )
    for sha256, reading in reader.read(missing, by).items():
        if reading.reason is not None:
            raise WarehouseError(
                f"document {sha256} was accepted, but can no longer be read ({reading.reason}): "
                "move the warehouse away and run `arcadia ingest` to rebuild it from the archive"
            )
    return lost


def _kept_sql(documents: Iterable[str], months: Collection[date]) -> str:
    """The lines that the months have of these documents, which are not read, without those that make up stated totals.

    Lines that somebody has doubled by hand count once. Otherwise no month of theirs could be built until the document is read. An
    invoice may have come under another source since (`landing.issuers`).
    """
    return f"""
    SELECT DISTINCT line.* REPLACE (current.source AS source)
    FROM cost_lines AS line JOIN (
      SELECT *, count(*) OVER (PARTITION BY document_sha256, account_id, external_id, invoice_month) AS alike
      FROM {_with_lines_sql(months)}
    ) AS current USING (document_sha256, account_id, external_id, invoice_month)
    WHERE document_sha256 IN ({text_list(documents)}) AND line_number > 0 AND (alike = 1 OR line.source = current.source)"""


def _assert_kept(
    connection: duckdb.DuckDBPyConnection, documents: Iterable[str], months: Collection[date], lost: Mapping[str, str]
) -> None:
    """Check that `kept` has all lines of what is not read: otherwise an invoice would be gone without a word.

    They are gone where another document took the invoice's place when the month was built, and was dismissed since.
    """
    missing = connection.execute(
        f"""
        SELECT document_sha256, any_value(file_name), min(external_id)
        FROM {_with_lines_sql(months)} AS current LEFT JOIN (
          SELECT document_sha256, source, account_id, external_id, count(*) AS kept_lines FROM kept GROUP BY ALL
        ) AS kept USING (document_sha256, source, account_id, external_id)
        WHERE document_sha256 IN ({text_list(documents)}) AND coalesce(kept_lines, 0) <> line_count
        GROUP BY document_sha256 ORDER BY document_sha256 LIMIT 1
        """
    ).fetchall()
    for sha256, file_name, external_id in missing:
        why = lost.get(sha256, "`arcadia ingest` says why it is not read anew")
        raise WarehouseError(
            f"{file_name}: the lines of its invoice {external_id} are not in the warehouse any more, and cannot be read: {why}; "
            f'or, if it should not count: `arcadia dismiss {sha256[:_HASH_SHOWN]} --reason "..."`'
        )


def _cost_lines_sql(reader: Reader, documents: Collection[str], months: Collection[date]) -> str:
    """The lines of the months' current invoices, from the stage, matched on their way."""
    current = _with_lines_sql(months)
    lines = f"""(
    SELECT line.* EXCLUDE (invoice_ordinal), raw.source, raw.account_id, raw.external_id, raw.invoice_month
    FROM ({reader.lines_sql(documents)}) AS line
    JOIN {current} AS raw USING (document_sha256, invoice_ordinal))"""
    return matched_sql(lines, current, "cloud_resources")


def _with_lines_sql(months: Collection[date]) -> str:
    """SQL: the months' current invoices, each with a document that has lines of it, and does not only state it."""
    return (
        "(SELECT * FROM current_invoices "
        f"WHERE NOT coalesce(is_statement, false) AND invoice_month IN ({month_list(months)}))"
    )
