"""Deliveries of which a manifest says which files they consist of: what one lacks, and what lies beside it by mistake.

A folder of the inbox is the delivery that a manifest lists if the manifest lies in it, or if it is where the provider put the
files, as far as one of the two paths tells: of a copy of a bucket the inbox may have the whole path or the end of it. The newest
manifest of a folder counts.
"""

from datetime import date

import duckdb

_FOLDER = "regexp_extract(inbox_path, '^(.*)/', 1)"

_PLACED = f"""
      SELECT DISTINCT {_FOLDER} AS folder, regexp_extract(inbox_path, '[^/]*$') AS file_name, document_sha256, name.received_at
      FROM document_names AS name JOIN documents AS document USING (document_sha256)
      WHERE document.status = 'accepted' AND contains(inbox_path, '/')"""

_LISTED_BY = f"""
      SELECT place.folder, arg_max(manifest.document_sha256, (manifest.received_at, manifest.document_sha256)) AS document_sha256
      FROM (SELECT DISTINCT folder FROM ({_PLACED})) AS place
      JOIN (
        SELECT DISTINCT listed.document_sha256, listed.folder, name.received_at,
          regexp_extract(name.inbox_path, '^(.*)/', 1) AS own_folder
        FROM delivery_files AS listed JOIN document_names AS name USING (document_sha256)
      ) AS manifest
        ON place.folder = manifest.own_folder OR place.folder = manifest.folder
        OR ends_with(place.folder, '/' || manifest.folder) OR ends_with(manifest.folder, '/' || place.folder)
      GROUP BY place.folder"""


def problems_sql() -> str:
    """SQL: what is wrong with the folder in which each document lies that may state a part of an invoice.

    Columns: `document_sha256`, `listed` and `lacking` (numbers of files), `first_lacking`, `not_listed` (file names, or NULL).
    Only documents of folders with a manifest that something is wrong with.
    """
    return f"""
    WITH placed AS ({_PLACED}
    ), listed_by AS ({_LISTED_BY}
    ), lacking AS (
      SELECT listed_by.folder, count(*) AS listed, count(*) FILTER (placed.file_name IS NULL) AS lacking,
        min(listed.file_name) FILTER (placed.file_name IS NULL) AS first_lacking
      FROM listed_by JOIN delivery_files AS listed USING (document_sha256)
      LEFT JOIN (SELECT DISTINCT folder, file_name FROM placed) AS placed
        ON placed.folder = listed_by.folder AND placed.file_name = listed.file_name
      GROUP BY listed_by.folder
    ), beside AS (
      SELECT placed.folder, string_agg(DISTINCT placed.file_name, ', ' ORDER BY placed.file_name) AS not_listed
      FROM placed JOIN listed_by USING (folder)
      SEMI JOIN (SELECT document_sha256 FROM document_invoices WHERE may_be_part) AS part
        ON part.document_sha256 = placed.document_sha256
      ANTI JOIN delivery_files AS listed
        ON listed.document_sha256 = listed_by.document_sha256 AND listed.file_name = placed.file_name
      GROUP BY placed.folder
    ), latest AS (
      SELECT document_sha256, arg_max(folder, received_at) AS folder FROM placed GROUP BY document_sha256
    )
    SELECT latest.document_sha256, lacking.listed, lacking.lacking, lacking.first_lacking, beside.not_listed
    FROM latest JOIN lacking USING (folder) LEFT JOIN beside USING (folder)
    WHERE lacking.lacking > 0 OR beside.not_listed IS NOT NULL
    """


def months_beside(connection: duckdb.DuckDBPyConnection, documents: str) -> set[date]:
    """The months of all invoices of the folders whose manifest, or a file of whose, is among these documents.

    Args:
        connection: An open transaction.
        documents: SQL: the documents' hashes, as a list of literals.
    """
    if connection.execute("SELECT 1 FROM delivery_files LIMIT 1").fetchone() is None:
        return set()
    rows = connection.execute(
        f"""
        WITH placed AS ({_PLACED}
        ), listed_by AS ({_LISTED_BY}
        )
        SELECT DISTINCT invoice.invoice_month
        FROM listed_by JOIN placed USING (folder)
        JOIN document_invoices AS invoice ON invoice.document_sha256 = placed.document_sha256
        WHERE listed_by.document_sha256 IN ({documents})
          OR listed_by.folder IN (SELECT {_FOLDER} FROM document_names WHERE document_sha256 IN ({documents}))
        """
    ).fetchall()
    return {month for (month,) in rows}
