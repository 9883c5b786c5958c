"""What each document states, kept in the archive apart from the document and its record.

    archive/contents/000001-3f9a0c1d2e4b.jsonl

A landing keeps one such file for what it registered: a line for each accepted document, with its names, the ids of its
invoices, the files that it lists as a manifest and the billing periods that it states. The last line of a document counts. So a
new warehouse knows which invoices a document concerns of which neither the bytes nor the record are left, and holds them.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import duckdb

from arcadia_dagster.landing.record import Event
from arcadia_dagster.reading.format import BillingPeriod, DeliveryFile
from arcadia_dagster.store.query import fetch, text_list
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.rows import insert

KEPT_IN: Final = "contents"
"""The folder of the archive with the files."""

VERSION: Final = re.compile(r"\d{6}-[0-9a-f]{12}\.jsonl")

NUMBER_DIGITS: Final = 6
HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class ToKeep:
    """A file for the archive."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a document stated when it was registered last.

    Attributes:
        received: Its arrivals, as its record told them.
        files: The files that it lists as a manifest.
        periods: The billing periods that it states.
    """

    received: tuple[Event, ...]
    files: tuple[DeliveryFile, ...]
    periods: tuple[BillingPeriod, ...]


def number_of(name: str) -> int:
    """Which file it is, from 1."""
    return int(name[:NUMBER_DIGITS])


def is_whole(name: str, content: bytes) -> bool:
    """Whether a kept file is what was kept under this name: the name has the beginning of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:HASH_DIGITS] == name[NUMBER_DIGITS + 1 :].partition(".")[0]


