"""The stage `tax_split_totals`: gross, net and tax of each invoice, and whether it may be pushed."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.billing.readiness import Reason, reasons, reasons_sql
from arcadia_dagster.landing.deliveries import has_manifests
from arcadia_dagster.stages.allocations import build_allocations
from arcadia_dagster.stages.doubts import Scope, doubts_sql
from arcadia_dagster.stages.due import MonthRange, due_months
from arcadia_dagster.stages.known_of_invoices import known_of_invoices
from arcadia_dagster.stages.reconciling import CHANGED_OR_DEFECT, unreconciled
from arcadia_dagster.store.query import has_row, temporary_tables
from arcadia_dagster.warehouse import WarehouseError, schema
from arcadia_dagster.warehouse.months import replace, stale, versions
from arcadia_dagster.warehouse.seals import building


def build_tax_split_totals(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `tax_split_totals`, and of `allocations`, within the caller's transaction.

    Returns:
        The months that were built: see `due_months`. A month whose lines another run is replacing is left out: that run builds
        its totals.

    Raises:
        WarehouseError: See `replace`; also where the totals do not add up.
    """
    wanted = due_months(connection, schema.TAX_SPLIT_TOTALS.name, months, range_)
    wanted -= stale(connection, schema.COST_LINES.name)
    if not wanted:
        return wanted
    seen = versions(connection, schema.COST_LINES.name, wanted)
    # A month without a partition stays stale until it has one.
    built_from = {month: version if month in range_ else 0 for month, version in seen.items()}
    with building(connection, schema.TAX_SPLIT_TOTALS.name, wanted, built_from):
        with temporary_tables(connection) as make:
            scope = Scope(wanted, has_manifests=has_manifests(connection))
            for known in known_of_invoices(scope):
                is_nothing = known.needs and not has_row(connection, known.needs)
                make(known.name, known.nothing if is_nothing else known.sql)
            make("doubtful", doubts_sql(connection, scope))
            all_reasons = reasons(first_month=range_.first, last_month=range_.last)
            make("judged", _judged_sql(_that_hold_any(connection, all_reasons)))
            replace(connection, schema.TAX_SPLIT_TOTALS, wanted, _TOTALS)
        build_allocations(connection, wanted)
    if unequal := unreconciled(connection, wanted):
        raise WarehouseError(f"tax_split_totals: {unequal[0]}; nothing was written: {CHANGED_OR_DEFECT}")
    return wanted


def _that_hold_any(connection: duckdb.DuckDBPyConnection, all_reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Those of the reasons that hold any of the invoices in `rounded`.

    Only these are put into words: DuckDB takes 50 ms to plan the sentences of all, on 2026-11-28, and most months need none.
    """
    conditions = ", ".join(f"coalesce(bool_or({reason.condition}), false)" for reason in all_reasons)
    holds = connection.execute(f"SELECT {conditions} FROM rounded").fetchone() or ()
    return tuple(reason for reason, is_met in zip(all_reasons, holds, strict=True) if is_met)


def _judged_sql(holding: tuple[Reason, ...]) -> str:
    """SQL: the rows of `rounded`, each with its `bars` and its `doubts`."""
    return f"""
      SELECT rounded.*, approval.unapproved, {reasons_sql(holding, can_release=False)} AS bars,
        {reasons_sql(holding, can_release=True)} || coalesce(doubtful.doubts, CAST([] AS VARCHAR[])) AS doubts
      FROM rounded
      LEFT JOIN doubtful USING (source, account_id, external_id)
      LEFT JOIN differing USING (source, account_id, external_id)
      LEFT JOIN approval USING (source, account_id, external_id)"""


def as_earlier_sql(reason: str) -> str:
    r"""SQL: a reason in the words that 0.1 had: `98 USD` for `98.00 USD`, `line 2 of a.csv` for `record 2 of a.csv`."""
    shorter = rf"regexp_replace({reason}, '(\.[0-9]*[1-9])0+ ', '\1 ', 'g')"
    return rf"regexp_replace(regexp_replace({shorter}, '\.0+ ', ' ', 'g'), '\brecord ([0-9])', 'line \1', 'g')"


_TOTALS = f"""
    WITH decided AS (
      -- A release is for the doubts that the person saw: what has come up since holds the invoice again. Earlier versions gave
      -- the same reasons without the commands that follow them now, and wrote amounts and records otherwise.
      SELECT *, list_filter(doubts, lambda doubt: len(list_filter(overruled,
            lambda seen: starts_with({as_earlier_sql("doubt")}, {as_earlier_sql("seen")}))) > 0) AS released_reasons,
        list_filter(doubts, lambda doubt: NOT list_contains(released_reasons, doubt)) AS open_doubts
      FROM judged
    )
    SELECT source, account_id, external_id, invoice_month, currency, amount_gross_minor, amount_net_minor,
      amount_tax_minor, amount_gross, amount_tax, line_count, document_sha256,
      lines_gross_minor, stated_total_minor AS stated_gross_minor, stated_tax_minor, stated_by,
      -- What nobody can overrule comes first: a doubt would offer a release that is refused.
      CASE WHEN len(bars) > 0 THEN bars WHEN len(open_doubts) > 0 THEN open_doubts
        -- The second person looks at what the first one has let go.
        WHEN unapproved IS NOT NULL THEN [unapproved] ELSE CAST([] AS VARCHAR[]) END AS hold_reasons, released_reasons,
      len(bars) = 0 AND len(open_doubts) > 0 AS can_release,
      len(bars) = 0 AND len(open_doubts) = 0 AND unapproved IS NOT NULL AS awaits_approval,
      is_nothing, CASE WHEN len(hold_reasons) = 0 THEN 'ready' ELSE 'held' END AS status
    FROM decided
"""
