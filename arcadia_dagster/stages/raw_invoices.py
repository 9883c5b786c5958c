"""The stage `raw_invoices`: which versions of which invoices there are, and which is current."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.landing.deliveries import NOTHING_LEFT_OUT, has_manifests, left_out_sql
from arcadia_dagster.stages.due import MonthRange, due_months
from arcadia_dagster.stages.places import NOTHING_IS_OLDER, older_sql, root_of_days_sql
from arcadia_dagster.store.query import has_row, statement
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.months import month_list, replace, versions
from arcadia_dagster.warehouse.seals import building


def build_raw_invoices(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `raw_invoices` by what the register says now, within the caller's transaction.

    Returns:
        The months that were built: see `due_months`.

    Raises:
        WarehouseError: See `replace`.
    """
    wanted = due_months(connection, schema.RAW_INVOICES.name, months, range_)
    if not wanted:
        return wanted
    seen = versions(connection, schema.DOCUMENT_INVOICES.name, wanted)
    rows = _raw_invoices_sql(
        wanted,
        has_manifests=has_manifests(connection),
        has_versions=has_row(connection, _SEVERAL_DOCUMENTS.format(months=month_list(wanted))),
    )
    with building(connection, schema.RAW_INVOICES.name, wanted, seen):
        replace(connection, schema.RAW_INVOICES, wanted, rows)
    return wanted


_SEVERAL_DOCUMENTS = """SELECT 1 FROM document_invoices
SEMI JOIN (FROM document_invoices WHERE invoice_month IN ({months})) AS concerned USING (source, account_id, external_id)
GROUP BY source, account_id, external_id HAVING count(*) > 1"""


def _raw_invoices_sql(months: Collection[date], *, has_manifests: bool, has_versions: bool) -> str:
    """Every version of the months' invoices, in whatever month they are. The documents of the newest delivery are current.

    The newest is the one whose path has the latest date or count (`stages.places`), else the one that came last.
    A document that is whole is a delivery of its own. The files of one folder are one delivery where their format may spread
    an invoice over several of them, each format by itself; there a file takes the place of an earlier one with its path, and
    the invoice's month is that of most of its lines (tie: the later). What the delivery's manifest leaves out is no part of it.
    """
    left_out = left_out_sql() if has_manifests else NOTHING_LEFT_OUT
    # Most months have one document for each invoice: DuckDB need not plan what paths say of their order.
    older = older_sql("placed") if has_versions else NOTHING_IS_OLDER
    root_of_days = root_of_days_sql("stated.source", "name.inbox_path")
    return statement(__name__, months=month_list(months), left_out=left_out, older=older, root_of_days=root_of_days)
