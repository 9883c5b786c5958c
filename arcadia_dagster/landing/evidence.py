"""Which invoice a PDF or XML shows that no format reads: the one that its name tells, see `formats.evidence`.

Names are compared each time that something is registered, for the invoice may come before its evidence or after.
"""

from datetime import date
from typing import Final

import duckdb

from arcadia_dagster.formats.evidence import Evidence
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.store.query import text_literal
from arcadia_dagster.warehouse import schema

_KEY: Final = "source, account_id, external_id"

# Names are taken apart where letters and digits end; a longer one than this has no number that a person would look for behind it.
_MOST_PIECES: Final = 60
_LONGEST_NAME: Final = 21
_SHORTEST_ID: Final = 5

_STEM: Final = (
    r"regexp_replace(lower(file_name), "
    r"'(\.(csv|json|jsonl|ndjson|parquet|snappy|xml|pdf|txt|zip|gz|gzip|zst))+$', '')"
)
_DATE: Final = r"'(19|20)\d\d[-_.]?\d\d([-_.]?\d\d)?'"


def place(connection: duckdb.DuckDBPyConnection, formats: Formats) -> set[date]:
    """Give each such document the invoices that it shows, within the caller's transaction; one that shows none is rejected.

    Args:
        connection: An open warehouse.
        formats: The formats that documents are read by.

    Returns:
        The months of the invoices that got evidence, or lost it.
    """
    before = set(connection.execute("SELECT * FROM invoice_evidence").fetchall())
    if not before and connection.execute(f"SELECT 1 FROM documents WHERE {_IS_EVIDENCE} LIMIT 1").fetchone() is None:
        return set()
    connection.execute("DELETE FROM invoice_evidence")
    connection.execute(
        f"INSERT INTO invoice_evidence ({schema.INVOICE_EVIDENCE.column_names}) SELECT * FROM ({_SHOWN})"
    )
    after = set(connection.execute("SELECT * FROM invoice_evidence").fetchall())
    for status, is_rejected in (("accepted", False), ("rejected", True)):
        read_by = formats.read_by(Evidence.name, is_rejected=is_rejected)
        connection.execute(
            f"UPDATE documents SET status = '{status}', read_by = {text_literal(read_by)} WHERE {_IS_EVIDENCE} "
            f"AND status <> '{status}' "
            f"AND document_sha256 {'NOT ' if is_rejected else ''}IN (SELECT document_sha256 FROM invoice_evidence)"
        )
    changed = {row[1:4] for row in before ^ after}
    if not changed:
        return set()
    values = ", ".join(f"({', '.join(map(text_literal, key))})" for key in sorted(changed))
    rows = connection.execute(
        f"SELECT DISTINCT invoice_month FROM document_invoices WHERE ({_KEY}) IN ({values})"
    ).fetchall()
    return {month for (month,) in rows}


_IS_EVIDENCE: Final = f"format = '{Evidence.name}' AND status <> 'dismissed'"

_SHOWN: Final = f"""
WITH name AS (
  SELECT document_sha256, inbox_path, received_at, regexp_extract(inbox_path, '^(.*)/', 1) AS folder, {_STEM} AS stem
  FROM document_names
), own AS (
  FROM name SEMI JOIN (FROM documents WHERE {_IS_EVIDENCE}) AS evidence USING (document_sha256)
), beside AS (
  -- Of the documents that came at one path in the course of time, that which came nearest to it.
  SELECT own.document_sha256, other.document_sha256 AS other
  FROM own JOIN (FROM name SEMI JOIN document_invoices USING (document_sha256)) AS other USING (folder, stem)
  QUALIFY row_number() OVER (
    PARTITION BY own.document_sha256, own.inbox_path, other.inbox_path
    ORDER BY abs(epoch_us(other.received_at) - epoch_us(own.received_at)), other.document_sha256
  ) = 1
), by_name AS (
  SELECT DISTINCT beside.document_sha256, {_KEY}, 'file name' AS basis
  FROM beside JOIN document_invoices AS invoice ON invoice.document_sha256 = beside.other
), piece AS (
  SELECT document_sha256, stem, regexp_extract_all(stem, '[\\pL\\pN]+|[^\\pL\\pN]+')[:{_MOST_PIECES}] AS pieces
  FROM own ANTI JOIN by_name USING (document_sha256)
), part AS (
  SELECT DISTINCT document_sha256, stem, unnest(flatten([
    [array_to_string(pieces[first:last], '') FOR last IN range(first, least(first + {_LONGEST_NAME}, len(pieces) + 1))]
    FOR first IN range(1, len(pieces) + 1)])) AS name
  FROM piece
), named AS (
  SELECT DISTINCT {_KEY}, lower(unnest([external_id, stated_id, invoice_number])) AS name FROM document_invoices
), numbered AS (
  SELECT DISTINCT document_sha256, {_KEY}, contains(stem, source) AS names_source, length(name) AS length
  FROM part JOIN named USING (name)
  WHERE length(name) >= {_SHORTEST_ID} AND regexp_matches(name, '\\d') AND NOT regexp_full_match(name, {_DATE})
), longest AS (
  FROM numbered QUALIFY length = max(length) OVER (PARTITION BY document_sha256)
), likeliest AS (
  -- Where two issuers have the number, the name may say whose it is.
  FROM longest QUALIFY names_source = bool_or(names_source) OVER (PARTITION BY document_sha256)
), by_number AS (
  SELECT document_sha256, any_value(source) AS source, any_value(account_id) AS account_id,
    any_value(external_id) AS external_id, 'number' AS basis
  FROM likeliest GROUP BY document_sha256 HAVING count(DISTINCT ({_KEY})) = 1
)
FROM by_name UNION ALL FROM by_number
"""
"""SQL: the rows of `invoice_evidence`."""
