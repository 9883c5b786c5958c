"""What each tenant bears of each invoice: made with the totals, in the same transaction.

Only this module decides under which tenant and id finance knows an invoice or a part of one. It also finds, over all months,
invoices that finance would take for one.
"""

from collections.abc import Collection, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from arcadia_dagster.billing.advice import release_sql, void_sql
from arcadia_dagster.billing.allocation import Charges, Part, Routes, finance_id, split
from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.landing.routes import known_routes
from arcadia_dagster.reading.format import UNKNOWN_ACCOUNT
from arcadia_dagster.store.query import fetch, has_row, text_literal
from arcadia_dagster.warehouse import WarehouseError, schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import assert_unique, month_list, renew
from arcadia_dagster.warehouse.relations import NOTHING
from arcadia_dagster.warehouse.rows import insert
from arcadia_dagster.warehouse.seals import sealed_anew


def build_allocations(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> None:
    """Replace the months of `allocations`, from totals that stand already, within the caller's transaction.

    An invoice without totals, which is held, has none. Then hold what finance would take for another invoice.

    Raises:
        WarehouseError: The parts do not sum to their invoice, which is a defect.
    """
    in_months = f"invoice_month IN ({month_list(months)})"
    connection.execute(f"DELETE FROM allocations WHERE {in_months}")
    routes = known_routes(connection)
    routed = {
        (source, account_id, month)
        for source, account_id, month in connection.execute(
            f"SELECT DISTINCT source, account_id, invoice_month FROM tax_split_totals WHERE {in_months}"
        ).fetchall()
        if routes.of(source, account_id, month).routes
    }
    for source, account_id, month in sorted(routed):
        where = f"invoice_month = DATE '{month}' AND source = {text_literal(source)} AND account_id = {text_literal(account_id)}"
        insert(connection, schema.ALLOCATIONS, list(_rows(connection, routes.of(source, account_id, month), where)))
    # The identity's own tenant bears all invoices that no route concerns: by one statement, for there may be a million.
    connection.execute(
        f"""
        INSERT INTO allocations BY NAME
        SELECT source, account_id, external_id, invoice_month, {text_literal(routes.own_tenant)} AS tenant_id,
          external_id AS finance_external_id, CAST([] AS VARCHAR[]) AS projects, currency, amount_gross_minor,
          amount_net_minor, amount_tax_minor, line_count
        FROM tax_split_totals AS total
        WHERE {in_months} AND amount_gross_minor IS NOT NULL
          AND NOT EXISTS (FROM allocations AS part WHERE part.source = total.source AND part.account_id = total.account_id
            AND part.invoice_month = total.invoice_month)
        """
    )
    connection.execute(
        f"""
        UPDATE allocations AS part SET finance_external_id = {_OWN_ID.format(part="part")} FROM ({_OF_ITS_OWN}) AS own
        WHERE part.{in_months} AND own.source = part.source AND own.account_id = part.account_id
          AND own.external_id = part.external_id
        """
    )
    assert_unique(connection, schema.ALLOCATIONS, in_months)
    _assert_sums(connection, in_months)
    _hold_conflicts(connection)


def _rows(connection: duckdb.DuckDBPyConnection, routes: Routes, where: str) -> Iterator[dict[str, Any]]:
    charges = _charges(connection, where) if routes.splits else {}
    for total in fetch(connection, f"SELECT * FROM tax_split_totals WHERE {where}"):
        if total["currency"] not in EXPONENTS:
            continue
        net, tax = total["amount_net_minor"], total["amount_tax_minor"]
        if routes.splits:
            by_project, common_tax = charges[InvoiceKey.of(total)]
            parts = split(routes, by_project, common_tax, net_minor=net, tax_minor=tax, currency=total["currency"])
        else:
            parts = {routes.tenant_of(None): Part(net, tax, total["line_count"])}
        for tenant_id, part in parts.items():
            yield {
                **{name: total[name] for name in ("source", "account_id", "external_id", "invoice_month", "currency")},
                "tenant_id": tenant_id,
                "finance_external_id": finance_id(total["external_id"], tenant_id, is_split=routes.splits),
                "projects": list(part.projects),
                "amount_gross_minor": part.amount_gross_minor,
                "amount_net_minor": part.amount_net_minor,
                "amount_tax_minor": part.amount_tax_minor,
                "line_count": part.line_count,
            }


def _charges(
    connection: duckdb.DuckDBPyConnection, where: str
) -> dict[InvoiceKey, tuple[dict[str | None, Charges], Decimal]]:
    """Of each invoice, what the lines of each project come to, and the tax that names no project."""
    of_invoices: dict[InvoiceKey, tuple[dict[str | None, Charges], Decimal]] = {}
    rows = connection.execute(
        "SELECT source, account_id, external_id, nullif(trim(project), '') AS project, charge_category = 'Tax' AS is_tax, "
        "sum(amount), coalesce(sum(amount) FILTER (amount > 0), 0), count(*) "
        f"FROM cost_lines WHERE {where} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for *names, project, is_tax, amount, charged, line_count in rows:
        key = InvoiceKey(*names)
        by_project, common_tax = of_invoices.get(key, ({}, Decimal(0)))
        if is_tax and project is None:
            common_tax += amount
        else:
            own = (
                Charges(tax=amount, line_count=line_count)
                if is_tax
                else Charges(amount, charged=charged, line_count=line_count)
            )
            by_project[project] = by_project.get(project, Charges()) + own
        of_invoices[key] = (by_project, common_tax)
    return of_invoices


def _assert_sums(connection: duckdb.DuckDBPyConnection, in_months: str) -> None:
    unequal = connection.execute(
        f"""
        SELECT total.external_id FROM (FROM tax_split_totals WHERE {in_months} AND amount_gross_minor IS NOT NULL) AS total
        LEFT JOIN (
          SELECT source, account_id, external_id, sum(amount_gross_minor) AS gross, sum(amount_net_minor) AS net,
            sum(amount_tax_minor) AS tax
          FROM allocations WHERE {in_months} GROUP BY ALL
        ) AS parts USING (source, account_id, external_id)
        WHERE (gross, net, tax) IS DISTINCT FROM (amount_gross_minor, amount_net_minor, amount_tax_minor)
        """
    ).fetchone()
    if unequal is not None:
        raise WarehouseError(
            f"allocations: the parts of invoice {unequal[0]} do not sum to it; nothing was written. This is a defect: "
            "report it"
        )


_SAME_ID = " has an invoice with the same id"

_OWN_ID = "({part}.finance_external_id || '-' || {part}.account_id)"
"""SQL: the id in finance of an invoice whose own id another account has too."""

_OF_ITS_OWN = f"""
SELECT DISTINCT source, account_id, external_id
FROM (SELECT source, account_id, external_id, unnest(overruled) AS seen FROM releases)
WHERE starts_with(seen, 'account ') AND contains(seen, '{_SAME_ID}')
"""
"""SQL: the invoices that a person has declared different from those of other accounts with the same id.

They keep that id in every version, for finance knows them by it.
"""

_NO_ACCOUNT = "and one of the two does not say its account"

_TOLD_APART = f"""
SELECT DISTINCT source, account_id, external_id
FROM (SELECT source, account_id, external_id, unnest(overruled) AS seen FROM releases)
WHERE starts_with(seen, 'account ') AND (contains(seen, '{_SAME_ID}') OR contains(seen, '{_NO_ACCOUNT}'))
"""
"""SQL: those, and the ones that a person has declared different from an invoice whose tenant may be another one."""

_FIRST_OF_ID = "source || '/' || first_account_id || '/' || external_id"
_FIRST = "source || '/' || first_account_id || '/' || first_external_id"

_UNNAMED = f"""
  -- Under another tenant too, an invoice of an account that is not stated may be the one with its id that states it.
  SELECT source, account_id, external_id, first_value(account_id) OVER claims AS first_account_id
  FROM (SELECT DISTINCT source, account_id, external_id FROM standing) AS own
  JOIN arrived USING (source, account_id, external_id)
  LEFT JOIN (
    SELECT DISTINCT source, account_id, invoice_external_id AS external_id, true AS is_in_finance FROM unsettled_records
  ) AS record USING (source, account_id, external_id)
  ANTI JOIN ({_TOLD_APART}) AS its_own USING (source, account_id, external_id)
  WINDOW claims AS (PARTITION BY source, external_id
    ORDER BY is_in_finance NULLS LAST, account_id = '{UNKNOWN_ACCOUNT}', received_at, account_id)
  QUALIFY count(*) FILTER (account_id = '{UNKNOWN_ACCOUNT}') OVER (PARTITION BY source, external_id) > 0
    AND account_id <> first_account_id AND '{UNKNOWN_ACCOUNT}' IN (account_id, first_account_id)"""
"""SQL: invoices of the CTEs `standing` and `arrived`, and the account that comes first, where one of two is not stated."""

_CONFLICTS = f"""
WITH standing AS (
  -- What is void, or awaited by nobody, goes to finance no more, and takes no id from another.
  FROM allocations
  ANTI JOIN void_invoices USING (source, account_id, external_id)
  ANTI JOIN (FROM standing_invoices WHERE standing = '{NOTHING}') AS nothing USING (source, account_id, external_id)
), contested AS (
  SELECT tenant_id, source, finance_external_id FROM standing GROUP BY ALL
  HAVING count(DISTINCT account_id || chr(31) || external_id) > 1
), arrived AS (
  SELECT source, account_id, external_id, min(received_at) AS received_at
  FROM document_invoices SEMI JOIN standing USING (source, account_id, external_id) GROUP BY ALL
), claim AS (
  SELECT part.tenant_id, part.source, part.finance_external_id, part.account_id, part.external_id,
    -- Whoever finance has under this very id goes first: its row must not become another invoice's.
    NOT EXISTS (
      FROM unsettled_records AS record
      WHERE record.tenant_id = part.tenant_id AND record.source = part.source
        AND record.external_id = part.finance_external_id AND record.account_id = part.account_id
        AND record.invoice_external_id = part.external_id
    ) AS is_new_to_finance,
    arrived.received_at
  FROM standing AS part SEMI JOIN contested USING (tenant_id, source, finance_external_id)
  JOIN arrived USING (source, account_id, external_id)
), ranked AS (
  SELECT *, first_value(account_id) OVER claims AS first_account_id,
    first_value(external_id) OVER claims AS first_external_id, row_number() OVER claims AS place
  FROM claim
  WINDOW claims AS (PARTITION BY tenant_id, source, finance_external_id
    ORDER BY is_new_to_finance, account_id = '{UNKNOWN_ACCOUNT}', received_at, account_id, external_id)
), late AS (
  SELECT source, account_id, external_id, min(first_account_id) AS first_account_id,
    arg_min(first_external_id, first_account_id) AS first_external_id, min({_OWN_ID.format(part="ranked")}) AS own_id
  FROM ranked WHERE place > 1 GROUP BY ALL
), unnamed AS ({_UNNAMED}
)
SELECT source, account_id, external_id,
  'account ' || first_account_id || ' has an invoice of this id, {_NO_ACCOUNT}: one invoice under two tenants? If it is, '
  || 'void the one that is too much (' || {void_sql()} || ' or ' || {void_sql(_FIRST_OF_ID)} || '); if this one is an invoice of '
  || 'its own: ' || {release_sql()} AS conflict
FROM unnamed ANTI JOIN late USING (source, account_id, external_id)
UNION ALL
SELECT source, account_id, external_id,
  'account ' || first_account_id || '{_SAME_ID}, and finance tells invoices of one tenant and source '
  || 'apart by their id only: pushed, this one would overwrite that one. If both are one invoice, void the one that is too much ('
  || {void_sql()} || ' or ' || {void_sql(_FIRST)} || '); if this one is an invoice of its own, it goes to finance as '
  || own_id || ': ' || {release_sql()} AS conflict
FROM late
"""
"""The invoices that finance would take for another one, of whatever month."""


_MAY_CONFLICT = """
SELECT 1 FROM allocations GROUP BY source, finance_external_id
HAVING min(account_id || chr(31) || external_id) <> max(account_id || chr(31) || external_id)
UNION ALL SELECT 1 FROM allocations GROUP BY source, external_id HAVING min(account_id) <> max(account_id)
UNION ALL SELECT 1 FROM tax_split_totals WHERE conflict IS NOT NULL
"""
"""SQL: whether an id stands for two invoices, in finance or of two accounts, or an invoice is in conflict until now. Mostly none
is, and this takes 2 ms to plan, not 15 (2026-11-29).
"""


def _hold_conflicts(connection: duckdb.DuckDBPyConnection) -> None:
    """Hold the invoices in conflict; build those that are no longer in conflict again, for something else may hold them."""
    if not has_row(connection, _MAY_CONFLICT):
        return
    connection.execute(f"CREATE OR REPLACE TEMPORARY TABLE conflicts AS {_CONFLICTS}")
    settled = connection.execute(
        "SELECT DISTINCT invoice_month FROM tax_split_totals ANTI JOIN conflicts USING (source, account_id, external_id) "
        "WHERE conflict IS NOT NULL"
    ).fetchall()
    renew(connection, schema.COST_LINES.name, [month for (month,) in settled])
    with sealed_anew(connection, schema.TAX_SPLIT_TOTALS.name):
        connection.execute(
            """
            UPDATE tax_split_totals SET status = 'held', can_release = can_release OR status = 'ready' OR awaits_approval,
              awaits_approval = false, conflict = found.conflict,
              -- It is released first, and then approved.
              hold_reasons = CASE WHEN awaits_approval THEN [found.conflict] ELSE
                list_filter(hold_reasons, lambda reason: reason IS DISTINCT FROM tax_split_totals.conflict)
                -- Where nobody can overrule what holds it, this would offer a release that is refused.
                || CASE WHEN can_release OR status = 'ready' THEN [found.conflict] ELSE [] END END
            FROM conflicts AS found
            WHERE found.source = tax_split_totals.source AND found.account_id = tax_split_totals.account_id
              AND found.external_id = tax_split_totals.external_id AND tax_split_totals.conflict IS DISTINCT FROM found.conflict
            """
        )
    connection.execute("DROP TABLE conflicts")
