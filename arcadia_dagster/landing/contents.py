"""What each document states, kept in the archive apart from the document and its record.

    archive/contents/000001-3f9a0c1d2e4b.jsonl

A landing keeps one such file for what it registered: a line for each document, with its names, its invoices, the files that it
lists as a manifest and the billing periods that it states; of a rejected one, its names. The last line of a document counts. So a
new warehouse knows which invoices a document concerns of which neither the bytes nor the record are left, and holds them.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import duckdb

from arcadia_dagster.kept_names import is_whole, name_of, number_of, pattern_of
from arcadia_dagster.landing.record import Event
from arcadia_dagster.reading.format import BillingPeriod, DeliveryFile
from arcadia_dagster.store.query import fetch, text_list
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.rows import insert

KEPT_IN: Final = "contents"
"""The folder of the archive with the files."""

_ENDING: Final = "jsonl"
VERSION: Final = pattern_of(_ENDING)


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


CHANGED: Final = "was changed: restore it from the newest backup; if nobody has it, move it away"
"""What is wrong with a kept file that cannot be read, and what a person does; to follow its place."""


def readable(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the kept files that are whole, and say what this program says of documents."""
    return {name: content for name, content in files.items() if _is_readable(name, content)}


def _is_readable(name: str, content: bytes) -> bool:
    if not is_whole(name, content):
        return False
    try:
        lines = lines_in({name: content})
        _rows(lines)
        for _, line in lines.values():
            _parsed(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def kept_in(connection: duckdb.DuckDBPyConnection) -> set[int]:
    """The numbers of the files that the warehouse knows, as far as a document's last line is in one."""
    rows = connection.execute("SELECT DISTINCT kept_in FROM document_contents").fetchall()
    return {number for (number,) in rows}


def unkept(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there are documents of which no file says what they state, as in a home of an earlier version."""
    found = connection.execute(f"SELECT EXISTS (FROM ({_READ}) ANTI JOIN document_contents USING (document_sha256))")
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


def renewed(connection: duckdb.DuckDBPyConnection, documents: str = "''", *, unread: str = "''") -> ToKeep | None:
    """Note what documents state now, where that is not on file, within the caller's transaction.

    The caller keeps the file once the transaction is committed. After a crash in between the next landing does: see `kept_again`.

    Args:
        connection: A connection of `Warehouse.write`.
        documents: SQL: the hashes of the documents that were registered, as a list of literals. Those of which nothing is on file
            count too, and the statements that have found their invoices now.
        unread: SQL: the hashes of those of them whose bytes are lost: what they state is on file, or nobody knows it.

    Returns:
        The file for the archive; None where all is on file.
    """
    rows = fetch(connection, _STATED.format(documents=documents, unread=unread))
    lines = {row["document_sha256"]: _line(row) for row in rows}
    known = dict(
        connection.execute(
            f"SELECT document_sha256, content FROM document_contents WHERE document_sha256 IN ({text_list(lines)})"
        ).fetchall()
    )
    new = {sha256: line for sha256, line in lines.items() if line != known.get(sha256)}
    if not new:
        return None
    number = max(kept_in(connection), default=0) + 1
    _replace(connection, {sha256: (number, line) for sha256, line in new.items()})
    return _file(number, new.values())


def kept_again(connection: duckdb.DuckDBPyConnection, number: int) -> ToKeep:
    """A file that is not in the archive any more, or not yet: the lines that the warehouse knows of it."""
    rows = connection.execute(
        "SELECT content FROM document_contents WHERE kept_in = ? ORDER BY document_sha256", [number]
    ).fetchall()
    return _file(number, (line for (line,) in rows))


def take_over(connection: duckdb.DuckDBPyConnection, files: Mapping[str, bytes]) -> None:
    """Note what readable files of the archive say, within the caller's transaction. A later file counts more."""
    known = lines_known(connection)
    _replace(
        connection,
        {
            sha256: (number, line)
            for sha256, (number, line) in lines_in(files).items()
            if sha256 not in known or known[sha256][0] <= number
        },
    )


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
    """The accepted documents of which the register has something else than they stated: name or hash, and what."""
    rows = fetch(connection, _STATED.format(documents="SELECT document_sha256 FROM accepted_documents", unread="''"))
    now = {row["document_sha256"]: _line(row) for row in rows}
    # An id that finance knows an invoice by takes the place of another one.
    pairs = connection.execute("SELECT external_id, alias_external_id FROM invoice_aliases").fetchall()
    aliases = {id_ for pair in pairs for id_ in pair}
    return [
        (sha256, what)
        for sha256, (_, line) in sorted(lines_known(connection).items())
        if sha256 in now and (what := _difference(line, now[sha256], aliases)) is not None
    ]


def _difference(known: str, present: str, aliases: Collection[str]) -> str | None:
    """What the register has otherwise than a line says; None where nothing."""
    try:
        told, now = json.loads(known), json.loads(present)
        stated = {invoice["id"] for invoice in told["invoices"]}
        figures = [[{**invoice, **_ANY_ID} for invoice in one["invoices"]] for one in (told, now)]
    except (ValueError, TypeError, KeyError):
        return "what the warehouse knows of it cannot be read"
    if lacking := sorted(stated - set(_ids(present)) - set(aliases)):
        return f"it stated {', '.join(lacking)}, which the warehouse lacks"
    for member in ("received", "files", "periods"):
        if told.get(member) != now[member]:
            return f"the {_WORDS[member]} in the warehouse are not what it had"
    return None if figures[0] == figures[1] else "the figures of its invoices in the warehouse are not what it stated"


# An invoice may be known by another id, or be of another month, once others have come.
_ANY_ID: Final = {"id": "", "known_as": "", "month": ""}
_WORDS: Final = {"received": "names", "files": "files that it lists", "periods": "billing periods"}


def _replace(connection: duckdb.DuckDBPyConnection, lines: Mapping[str, tuple[int, str]]) -> None:
    connection.execute(f"DELETE FROM document_contents WHERE document_sha256 IN ({text_list(lines)})")
    insert(connection, schema.DOCUMENT_CONTENTS, _rows(lines))


def _rows(lines: Mapping[str, tuple[int, str]]) -> list[dict[str, Any]]:
    return [
        {
            "document_sha256": sha256,
            "kept_in": number,
            "invoice_ids": _ids(line),
            "amounts": _amounts(line),
            "content": line,
        }
        for sha256, (number, line) in lines.items()
    ]


def _ids(line: str) -> list[str]:
    return sorted({invoice[name] for invoice in json.loads(line)["invoices"] for name in ("id", "known_as")})


def _amounts(line: str) -> list[str]:
    """Month, currency and amount of each invoice, as `AMOUNT_SQL` has them."""
    found = ((one["month"], one["currency"], one["sum"] or one["total"]) for one in json.loads(line)["invoices"])
    return sorted({" ".join(parts) for parts in found if None not in parts})


AMOUNT_SQL: Final = "concat_ws(' ', invoice_month, currency, {amount})"
"""SQL: an element of `document_contents.amounts`, of a row with an amount."""


def _file(number: int, lines: Iterable[str]) -> ToKeep:
    text = "".join(f"{line}\n" for line in lines)
    return ToKeep(name_of(number, text, _ENDING), text)


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
    month, currency, total, tax, line_count, lines_total = figures
    return {
        "id": stated_id or external_id,
        "known_as": external_id,
        "month": _plain(month),
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
    return value.isoformat() if isinstance(value, date) else value


_time: Final = datetime.fromisoformat
"""A time in UTC without an offset, as `_plain` writes it."""


# What a document states that was lost since is on file.
_READ: Final = """
SELECT document_sha256 FROM accepted_documents
UNION ALL SELECT document_sha256 FROM documents WHERE status = 'rejected' AND bytes_damage IS NULL
"""

_STATED: Final = f"""
WITH document AS (
  FROM ({_READ})
  WHERE coalesce(document_sha256 NOT IN ({{unread}}), true) AND (
    document_sha256 IN ({{documents}})
    OR document_sha256 NOT IN (SELECT document_sha256 FROM document_contents)
    OR document_sha256 IN (
      -- It has found the invoice that it is about.
      SELECT document_sha256 FROM document_invoices JOIN document_contents USING (document_sha256)
      WHERE is_statement AND NOT list_contains(invoice_ids, external_id)))
), name AS (
  SELECT document_sha256, list((received_at, file_name, inbox_path) ORDER BY received_at, inbox_path) AS received
  FROM document_names SEMI JOIN document USING (document_sha256) GROUP BY document_sha256
), invoice AS (
  SELECT document_sha256,
    list(
      (external_id, stated_id, invoice_month, currency, stated_total, stated_tax, line_count, lines_total)
      ORDER BY invoice_ordinal
    ) AS invoices
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
