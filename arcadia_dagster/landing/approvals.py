"""The limits above which invoices wait for an approval, as the warehouse has them: those of the last landing."""

from datetime import date

import duckdb

from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.warehouse import Warehouse, schema
from arcadia_dagster.warehouse.months import renew
from arcadia_dagster.warehouse.rows import insert


def known_limits(connection: duckdb.DuckDBPyConnection) -> Limits:
    """The limits that the warehouse has; none before the first were landed."""
    rows = connection.execute("SELECT currency, over, first_month FROM approval_limits ORDER BY currency").fetchall()
    over = tuple((currency, amount.normalize()) for currency, amount, _ in rows if currency is not None)
    return Limits(over, is_all=bool(rows) and not over, first_month=next((month for *_, month in rows), None))


def take_limits(warehouse: Warehouse, limits: Limits) -> set[date]:
    """Put the limits into the warehouse.

    Returns:
        The months whose totals must be built again; nothing of them is pushed before.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write_register`.
    """
    with warehouse.read() as connection:
        if known_limits(connection) == limits:
            return set()
    with warehouse.write_register() as connection:
        known = known_limits(connection)
        rows = connection.execute("SELECT DISTINCT invoice_month FROM document_invoices").fetchall()
        months = {month for (month,) in rows if known.concern(month) or limits.concern(month)}
        connection.execute("DELETE FROM approval_limits")
        # The row without a currency is for all others.
        over = [] if limits.are_none else [*limits.over, (None, None)]
        insert(
            connection,
            schema.APPROVAL_LIMITS,
            [{"currency": code, "over": amount, "first_month": limits.first_month} for code, amount in over],
        )
        renew(connection, schema.COST_LINES.name, months)
    return months
