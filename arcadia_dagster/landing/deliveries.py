"""Deliveries with a manifest that lists their files: which files a delivery lacks, and which lie beside it by mistake.

A manifest belongs to a folder of the inbox in two cases: it lies in that folder, or the provider put the files into a folder of
that path, in the same inbox. The inbox may have the whole path of the provider's folder, or only its end, so one path may be the
end of the other.
The newest manifest of a folder counts. In the inbox itself anything may lie: there a delivery is what a manifest that lies
there lists, and nothing else. A manifest may tell how many records each file has. A delivery has a file, packed or unpacked, if
the newest document at its path was accepted; a document that a person dismissed does not count.
"""

from datetime import date

import duckdb

from arcadia_dagster.landing.inbox import LABEL_PATTERN

_PACKED = r"\.(gz|zip|zst)$"


def _unpacked_name_sql(name: str) -> str:
    """SQL: a file's name without an ending that says how it is packed: people unpack files."""
    return f"regexp_replace({name}, '{_PACKED}', '')"


_FOLDER = "regexp_extract(inbox_path, '^(.*)/', 1)"


def _inbox_sql(path: str) -> str:
    """SQL: what the paths of the files of the same inbox begin with; empty for the first."""
    return f"regexp_extract({path}, '{LABEL_PATTERN}')"


def _below_inbox_sql(path: str) -> str:
    """SQL: a path below its inbox."""
    return f"regexp_replace({path}, '{LABEL_PATTERN}', '')"


_LISTED = (
    f"SELECT document_sha256, folder, {_unpacked_name_sql('file_name')} AS file_name, row_count FROM delivery_files"
)

_LISTED_IN_THE_INBOX = f"""
      SELECT listed.file_name, {_inbox_sql("name.inbox_path")} AS inbox,
        '/' || arg_max(document_sha256, (name.received_at, document_sha256)) AS folder,
        arg_max(document_sha256, (name.received_at, document_sha256)) AS document_sha256
      FROM ({_LISTED}) AS listed JOIN document_names AS name USING (document_sha256)
      WHERE NOT contains(name.inbox_path, '/') GROUP BY listed.file_name, inbox"""

_PLACED = f"""
      SELECT CASE WHEN contains(inbox_path, '/') THEN {_FOLDER} ELSE in_the_inbox.folder END AS folder, newest.file_name,
        newest.inbox_path, newest.document_sha256, newest.received_at, accepted.record_count
      FROM (
        SELECT * REPLACE ({_unpacked_name_sql(f"regexp_extract({_below_inbox_sql('inbox_path')}, '[^/]*$')")} AS file_name),
          {_inbox_sql("inbox_path")} AS inbox
        FROM document_names
        SEMI JOIN (FROM documents WHERE status <> 'dismissed') AS kept USING (document_sha256)
        QUALIFY row_number() OVER (PARTITION BY inbox_path ORDER BY received_at DESC, document_sha256 DESC) = 1
      ) AS newest
      JOIN (SELECT document_sha256, record_count FROM accepted_documents) AS accepted USING (document_sha256)
      LEFT JOIN ({_LISTED_IN_THE_INBOX}) AS in_the_inbox USING (file_name, inbox)
      WHERE contains(inbox_path, '/') OR in_the_inbox.folder IS NOT NULL"""

_LISTED_BY = f"""
      SELECT place.folder, arg_max(manifest.document_sha256, (manifest.received_at, manifest.document_sha256)) AS document_sha256
      FROM (
        SELECT DISTINCT folder, {_inbox_sql("folder")} AS inbox, {_below_inbox_sql("folder")} AS path FROM ({_PLACED})
      ) AS place
      JOIN (
        SELECT DISTINCT listed.document_sha256, listed.folder, name.received_at,
          regexp_extract(name.inbox_path, '^(.*)/', 1) AS own_folder, {_inbox_sql("name.inbox_path")} AS inbox
        FROM delivery_files AS listed JOIN document_names AS name USING (document_sha256)
      ) AS manifest
        ON place.inbox = manifest.inbox AND (
          place.folder = manifest.own_folder OR place.path = manifest.folder
          OR ends_with(place.path, '/' || manifest.folder) OR ends_with(manifest.folder, '/' || place.path))
      WHERE NOT starts_with(place.folder, '/')
      GROUP BY place.folder
      UNION ALL SELECT DISTINCT folder, document_sha256 FROM ({_LISTED_IN_THE_INBOX})"""

_NOT_LISTED = """
      SELECT placed.* FROM placed JOIN listed_by USING (folder)
      ANTI JOIN listed ON listed.document_sha256 = listed_by.document_sha256 AND listed.file_name = placed.file_name"""

