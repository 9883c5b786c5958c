"""The asset `documents`: it lands the inbox, with files of any month."""

from datetime import date
from pathlib import Path

import dagster as dg
import duckdb

from arcadia_dagster.defs.assets import common, preview, versions
from arcadia_dagster.defs.noted_months import note
from arcadia_dagster.defs.run_tags import CAME_TAG
from arcadia_dagster.how_many import how_many
from arcadia_dagster.landing.known import known_months
from arcadia_dagster.landing.landing import Landed
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.resource import WarehouseResource

_LATEST = """
SELECT strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received, file_name, status, coalesce(format, '') AS format,
  coalesce(strftime(invoice_month, '%Y-%m'), '') AS month, byte_size, left(document_sha256, 12) AS sha256_begins,
  coalesce(reason, '') AS reason
FROM documents ORDER BY received_at DESC, file_name
"""

_REJECTED = """
SELECT file_name, status, reason, strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM unreplaced_documents ORDER BY received_at DESC
"""


def build(first_month: date, pool: str) -> dg.AssetsDefinition:
    """The asset.

    Args:
        first_month: Invoices of earlier months are held.
        pool: The pool of the steps that write the warehouse.
    """

    # It has no data version but its code's. The warehouse knows which months a document concerns; a version that changes with
    # each new file would show all months as stale.
    @dg.asset(
        group_name=common.INVOICES,
        kinds={"duckdb", "file"},
        owners=common.OWNERS,
        tags=common.WAREHOUSE,
        pool=pool,
        metadata=common.table_metadata(schema.DOCUMENTS),
        code_version=versions.code_version("documents"),
        description=(
            "Every complete file that was ever seen in the inbox, whatever became of it: accepted, rejected with the line and "
            "the reason, or dismissed by a person. A run takes what is new, of whatever month. The bytes lie in the archive "
            "under their SHA-256 and are never changed."
        ),
    )
    def documents(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
    ) -> None:
        store = warehouse.get()
        landed = landing.land(store)
        _report(context, landed)
        range_ = MonthRange.since(first_month)
        with store.read() as connection:
            known = known_months(connection, range_.first, range_.last)
            of_columns = common.column_lineage(context.asset_key, schema.DOCUMENTS)
            context.add_asset_metadata({**_metadata(connection, landed), **of_columns})
        if landing.home:
            # Before the sensor looks the next time: the UI shows these months.
            note(Path(landing.home), known)
        # `arcadia ingest` lands before it starts the run, and says so on it.
        if landed.documents or landed.rejected or not context.run.tags.get(CAME_TAG):
            common.tell(context, {CAME_TAG: landed.in_words()})

    return documents


def _metadata(connection: duckdb.DuckDBPyConnection, landed: Landed) -> dict[str, object]:
    """What there is now: how many of each status, the latest, and what a person should look at."""
    counts: dict[str, int] = dict(connection.execute("SELECT status, count(*) FROM documents GROUP BY ALL").fetchall())
    latest = connection.execute(f"{_LATEST} LIMIT {preview.PREVIEW_ROWS}").df()
    rejected = connection.execute(_REJECTED).df()
    return {
        common.ROW_COUNT: sum(counts.values()),
        **{status: counts.get(status, 0) for status in ("accepted", "rejected", "dismissed")},
        "new_documents": len(landed.documents),
        **({} if latest.empty else {"latest_documents": preview.as_table(latest)}),
        **({} if rejected.empty else {"rejected_documents": preview.as_table(rejected)}),
        **({"still_being_written": ", ".join(landed.waiting)} if landed.waiting else {}),
    }


def _report(context: dg.AssetExecutionContext, landed: Landed) -> None:
    context.log.info(f"inbox: {how_many(landed.seen, 'file')}, {how_many(len(landed.documents), 'new document')}")
    for path in landed.waiting:
        context.log.info(f"{path}: still being written, left for the next run")
    for name, reason in landed.rejected.items():
        context.log.warning(f"{name}: rejected: {reason}")
    for path, problem in landed.problems.items():
        context.log.warning(f"{path}: not taken: {problem}")