def last_kept(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the last file that the warehouse knows; 0 where it knows none."""
    row = connection.execute("SELECT max(kept_in) FROM document_contents").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def unkept(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there are accepted documents of which no file says what they state, as in a home of an earlier version."""
    found = connection.execute(
        "SELECT EXISTS (FROM accepted_documents ANTI JOIN document_contents USING (document_sha256))"
    )
    return found.fetchone() == (True,)


def unregistered(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The documents that the files tell of and nobody has registered."""
    rows = connection.execute(
        "SELECT document_sha256 FROM document_contents ANTI JOIN documents USING (document_sha256)"
    ).fetchall()
    return {sha256 for (sha256,) in rows}


def contents_of(connection: duckdb.DuckDBPyConnection, documents: Iterable[str]) -> dict[str, Content]:
    """What is known of these documents, by SHA-256; nothing of those of which no file tells."""
    rows = connection.execute(
        f"SELECT document_sha256, content FROM document_contents WHERE document_sha256 IN ({text_list(documents)})"
    ).fetchall()
    return {sha256: _parsed(json.loads(content)) for sha256, content in rows}


def renewed(connection: duckdb.DuckDBPyConnection, documents: str) -> ToKeep | None:
    """Note what accepted documents state now, where that is not on file, within the caller's transaction.

    The caller keeps the file once the transaction is committed. After a crash in between the next landing does: see `kept_again`.

    Args:
        connection: A connection of `Warehouse.write`.
        documents: SQL: the hashes of the documents that were registered, as a list of literals. Those of which nothing is on file
            count too, and the statements that have found their invoices now.

    Returns:
        The file for the archive; None where all is on file.
    """
    rows = fetch(connection, _STATED.format(documents=documents))
    lines = {row["document_sha256"]: _line(row) for row in rows}
    known = dict(
        connection.execute(
            f"SELECT document_sha256, content FROM document_contents WHERE document_sha256 IN ({text_list(lines)})"
        ).fetchall()
    )
    new = {sha256: line for sha256, line in lines.items() if line != known.get(sha256)}
    if not new:
        return None
    number = last_kept(connection) + 1
    _replace(connection, {sha256: (number, line) for sha256, line in new.items()})
    return _file(number, new.values())


def kept_again(connection: duckdb.DuckDBPyConnection, last: int) -> ToKeep | None:
    """What is not in the archive, as one file that follows its last one, within the caller's transaction.

    Args:
        connection: A connection of `Warehouse.write`.
        last: The number of the archive's last file.
    """
    connection.execute("UPDATE document_contents SET kept_in = ? WHERE kept_in > ?", [last + 1, last])
    rows = connection.execute(
        "SELECT content FROM document_contents WHERE kept_in = ? ORDER BY document_sha256", [last + 1]
    ).fetchall()
    return _file(last + 1, (line for (line,) in rows)) if rows else None


def take_over(connection: duckdb.DuckDBPyConnection, files: Mapping[str, bytes]) -> None:
    """Note what files of the archive say, which must be whole, within the caller's transaction."""
    _replace(connection, lines_in(files))


def lines_in(files: Mapping[str, bytes]) -> dict[str, tuple[int, str]]:
    """The last line of each document in whole files, by SHA-256: the number of its file, and what it says."""
    return {
        json.loads(line)["document"]: (number_of(name), line)
        for name, content in sorted(files.items())
        for line in content.decode().splitlines()
    }


def lines_known(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str]]:
    """The same of the documents that the warehouse knows."""
    rows = connection.execute("SELECT document_sha256, kept_in, content FROM document_contents").fetchall()
    return {sha256: (number, line) for sha256, number, line in rows}


def changed_since(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The accepted documents of which the register has something else than they stated: name, and what."""
    known = {sha256: json.loads(line) for sha256, (_, line) in lines_known(connection).items()}
    rows = fetch(connection, _STATED.format(documents="SELECT document_sha256 FROM accepted_documents"))
    now = {row["document_sha256"]: json.loads(_line(row)) for row in rows}
    # An id that finance knows an invoice by takes the place of another one.
    aliases = {
        id_
        for ids in connection.execute("SELECT external_id, alias_external_id FROM invoice_aliases").fetchall()
        for id_ in ids
    }
    return [
        (told["received"][-1][1], what)
        for sha256, told in sorted(known.items())
        if sha256 in now and (what := _difference(told, now[sha256], aliases)) is not None
    ]


def _difference(told: Mapping[str, Any], now: Mapping[str, Any], aliases: Collection[str]) -> str | None:
    known = {id_ for invoice in told["invoices"] for id_ in invoice["ids"]}
    found = {id_ for invoice in now["invoices"] for id_ in invoice["ids"]}
    if lacking := sorted(known - found - set(aliases)):
        return f"it stated {', '.join(lacking)}, which the warehouse lacks"
    for member in ("received", "files", "periods"):
        if told[member] != now[member]:
            return f"the {_WORDS[member]} in the warehouse are not what it had"
    figures = [[{**invoice, "ids": []} for invoice in one["invoices"]] for one in (told, now)]
    return None if figures[0] == figures[1] else "the figures of its invoices in the warehouse are not what it stated"


_WORDS: Final = {"received": "names", "files": "files that it lists", "periods": "billing periods"}


def _replace(connection: duckdb.DuckDBPyConnection, lines: Mapping[str, tuple[int, str]]) -> None:
    connection.execute(f"DELETE FROM document_contents WHERE document_sha256 IN ({text_list(lines)})")
    rows = [
        {"document_sha256": sha256, "kept_in": number, "invoice_ids": _ids(line), "content": line}
        for sha256, (number, line) in lines.items()
    ]
    insert(connection, schema.DOCUMENT_CONTENTS, rows)


def _ids(line: str) -> list[str]:
    return sorted({id_ for invoice in json.loads(line)["invoices"] for id_ in invoice["ids"]})


def _file(number: int, lines: Iterable[str]) -> ToKeep:
    text = "".join(f"{line}\n" for line in lines)
    return ToKeep(f"{number:0{NUMBER_DIGITS}}-{hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]}.jsonl", text)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "document": row["document_sha256"],
            "received": [[at.replace(tzinfo=UTC).isoformat(), name, path] for at, name, path in row["received"]],
            "invoices": [_invoice(*invoice) for invoice in row["invoices"]],
            "files": [list(file) for file in row["files"]],
            "periods": [list(map(_plain, period)) for period in row["periods"]],
        }
    )


def _invoice(external_id: str, stated_id: str | None, *figures: Any) -> dict[str, Any]:  # noqa: ANN401
    currency, total, tax, line_count, lines_total = figures
    return {
        "ids": sorted({external_id, stated_id or external_id}),
        "currency": currency,
        "total": _plain(total),
        "tax": _plain(tax),
        "lines": line_count,
        "sum": _plain(lines_total),
    }


def _parsed(told: Mapping[str, Any]) -> Content:
    return Content(
        tuple(
            {"event": "received", "at": datetime.fromisoformat(at).isoformat(), "file_name": name, "inbox_path": path}
            for at, name, path in told["received"]
        ),
        tuple(DeliveryFile(folder, name, rows) for folder, name, rows in told["files"]),
        tuple(
            BillingPeriod(
                source, issuer, account, _time(starts_at), _time(ends_at), is_open, updated_at and _time(updated_at)
            )
            for source, issuer, account, starts_at, ends_at, is_open, updated_at in told["periods"]
        ),
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column has
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


_time: Final = datetime.fromisoformat
"""A time in UTC without an offset, as `_plain` writes it."""


_STATED: Final = """
WITH document AS (
  SELECT document_sha256 FROM accepted_documents
  WHERE document_sha256 IN ({documents})
    OR document_sha256 NOT IN (SELECT document_sha256 FROM document_contents)
    OR document_sha256 IN (
      -- It has found the invoice that it is about.
      SELECT document_sha256 FROM document_invoices JOIN document_contents USING (document_sha256)
      WHERE is_statement AND NOT list_contains(invoice_ids, external_id))
), name AS (
  SELECT document_sha256, list((received_at, file_name, inbox_path) ORDER BY received_at, inbox_path) AS received
  FROM document_names SEMI JOIN document USING (document_sha256) GROUP BY document_sha256
), invoice AS (
  SELECT document_sha256,
    list((external_id, stated_id, currency, stated_total, stated_tax, line_count, lines_total) ORDER BY invoice_ordinal)
      AS invoices
  FROM document_invoices SEMI JOIN document USING (document_sha256) GROUP BY document_sha256
), file AS (
  SELECT document_sha256, list((folder, file_name, row_count) ORDER BY ALL) AS files
  FROM delivery_files SEMI JOIN document USING (document_sha256) GROUP BY document_sha256
), period AS (
  SELECT document_sha256,
    list((source, issuer_name, account_id, starts_at, ends_at, is_open, updated_at) ORDER BY line_number) AS periods
  FROM billing_periods SEMI JOIN document USING (document_sha256) GROUP BY document_sha256
)
SELECT document_sha256, coalesce(received, []) AS received, coalesce(invoices, []) AS invoices,
  coalesce(files, []) AS files, coalesce(periods, []) AS periods
FROM document LEFT JOIN name USING (document_sha256) LEFT JOIN invoice USING (document_sha256)
LEFT JOIN file USING (document_sha256) LEFT JOIN period USING (document_sha256)
ORDER BY document_sha256
"""