_LEFT_OUT = """
      SELECT DISTINCT beside.inbox_path
      FROM not_listed AS beside JOIN listed_by USING (folder)
      JOIN document_names AS newest ON newest.document_sha256 = listed_by.document_sha256
      JOIN document_names AS earlier
        ON earlier.inbox_path = newest.inbox_path AND earlier.document_sha256 <> newest.document_sha256
      JOIN listed ON listed.document_sha256 = earlier.document_sha256 AND listed.file_name = beside.file_name"""

_WITH = f"""
    WITH placed AS MATERIALIZED ({_PLACED}
    ), listed AS ({_LISTED}
    ), listed_by AS MATERIALIZED ({_LISTED_BY}
    ), not_listed AS ({_NOT_LISTED}
    ), left_out AS ({_LEFT_OUT}
    )"""


NOTHING_LISTED = "SELECT '' AS document_sha256, '' AS manifest_sha256 WHERE false"
"""SQL: `listed_sql` where there is no manifest."""

NOTHING_LEFT_OUT = "SELECT '' AS inbox_path WHERE false"
"""SQL: `left_out_sql` where there is no manifest."""


def has_manifests(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there is any manifest: most warehouses have none, and the queries about manifests are left out there."""
    return connection.execute("SELECT 1 FROM delivery_files LIMIT 1").fetchone() is not None


def problems_sql() -> str:
    """SQL: what is wrong with the folder in which each document lies that may state a part of an invoice.

    Columns: `document_sha256`, `listed` and `lacking` (numbers of files), `first_lacking`, `miscounted` (files with another
    number of records than the manifest says), `not_listed` (file names); each of the last three may be NULL.
    Only documents of folders with a manifest that something is wrong with.
    """
    return f"""
    {_WITH}, lacking AS (
      SELECT listed_by.folder, count(*) AS listed, count(*) FILTER (placed.file_name IS NULL) AS lacking,
        min(listed.file_name) FILTER (placed.file_name IS NULL) AS first_lacking,
        string_agg(listed.file_name || ' has ' || placed.record_count || ' records instead of ' || listed.row_count, ', '
          ORDER BY listed.file_name) FILTER (placed.record_count <> listed.row_count) AS miscounted
      FROM listed_by JOIN listed USING (document_sha256)
      LEFT JOIN (
        SELECT folder, file_name, arg_max(record_count, received_at) AS record_count FROM placed GROUP BY ALL
      ) AS placed
        ON placed.folder = listed_by.folder AND placed.file_name = listed.file_name
      GROUP BY listed_by.folder
    ), beside AS (
      SELECT folder, string_agg(DISTINCT file_name, ', ' ORDER BY file_name) AS not_listed
      FROM not_listed
      SEMI JOIN (FROM document_invoices WHERE may_be_part) AS part USING (document_sha256)
      ANTI JOIN left_out USING (inbox_path)
      GROUP BY folder
    ), latest AS (
      SELECT document_sha256, arg_max(folder, received_at) AS folder FROM placed GROUP BY document_sha256
    )
    SELECT latest.document_sha256, lacking.listed, lacking.lacking, lacking.first_lacking, lacking.miscounted, beside.not_listed
    FROM latest JOIN lacking USING (folder) LEFT JOIN beside USING (folder)
    WHERE lacking.lacking > 0 OR lacking.miscounted IS NOT NULL OR beside.not_listed IS NOT NULL
    """


def listed_sql() -> str:
    """SQL: each document that a folder's newest manifest lists (`document_sha256`), with that manifest (`manifest_sha256`)."""
    return f"""
    {_WITH}
    SELECT DISTINCT placed.document_sha256, listed_by.document_sha256 AS manifest_sha256
    FROM placed JOIN listed_by USING (folder)
    SEMI JOIN listed ON listed.document_sha256 = listed_by.document_sha256 AND listed.file_name = placed.file_name
    """


def left_out_sql() -> str:
    """SQL: the `inbox_path` of each file that an earlier manifest of the same path listed, and the newest does not any more.

    A refresh that needs fewer files overwrites some; a copy that deletes nothing keeps the others.
    """
    return f"{_WITH} FROM left_out"


def months_beside(connection: duckdb.DuckDBPyConnection, documents: str) -> set[date]:
    """The months of all invoices of the folders whose manifest, or a file of whose, is among these documents.

    Args:
        connection: An open transaction.
        documents: SQL: the documents' hashes, as a list of literals.
    """
    if not has_manifests(connection):
        return set()
    rows = connection.execute(
        f"""
        {_WITH}
        SELECT DISTINCT invoice.invoice_month
        FROM listed_by JOIN placed USING (folder)
        JOIN document_invoices AS invoice ON invoice.document_sha256 = placed.document_sha256
        WHERE listed_by.document_sha256 IN ({documents})
          OR listed_by.folder IN (
            SELECT {_FOLDER} FROM document_names WHERE document_sha256 IN ({documents})
            UNION ALL SELECT folder FROM placed WHERE document_sha256 IN ({documents}))
        """
    ).fetchall()
    return {month for (month,) in rows}
