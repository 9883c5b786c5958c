"""How budgets stand in months: what was spent, and what an open month will come to at its present pace."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.books.budgets import BudgetStanding, Spend, applying, standing
from arcadia_dagster.landing.budgets import known_budgets
from arcadia_dagster.warehouse.months import month_list, next_month


def budget_standings(
    connection: duckdb.DuckDBPyConnection, months: Collection[date]
) -> dict[date, tuple[BudgetStanding, ...]]:
    """How the budgets of each month stand, in the order of their file.

    Held and open invoices count, for they will be spent; void ones do not.

    Args:
        connection: An open warehouse.
        months: The months (first days, UTC).
    """
    budgets = known_budgets(connection)
    if not budgets or not months:
        return dict.fromkeys(months, ())
    spends = spend_of(connection, months)
    return {
        month: tuple(
            standing(budget, month, (next_month(month) - month).days, spends.get(month, []))
            for budget in applying(budgets, month)
        )
        for month in months
    }


def spend_of(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> dict[date, list[Spend]]:
    """What the lines of each month come to without tax, by provider, project, tenant and currency."""
    rows = connection.execute(
        f"""
        SELECT line.invoice_month, line.source, nullif(trim(line.project), '') AS project, part.tenant_id, line.currency,
          sum(line.amount) AS amount,
          CASE WHEN raw.is_final THEN NULL ELSE CAST(max(raw.received_at) AS DATE) END AS as_of
        FROM (FROM cost_lines WHERE invoice_month IN ({month_list(months)}) AND charge_category <> 'Tax') AS line
        JOIN current_invoices AS raw USING (source, account_id, external_id, document_sha256)
        SEMI JOIN (FROM awaited_invoices WHERE standing IN ('ready', 'held')) AS awaited
          ON awaited.source = line.source AND awaited.account_id = line.account_id
          AND awaited.external_id = line.external_id
        LEFT JOIN invoice_parts AS part
          ON part.source = line.source AND part.account_id = line.account_id
          AND part.invoice_external_id = line.external_id
          AND (len(part.projects) = 0 OR list_contains(part.projects, trim(coalesce(line.project, ''))))
        GROUP BY line.invoice_month, line.source, nullif(trim(line.project), ''), part.tenant_id, line.currency, raw.is_final
        ORDER BY ALL
        """
    ).fetchall()
    found: dict[date, list[Spend]] = {}
    for month, *spend in rows:
        found.setdefault(month, []).append(Spend(*spend))
    return found
