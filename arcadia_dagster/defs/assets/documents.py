"""The asset `documents`: every file that ever came. No run makes it; what a run sees of it is noted as an observation."""

import dagster as dg
import duckdb

from arcadia_dagster.defs.assets import common, preview
from arcadia_dagster.warehouse import schema

KEY = dg.AssetKey("documents")

_PREVIEW = """
SELECT strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received, file_name, status, coalesce(format, '') AS format,
  coalesce(strftime(invoice_month, '%Y-%m'), '') AS month, byte_size, left(document_sha256, 12) AS sha256_begins,
  coalesce(reason, '') AS reason
FROM documents ORDER BY received_at DESC, file_name
"""

documents = dg.AssetSpec(
    KEY,
    group_name=common.INVOICES,
    kinds={"duckdb", "file"},
    owners=common.OWNERS,
    metadata=common.table_metadata(schema.DOCUMENTS),
    description=(
        "Every complete file that was ever seen in the inbox, whatever became of it: accepted, rejected with the line and the "
        "reason, or dismissed by a person. Its bytes lie in the archive under their SHA-256 and are never changed. People and "
        "providers make it; runs of `raw_invoices` and `cloud_resources` take in what is new and note here what they saw."
    ),
)


def observation(connection: duckdb.DuckDBPyConnection) -> dg.AssetObservation:
    """What there is now: how many of each status, and the latest."""
    counts: dict[str, int] = dict(connection.execute("SELECT status, count(*) FROM documents GROUP BY ALL").fetchall())
    latest = connection.execute(f"{_PREVIEW} LIMIT {preview.PREVIEW_ROWS}").df()
    return dg.AssetObservation(
        KEY,
        metadata={
            common.ROW_COUNT: sum(counts.values()),
            **{status: counts.get(status, 0) for status in ("accepted", "rejected", "dismissed")},
            **({} if latest.empty else {"latest_documents": preview.as_table(latest)}),
        },
    )
