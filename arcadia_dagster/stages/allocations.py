"""What each tenant bears of the invoices that routes concern: made with their totals, in the same transaction."""

from collections.abc import Collection, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from arcadia_dagster.billing.allocation import Charges, Part, Routes, split
from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.landing.routes import known_routes
from arcadia_dagster.warehouse import WarehouseError, schema
from arcadia_dagster.warehouse.months import assert_unique, month_list
from arcadia_dagster.warehouse.query import fetch, text_literal
from arcadia_dagster.warehouse.rows import insert

_Key = tuple[str, str, str]


def build_allocations(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> None:
    """Replace the months of `allocations`, from totals that stand already, within the caller's transaction.

    An invoice that no route concerns has no row: all of it is borne by the identity's own tenant. Nor has one without totals,
    which is held.

    Raises:
        WarehouseError: The parts do not sum to their invoice, which is a defect.
    """
    in_months = f"invoice_month IN ({month_list(months)})"
    connection.execute(f"DELETE FROM allocations WHERE {in_months}")
    routes = known_routes(connection)
    accounts: dict[tuple[str, str], Routes] = {
        (source, account_id): routes.of_account(source, account_id)
        for source, account_id in connection.execute(
            f"SELECT DISTINCT source, account_id FROM tax_split_totals WHERE {in_months}"
        ).fetchall()
    }
    for (source, account_id), own in accounts.items():
        if own.routes:
            where = f"{in_months} AND source = {text_literal(source)} AND account_id = {text_literal(account_id)}"
            insert(connection, schema.ALLOCATIONS, list(_rows(connection, own, where)))
    assert_unique(connection, schema.ALLOCATIONS, in_months)
    _assert_sums(connection, in_months)


def _rows(connection: duckdb.DuckDBPyConnection, routes: Routes, where: str) -> Iterator[dict[str, Any]]:
    charges = _charges(connection, where) if routes.splits else {}
    for total in fetch(connection, f"SELECT * FROM tax_split_totals WHERE {where}"):
        if total["currency"] not in EXPONENTS:
            continue
        gross, tax = total["amount_gross_minor"], total["amount_tax_minor"]
        if routes.splits:
            by_project, common_tax = charges[total["source"], total["account_id"], total["external_id"]]
            parts = split(routes, by_project, common_tax, gross_minor=gross, tax_minor=tax, currency=total["currency"])
        else:
            parts = {routes.tenant_of(None): Part(gross, tax, total["line_count"])}
        for tenant_id, part in parts.items():
            yield {
                **{name: total[name] for name in ("source", "account_id", "external_id", "invoice_month", "currency")},
                "tenant_id": tenant_id,
                "is_split": routes.splits,
                "amount_gross_minor": part.amount_gross_minor,
                "amount_net_minor": part.amount_net_minor,
                "amount_tax_minor": part.amount_tax_minor,
                "line_count": part.line_count,
            }


def _charges(
    connection: duckdb.DuckDBPyConnection, where: str
) -> dict[_Key, tuple[dict[str | None, Charges], Decimal]]:
    """Of each invoice, what the lines of each project come to, and the tax that names no project."""
    found: dict[_Key, tuple[dict[str | None, Charges], Decimal]] = {}
    rows = connection.execute(
        "SELECT source, account_id, external_id, project, charge_category = 'Tax' AS is_tax, sum(amount), count(*) "
        f"FROM cost_lines WHERE {where} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for *key, project, is_tax, amount, line_count in rows:
        by_project, common_tax = found.get((key[0], key[1], key[2]), ({}, Decimal(0)))
        if is_tax and project is None:
            common_tax += amount
        else:
            own = Charges(tax=amount, line_count=line_count) if is_tax else Charges(amount, line_count=line_count)
            by_project[project] = by_project.get(project, Charges()) + own
        found[key[0], key[1], key[2]] = (by_project, common_tax)
    return found


def _assert_sums(connection: duckdb.DuckDBPyConnection, in_months: str) -> None:
    unequal = connection.execute(
        f"""
        SELECT total.external_id FROM (FROM tax_split_totals WHERE {in_months}) AS total
        JOIN (
          SELECT source, account_id, external_id, sum(amount_gross_minor) AS gross, sum(amount_net_minor) AS net,
            sum(amount_tax_minor) AS tax
          FROM allocations WHERE {in_months} GROUP BY ALL
        ) AS parts USING (source, account_id, external_id)
        WHERE (gross, net, tax) IS DISTINCT FROM (amount_gross_minor, amount_net_minor, amount_tax_minor)
        """
    ).fetchone()
    if unequal is not None:
        raise WarehouseError(
            f"allocations: the parts of invoice {unequal[0]} are not the invoice; nothing was written. This is a defect: report "
            "it"
        )
